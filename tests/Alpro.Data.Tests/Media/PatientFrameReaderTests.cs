using Alpro.Data.Media;

namespace Alpro.Data.Tests.Media;

public sealed class PatientFrameReaderTests
{
    private static readonly DecodeLimits _limits = new() { Tries = 4, BackOff = TimeSpan.FromMilliseconds(1) };
    private static readonly MediaSource _media = new("a.mp4");

    /// <summary>Fails so many times at opening and at reading before it succeeds.</summary>
    private sealed class FlakyReader(RejectReason reason, int openFailures, int readFailures) : IFrameReader
    {
        public int Opened { get; private set; }

        public int Reads { get; private set; }

        public VideoInfo Open(MediaSource media) => ++Opened <= openFailures ? throw new UnreadableClipException(reason, media.Path,
            "input/output error") : new VideoInfo(10, 25, 4, 4, 0);

        public void Read(ReadOnlySpan<int> indices, int width, int height, ResizeFilter filter, Span<byte> pixels_THWC)
        {
            if (++Reads <= readFailures) throw new UnreadableClipException(reason, _media.Path, "input/output error");
            pixels_THWC.Fill(7);
        }

        public void Dispose() { }
    }

    private static byte[] Read(IFrameReader reader)
    {
        byte[] pixels = new byte[3];
        reader.Read([0], 1, 1, ResizeFilter.Bilinear, pixels);
        return pixels;
    }

    [Theory]
    [InlineData(RejectReason.ReadError)]
    [InlineData(RejectReason.TimedOut)]
    public void What_may_pass_is_tried_again(RejectReason reason)
    {
        var flaky = new FlakyReader(reason, openFailures: 3, readFailures: 3);
        using var patient = new PatientFrameReader(flaky, _limits);
        Assert.Equal(10, patient.Open(_media).FrameCount);
        Assert.Equal([7, 7, 7], Read(patient));
        Assert.Equal((4 + 3, 4), (flaky.Opened, flaky.Reads));               // a file that could not be read is opened anew
    }

    [Fact]
    public void What_does_not_pass_is_unreadable_in_the_end()
    {
        var flaky = new FlakyReader(RejectReason.ReadError, openFailures: int.MaxValue, readFailures: 0);
        using var patient = new PatientFrameReader(flaky, _limits);
        Assert.Equal(RejectReason.ReadError, Assert.Throws<UnreadableClipException>(() => patient.Open(_media)).Reason);
        Assert.Equal(4, flaky.Opened);
    }

    [Theory]
    [InlineData(RejectReason.Missing)]
    [InlineData(RejectReason.Corrupt)]
    [InlineData(RejectReason.Denied)]
    public void What_stays_as_it_is_is_tried_once(RejectReason reason)
    {
        var flaky = new FlakyReader(reason, openFailures: 0, readFailures: 1);
        using var patient = new PatientFrameReader(flaky, _limits);
        patient.Open(_media);
        Assert.Throws<UnreadableClipException>(() => Read(patient));
        Assert.Equal((1, 1), (flaky.Opened, flaky.Reads));
    }

    [Fact]
    public void Waits_grow()
    {
        using var patient = new PatientFrameReader(new FlakyReader(RejectReason.ReadError, openFailures: 3, readFailures: 0),
            _limits with { BackOff = TimeSpan.FromMilliseconds(20) });
        long began = TimeProvider.System.GetTimestamp();
        patient.Open(_media);
        Assert.InRange(TimeProvider.System.GetElapsedTime(began).TotalMilliseconds, 20 + 80 + 320 - 10, 20_000);
    }

    [Fact]
    public void Every_reader_that_is_made_is_patient()
    {
        using IFrameReader here = FrameReaders.Create(new DecodeLimits()), there = FrameReaders.Create(new DecodeLimits(),
            new WorkerCommand("false"));
        Assert.IsType<PatientFrameReader>(here);
        Assert.IsType<PatientFrameReader>(there);
    }
}
