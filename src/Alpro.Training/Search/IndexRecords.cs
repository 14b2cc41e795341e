using System.Runtime.InteropServices;
using Alpro.Data.Media;

namespace Alpro.Training.Search;

/// <summary>A stretch of a video that can be found.</summary>
/// <param name="Number">Its number in the index, from 0.</param>
/// <param name="File">Number of its file.</param>
/// <param name="FirstFrame">Its first frame.</param>
/// <param name="FrameCount">Its frames; all of the video's, for a window of the whole length.</param>
/// <param name="Start">Where it begins, in seconds.</param>
/// <param name="End">Where it ends, in seconds.</param>
public sealed record Window(int Number, int File, int FirstFrame, int FrameCount, double Start, double End);

/// <summary>A file whose windows are in an index, or that could not be read.</summary>
/// <param name="Number">Its number in the index, from 0; files are in the order of their names.</param>
/// <param name="Name">Its path below the folder that was indexed, with slashes; of a corpus, the name of its row.</param>
/// <param name="Media">Where its bytes lie.</param>
public sealed record IndexedFile(int Number, string Name, MediaSource Media)
{
    /// <summary>Whether it is a video or an image.</summary>
    public MediaKind Kind { get; init; }

    /// <summary>Bytes, when it was indexed; 0 for a part of a shard.</summary>
    public long Size { get; init; }

    /// <summary>When it was last changed, in ticks of UTC; 0 where that is not known.</summary>
    public long Changed { get; init; }

    /// <summary>What was found when it was opened.</summary>
    public VideoInfo Info { get; init; }

    /// <summary>Its first window.</summary>
    public int FirstWindow { get; init; }

    /// <summary>Its windows, which follow each other.</summary>
    public int WindowCount { get; init; }

    /// <summary>What could not be read of it, for a person; null where all could.</summary>
    public string? Problem { get; init; }

    /// <summary>Its length in seconds; 0 for an image.</summary>
    public double Seconds => Info.FrameRate > 0 ? Info.FrameCount / Info.FrameRate : 0;

    /// <summary>Whether it is the same file, unchanged.</summary>
    internal bool IsSame(IndexedFile other) => (Name, Media.Path, Media.Offset, Media.Length, Size, Changed)
        == (other.Name, other.Media.Path, other.Media.Offset, other.Media.Length, other.Size, other.Changed);
}

/// <summary>A window as it lies in <c>windows.bin</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct WindowRecord(long Thumbnail, int ThumbnailLength, int File, int FirstFrame, int FrameCount, float Start, float End);

/// <summary>A file as it lies in <c>files.bin</c>; its name, path and problem follow each other in <c>texts.bin</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct FileRecord(long Text, long Offset, long Length, long Size, long Changed, double FrameRate,
    int NameLength, int PathLength, int ProblemLength, int Kind, int FrameCount, int Width, int Height, int Rotation,
    int FirstWindow, int WindowCount);

/// <summary>The files of an index's data, side by side in the folder of a generation.</summary>
internal static class IndexFiles
{
    public const string Manifest = "index.json", Config = "config.json", Vocabulary = "vocab.txt", Unreadable = "unreadable.csv";

    /// <summary>Features [N, F] in 16 bits.</summary>
    public const string Features = "features.f16";

    /// <summary>Tokens [N, M, D] in 16 bits.</summary>
    public const string Tokens = "tokens.f16";

    /// <summary><see cref="WindowRecord"/>s, N.</summary>
    public const string Windows = "windows.bin";

    /// <summary><see cref="FileRecord"/>s.</summary>
    public const string Files = "files.bin";

    /// <summary>Names, paths and problems of files, in UTF-8.</summary>
    public const string Texts = "texts.bin";

    /// <summary>A JPEG for each window, one after another.</summary>
    public const string Thumbnails = "thumbnails.jpg.bin";

    /// <summary>The folder of a generation.</summary>
    public static string FolderOf(string index, int generation) => Path.Combine(index, $"generation-{generation}");
}
