using System.Globalization;
using Alpro.Data.Corpora;
using Alpro.Data.Media;
using Alpro.Data.Sampling;

namespace Alpro.Training.Search;

/// <summary>Windows of videos as a corpus: each is a row that asks for a stretch of its video, and whose name is its number.</summary>
/// <param name="windows">Files and their windows.</param>
internal sealed class WindowCorpus(IReadOnlyList<(IndexedFile File, Window Window)> windows) : VideoTextCorpus
{
    public override string Name => "windows";

    public override MediaKind Kind => MediaKind.Video;

    public override long Count => windows.Count;

    public override CorpusCoverage Coverage => new(windows.Count, 0, 0, 0);

    public override string Content => Name;

    public override VideoTextPair this[long row]
    {
        get
        {
            (IndexedFile file, Window window) = windows[(int)row];
            return Pair(file) with
            {
                Row = row,
                Key = row.ToString(CultureInfo.InvariantCulture),
                Frames = IsWhole(file, window) ? null : new FrameRange(window.FirstFrame, window.FrameCount),
            };
        }
    }

    /// <summary>The rows, once each and in order. A whole video has the frames that evaluation gives it.</summary>
    public RowsInOrder Plan(int batchSize) => new([.. Enumerable.Range(0, windows.Count).Select(row => (long)row)], batchSize, NameOf);

    /// <summary>What decides the frames of a window.</summary>
    public string NameOf(long row)
    {
        (IndexedFile file, Window window) = windows[(int)row];
        string name = Pair(file).MediaName;
        return IsWhole(file, window) ? name
            : string.Create(CultureInfo.InvariantCulture, $"{name}@{window.FirstFrame}+{window.FrameCount}");
    }

    private static VideoTextPair Pair(IndexedFile file) =>
        new() { Row = 0, Key = file.Name, Kind = file.Kind, Media = file.Media, Captions = [""] };

    private static bool IsWhole(IndexedFile file, Window window) => (window.FirstFrame, window.FrameCount) == (0, file.Info.FrameCount);
}
