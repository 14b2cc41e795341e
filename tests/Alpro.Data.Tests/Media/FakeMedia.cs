using System.Runtime.InteropServices;
using Alpro.Data.Corpora;
using Alpro.Data.Media;

namespace Alpro.Data.Tests.Media;

/// <summary>A reader of videos that do not exist: pixels that depend on the path, the frame and the place.</summary>
internal sealed class FakeReader : IFrameReader
{
    private int _salt;

    public VideoInfo Info { get; set; } = new(100, 25, 90, 60, 0);

    public UnreadableClipException? Failure { get; set; }

    public int[] LastIndices { get; private set; } = [];

    public (int Width, int Height) LastSize { get; private set; }

    public bool RecordsIndices { get; set; } = true;

    public bool Disposed { get; private set; }

    public Action Fetched { get; set; } = static () => { };

    public void Fetch(ReadOnlySpan<int> indices) => Fetched();

    public DecodeStatistics? Statistics { get; set; }

    DecodeStatistics? IFrameReader.Statistics => Statistics;

    public VideoInfo Open(MediaSource media)
    {
        if (Failure is not null) throw Failure;
        _salt = media.Path.Length * 7 + media.Path[0];
        return Info;
    }

    public void Read(ReadOnlySpan<int> indices, int width, int height, ResizeFilter filter, Span<byte> pixels_THWC)
    {
        Assert.Equal(indices.Length * width * height * 3, pixels_THWC.Length);
        if (RecordsIndices) LastIndices = indices.ToArray();
        LastSize = (width, height);
        int bytes = width * height * 3;
        for (int i = 0; i < indices.Length; i++)
        {
            Span<byte> frame = pixels_THWC.Slice(i * bytes, bytes);
            Span<int> words = MemoryMarshal.Cast<byte, int>(frame);
            for (int at = 0; at < words.Length; at++) words[at] = (at + _salt + indices[i] * 31) * 0x01000193;
        }
    }

    public void Dispose() => Disposed = true;
}

/// <summary>A corpus of given rows.</summary>
internal sealed class FakeCorpus(params VideoTextPair[] pairs) : VideoTextCorpus
{
    public override string Name => "fake";

    public override MediaKind Kind => pairs[0].Kind;

    public override long Count => pairs.Length;

    public override CorpusCoverage Coverage => new(pairs.Length, 0, 0, 0);

    public override string Content => "fake";

    public override VideoTextPair this[long row] => pairs[row];
}
