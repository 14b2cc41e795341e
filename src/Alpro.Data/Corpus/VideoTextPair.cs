using Alpro.Data.Corpus.Annotations;

namespace Alpro.Data.Corpus;

/// <summary>What a row's media file holds.</summary>
public enum MediaKind
{
    /// <summary>A video: frames are chosen from it.</summary>
    Video,

    /// <summary>A still image: it stands as T equal frames.</summary>
    Image,
}

/// <summary>Where the bytes of a clip lie: a whole file, or a stretch of a tar shard.</summary>
/// <param name="Path">Full path of the file.</param>
/// <param name="Offset">First byte inside the file; 0 for a whole file.</param>
/// <param name="Length">Number of bytes; 0 means to the end of the file.</param>
public readonly record struct MediaSource(string Path, long Offset = 0, long Length = 0)
{
    private const string Shard = ".tar";

    /// <summary>Whether the clip is the whole file.</summary>
    public bool IsWholeFile => Offset == 0 && Length == 0;

    /// <summary>Finds a clip that a person names: a file, or <c>SHARD.tar/KEY</c>, one inside a tar shard.</summary>
    /// <returns>Where it lies, and its row's name where a shard has it; else the path.</returns>
    /// <exception cref="CorpusException">The shard has no such clip.</exception>
    public static (MediaSource Media, string Key) Find(string path)
    {
        string full = System.IO.Path.GetFullPath(path);
        int end = full.IndexOf($"{Shard}/", StringComparison.OrdinalIgnoreCase) + Shard.Length;
        if (end < Shard.Length || !File.Exists(full[..end])) return (new(full), full);
        string key = $"{System.IO.Path.GetFileNameWithoutExtension(full[..end])}{full[end..]}";
        if (TarShardReader.Find(full[..end], key) is { } media) return (media, key);
        throw new CorpusException($"{full[..end]}: holds no clip '{full[(end + 1)..]}'; expected the name of a file up to its first dot");
    }
}

/// <summary>One row of a corpus: a video or image and what is said about it.</summary>
public sealed record VideoTextPair
{
    /// <summary>Row number within the corpus, from 0.</summary>
    public required long Row { get; init; }

    /// <summary>The row's own name: the video id, the clip name or the image path as the annotation spells it.</summary>
    public required string Key { get; init; }

    /// <summary>Whether the media file is a video or an image.</summary>
    public required MediaKind Kind { get; init; }

    /// <summary>Where the media bytes are.</summary>
    public required MediaSource Media { get; init; }

    /// <summary>What the media is called wherever it lies: a file by its name, without folder and extension; a member of a shard by the row's name.</summary>
    public string MediaName => Media.IsWholeFile ? Path.GetFileNameWithoutExtension(Media.Path) : Key;

    /// <summary>The captions (one is drawn per visit), or the question of a question-answering row.</summary>
    public required IReadOnlyList<string> Captions { get; init; }

    /// <summary>The answer of a question-answering row; null elsewhere.</summary>
    public string? Answer { get; init; }

    /// <summary>The question type (what, who, how, where, when) of a question-answering row; null elsewhere.</summary>
    public string? AnswerType { get; init; }
}
