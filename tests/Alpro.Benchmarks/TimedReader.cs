using Alpro.Data.Media;

namespace Alpro.Benchmarks;

/// <summary>A reader that notes the thread's CPU time, in nanoseconds, when a clip is opened and when its frames are there.</summary>
internal sealed class TimedReader(VideoReader reader) : IFrameReader
{
    public long Opened { get; private set; }

    public long Finished { get; private set; }

    /// <summary>What reading the last clip consisted of.</summary>
    public DecodeStatistics Statistics => reader.Statistics;

    public VideoInfo Open(MediaSource media)
    {
        Opened = ThreadClock.Nanoseconds();
        return reader.Open(media);
    }

    public void Read(ReadOnlySpan<int> indices, int width, int height, ResizeFilter filter, Span<byte> pixels_THWC)
    {
        reader.Read(indices, width, height, filter, pixels_THWC);
        Finished = ThreadClock.Nanoseconds();
    }

    public void Dispose() => reader.Dispose();
}
