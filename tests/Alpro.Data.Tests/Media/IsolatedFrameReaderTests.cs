using System.Diagnostics;
using System.Text;
using Alpro.Data.Media;

namespace Alpro.Data.Tests.Media;

public sealed class IsolatedFrameReaderTests : IDisposable
{
    private static readonly WorkerCommand _worker = new("dotnet", typeof(IsolatedFrameReaderTests).Assembly.Location, "decode-worker");
    private readonly IsolatedFrameReader _reader = new(new DecodeLimits(), _worker);

    public void Dispose() => _reader.Dispose();

    private static RejectReason ReasonOf(Action action) => Assert.Throws<UnreadableClipException>(action).Reason;

    [Fact]
    public void Frames_are_those_of_the_reader_in_process()
    {
        using var here = new VideoReader(new DecodeLimits());
        foreach (string kind in new[] { "b-frames", "rotated 90", "transport stream" })
        {
            var media = new MediaSource(TestVideos.Get(kind));
            Assert.Equal(here.Open(media), _reader.Open(media));
            byte[] expected = new byte[3 * 224 * 224 * 3], actual = new byte[expected.Length];
            here.Read([0, 10, 99], 224, 224, ResizeFilter.Bicubic, expected);
            _reader.Read([0, 10, 99], 224, 224, ResizeFilter.Bicubic, actual);
            Assert.Equal(expected, actual);
        }
    }

    [Fact]
    public void Refusals_come_through_with_reason_and_message()
    {
        string path = TestVideos.NewPath(".mp4");
        File.WriteAllText(path, "<html>");
        using var here = new VideoReader(new DecodeLimits());
        var expected = Assert.Throws<UnreadableClipException>(() => here.Open(new MediaSource(path)));
        var actual = Assert.Throws<UnreadableClipException>(() => _reader.Open(new MediaSource(path)));
        Assert.Equal((expected.Reason, expected.Path, expected.Message), (actual.Reason, actual.Path, actual.Message));
        int? worker = _reader.WorkerId;
        _reader.Open(new MediaSource(TestVideos.Get("b-frames")));
        Assert.Equal(worker, _reader.WorkerId);
    }

    [Fact]
    public void A_killed_worker_costs_one_clip()
    {
        var media = new MediaSource(TestVideos.Get("b-frames"));
        _reader.Open(media);
        int first = _reader.WorkerId!.Value;
        TestVideos.Run("kill", $"-9 {first}");
        Assert.Equal(RejectReason.DecoderDied, ReasonOf(() => _reader.Read([0], 8, 8, ResizeFilter.Bilinear, new byte[8 * 8 * 3])));
        Assert.Null(_reader.WorkerId);
        Assert.Equal(150, _reader.Open(media).FrameCount);
        Assert.NotEqual(first, _reader.WorkerId);
        _reader.Read([0], 8, 8, ResizeFilter.Bilinear, new byte[8 * 8 * 3]);
    }

    [Fact]
    public void A_hung_worker_is_ended()
    {
        using var reader = new IsolatedFrameReader(new DecodeLimits { Deadline = TimeSpan.FromMilliseconds(200) }, _worker);
        var media = new MediaSource(TestVideos.Get("b-frames"));
        reader.Open(media);
        TestVideos.Run("kill", $"-STOP {reader.WorkerId}");
        long start = Stopwatch.GetTimestamp();
        Assert.Equal(RejectReason.TimedOut, ReasonOf(() => reader.Read([0], 8, 8, ResizeFilter.Bilinear, new byte[8 * 8 * 3])));
        Assert.InRange(Stopwatch.GetElapsedTime(start).TotalSeconds, 1, 20);
        Assert.Equal(150, reader.Open(media).FrameCount);
    }

    [Fact]
    public void A_worker_ends_with_its_reader()
    {
        _reader.Open(new MediaSource(TestVideos.Get("b-frames")));
        using Process worker = Process.GetProcessById(_reader.WorkerId!.Value);
        _reader.Dispose();
        Assert.True(worker.WaitForExit(20_000));
    }

    [Fact]
    public void A_command_that_is_no_worker_is_the_programs_fault()
    {
        using var reader = new IsolatedFrameReader(new DecodeLimits(), new WorkerCommand("false"));
        Assert.Throws<InvalidOperationException>(() => reader.Open(new MediaSource(TestVideos.Get("b-frames"))));
    }

    [Fact]
    public void A_worker_does_not_have_the_memory_budget_of_training()
    {
        string seen = TestVideos.NewPath(".txt");
        Environment.SetEnvironmentVariable("DOTNET_GCgen0size", "0x20000000");
        try
        {
            using var reader = new IsolatedFrameReader(new DecodeLimits(), new WorkerCommand("sh", "-c", $"env > {seen}"));
            Assert.Throws<InvalidOperationException>(() => reader.Open(new MediaSource(TestVideos.Get("b-frames"))));
        }
        finally
        {
            Environment.SetEnvironmentVariable("DOTNET_GCgen0size", null);
        }
        Assert.NotEmpty(File.ReadAllLines(seen));
        Assert.DoesNotContain("GCgen0size", File.ReadAllText(seen), StringComparison.Ordinal);
    }

    [Fact]
    public void A_worker_ends_when_its_input_ends()
    {
        using var input = new MemoryStream();
        using (var writer = new BinaryWriter(input, Encoding.UTF8, leaveOpen: true))
        {
            writer.Write(TimeSpan.FromSeconds(1).Ticks);
            writer.Write(1L << 20);
            writer.Write(1000L);
            writer.Write("");                                        // no cache
            for (int setting = 0; setting < 4; setting++) writer.Write(1000L);
        }
        input.Position = 0;
        using var output = new MemoryStream();
        DecodeWorker.Run(input, output);
        Assert.Equal(1, output.Length);
    }
}
