using Alpro.Data.Corpora;
using Alpro.Data.Media;

namespace Alpro.Benchmarks;

/// <summary>A corpus of video files with one caption for all, of a length that web videos have.</summary>
internal sealed class VideoFiles(string[] files) : VideoTextCorpus
{
    private const string Caption =
        "A young woman in a red coat walks her dog along the beach at sunset, waves rolling in. Aerial drone shot.";

    private readonly VideoTextPair[] _pairs = [.. files.Select((file, row) => new VideoTextPair
    {
        Row = row, Key = Path.GetFileName(file), Kind = MediaKind.Video, Media = new MediaSource(file), Captions = [Caption],
    })];

    public override string Name => "sample";

    public override MediaKind Kind => MediaKind.Video;

    public override long Count => _pairs.Length;

    public override CorpusCoverage Coverage => new(_pairs.Length, 0, 0, 0);

    public override string Content => "sample";

    public override VideoTextPair this[long row] => _pairs[row];
}
