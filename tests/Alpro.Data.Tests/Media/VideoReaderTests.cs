using System.Diagnostics;
using System.Text;
using Alpro.Data.Media;

namespace Alpro.Data.Tests.Media;

/// <summary>What the reader gives beside the pixels, and what becomes of files that are no good.</summary>
public sealed class VideoReaderTests : IDisposable
{
    private readonly VideoReader _reader = new(new DecodeLimits());

    public void Dispose() => _reader.Dispose();

    private VideoInfo Open(string path) => _reader.Open(new MediaSource(path));

    private byte[] Read(int[] indices, int width = 32, int height = 24, ResizeFilter filter = ResizeFilter.Bilinear)
    {
        var pixels = new byte[indices.Length * width * height * 3];
        _reader.Read(indices, width, height, filter, pixels);
        return pixels;
    }

    private static string Write(string extension, byte[] content)
    {
        string path = TestVideos.NewPath(extension);
        File.WriteAllBytes(path, content);
        return path;
    }

    private static RejectReason ReasonOf(Action action) => Assert.Throws<UnreadableClipException>(action).Reason;

    // ---- what a file is ----

    [Theory, InlineData("b-frames", 160, 96, 0), InlineData("rotated 90", 96, 160, 90), InlineData("rotated 180", 151, 93, 180),
        InlineData("rotated 270", 96, 160, 270)]
    public void Size_is_as_displayed(string kind, int width, int height, int rotation)
    {
        VideoInfo info = Open(TestVideos.Get(kind));
        Assert.Equal((width, height, rotation), (info.Width, info.Height, info.Rotation));
    }

    [Fact]
    public void Rate_is_the_average() => Assert.Equal(25, Open(TestVideos.Get("b-frames")).FrameRate, 1e-9);

    [Theory, InlineData(151, 93), InlineData(224, 224), InlineData(7, 5)]
    public void Both_filters_equal_the_command_at_every_size(int width, int height)
    {
        foreach (string kind in new[] { "b-frames", "rotated 90", "full range bt709", "10 bit", "4:2:2", "rotated 4:2:2" })
        {
            Open(TestVideos.Get(kind));
            foreach (ResizeFilter filter in Enum.GetValues<ResizeFilter>())
            {
                byte[] expected = TestVideos.DecodeByCommand(TestVideos.Get(kind), width, height, filter.ToString().ToLowerInvariant(),
                    frames: 32);
                int size = width * height * 3;
                Assert.Equal([.. expected[(9 * size)..(10 * size)], .. expected[(31 * size)..(32 * size)]],
                    Read([9, 31], width, height, filter));
            }
        }
    }

    [Fact]
    public void Repeats_are_filled_in()
    {
        Open(TestVideos.Get("b-frames"));
        byte[] once = Read([3, 80]), repeated = Read([3, 3, 80, 80, 80]);
        int size = 32 * 24 * 3;
        Assert.Equal([.. once[..size], .. once[..size], .. once[size..], .. once[size..], .. once[size..]], repeated);
    }

    [Fact]
    public void A_stretch_of_a_file_reads_as_the_file_would()
    {
        foreach (string kind in new[] { "b-frames", "transport stream", "vp9" })
        {
            byte[] clip = File.ReadAllBytes(TestVideos.Get(kind));
            string shard = Write(".tar", [.. Encoding.UTF8.GetBytes(new string('x', 1536)), .. clip, .. clip, .. new byte[1024]]);
            VideoInfo whole = Open(TestVideos.Get(kind));
            byte[] expected = Read([0, 40, 70]);
            Assert.Equal(whole, _reader.Open(new MediaSource(shard, 1536 + clip.Length, clip.Length)));
            Assert.Equal(expected, Read([0, 40, 70]));
        }
    }

    [Fact]
    public void Only_needed_packets_are_decoded()
    {
        Open(TestVideos.Get("b-frames"));   // key frames every 48, three of four frames disposable
        Read([100]);
        DecodeStatistics statistics = _reader.Statistics;
        Assert.Equal(150, statistics.Packets);
        Assert.InRange(statistics.Sent, 2, 4);
        Assert.True(statistics.Bytes < new FileInfo(TestVideos.Get("b-frames")).Length / 2);
    }

    [Fact]
    public void A_clip_allocates_next_to_nothing()
    {
        var media = new MediaSource(TestVideos.Get("b-frames"));
        var pixels = new byte[2 * 32 * 24 * 3];
        long before = 0;
        for (int i = 0; i < 20; i++)
        {
            if (i == 10) before = GC.GetAllocatedBytesForCurrentThread();
            _reader.Open(media);
            _reader.Read([5, 60], 32, 24, ResizeFilter.Bilinear, pixels);
        }
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 10 * 1000);
    }

    // ---- images ----

    [Theory]
    [InlineData("jpg", "-frames:v 1 -q:v 3 -pix_fmt yuvj420p")]
    [InlineData("jpg", "-frames:v 1 -q:v 3 -pix_fmt yuvj444p")]
    [InlineData("jpg", "-frames:v 1 -q:v 3 -pix_fmt gray")]
    [InlineData("png", "-frames:v 1")]
    [InlineData("png", "-frames:v 1 -pix_fmt rgba")]
    [InlineData("png", "-frames:v 1 -pix_fmt gray16be")]
    [InlineData("webp", "-frames:v 1 -quality 80")]
    [InlineData("webp", "-frames:v 1 -lossless 1")]
    public void Images_are_one_frame(string extension, string arguments)
    {
        string path = TestVideos.Derive($"{arguments.GetHashCode():x}.{extension}",
            $"-f lavfi -i testsrc2=size=162x98 -vf format=rgb24,crop=161:97:0:0:exact=1 {arguments}");
        Assert.Equal(new VideoInfo(1, 0, 161, 97, 0), Open(path));
        Assert.Equal(TestVideos.DecodeByCommand(path, 64, 48, "bicubic"), Read([0], 64, 48, ResizeFilter.Bicubic));
        byte[] twice = Read([0, 0]);
        Assert.Equal(twice[..(twice.Length / 2)], twice[(twice.Length / 2)..]);
    }

    [Theory, InlineData("jpg", "-q:v 3 -pix_fmt yuvj420p"), InlineData("png", ""), InlineData("webp", "-quality 80"), InlineData("webp",
        "-lossless 1")]
    public void An_image_that_is_cut_is_refused(string extension, string arguments)
    {
        byte[] whole = File.ReadAllBytes(TestVideos.Derive($"cut{arguments.Length}.{extension}",
            $"-f lavfi -i testsrc2=size=640x480 -frames:v 1 {arguments}"));
        foreach (int percent in new[] { 30, 60, 95 })
            Assert.Contains(ReasonOf(() => Open(Write("." + extension, whole[..(whole.Length * percent / 100)]))),
                new[] { RejectReason.Truncated, RejectReason.Corrupt });
    }

    // ---- bad input ----

    [Fact]
    public void Each_kind_of_trouble_has_its_reason()
    {
        byte[] clip = File.ReadAllBytes(TestVideos.Get("b-frames"));
        Assert.Equal(RejectReason.Missing, ReasonOf(() => Open("/nowhere/clip.mp4")));
        Assert.Equal(RejectReason.Empty, ReasonOf(() => Open(Write(".mp4", []))));
        Assert.Equal(RejectReason.NotMedia, ReasonOf(
            () =>
            Open(Write(".mp4", Encoding.UTF8.GetBytes(
            "<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body>Not found</body></html>\n")))));
        Assert.Equal(RejectReason.NotMedia, ReasonOf(() => Open(Write(".mp4", new byte[100_000]))));
        Assert.Equal(RejectReason.NotMedia, ReasonOf(
            () =>
            Open(Write(".m3u8", Encoding.UTF8.GetBytes("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n/etc/passwd\n#EXT-X-ENDLIST\n")))));
        Assert.Equal(RejectReason.Truncated, ReasonOf(() => Open(Write(".mp4", clip[..(clip.Length / 2)]))));
        Assert.Equal(RejectReason.Truncated, ReasonOf(() => _reader.Open(new MediaSource(TestVideos.Get("b-frames"), 100, clip.Length))));
        Assert.Equal(RejectReason.NoVideoStream, ReasonOf(() => Open(TestVideos.Derive("sine.mp4", "-f lavfi -t 1 -i sine -c:a aac"))));
        Assert.Equal(RejectReason.NoVideoStream, ReasonOf(() => Open(TestVideos.Derive("sine.wav", "-f lavfi -t 1 -i sine"))));
        Assert.Equal(RejectReason.NotMedia, ReasonOf(() => Open(Path.GetTempPath())));
    }

    [Fact]
    public void A_cover_picture_is_no_video()
    {
        string cover = TestVideos.Derive("cover.jpg", "-f lavfi -i testsrc2=size=64x64 -frames:v 1");
        string song = TestVideos.Derive("song.m4a",
            $"-f lavfi -t 1 -i sine -i {cover} -map 0 -map 1 -c:a aac -c:v copy -disposition:v:0 attached_pic");
        Assert.Equal(RejectReason.NoVideoStream, ReasonOf(() => Open(song)));
    }

    [Fact]
    public void A_clip_that_is_cut_has_the_frames_it_has()
    {
        byte[] clip = File.ReadAllBytes(TestVideos.Get("header first"));
        Assert.Equal(150, Open(TestVideos.Get("header first")).FrameCount);
        byte[] expected = Read([0, 30]);
        int count = Open(Write(".mp4", clip[..(clip.Length * 2 / 3)])).FrameCount;
        Assert.InRange(count, 60, 110);
        Assert.Equal(expected, Read([0, 30]));
    }

    [Fact]
    public void A_damaged_frame_is_refused_and_the_others_served()
    {
        byte[] clip = File.ReadAllBytes(TestVideos.Get("header first"));
        Open(TestVideos.Get("header first"));
        byte[] expected = Read([2, 120]);
        clip.AsSpan(clip.Length / 2, 2000).Fill(0x55);
        string path = Write(".mp4", clip);
        Open(path);
        Assert.Equal(expected, Read([2, 120]));
        var failures = Enumerable.Range(0, 150).Where(
            i => Record.Exception(() => Read([i])) is UnreadableClipException { Reason: RejectReason.Corrupt }).ToArray();
        Assert.InRange(failures.Length, 1, 40);
    }

    [SharedFact]
    public void The_corrupted_clip_serves_all_frames_but_one()
    {
        Assert.Equal(50, Open(Path.Combine(Locations.Shared, "data", "odd-videos", "corrupted.mp4")).FrameCount);
        int[] bad = [.. Enumerable.Range(0, 50).Where(i => Record.Exception(() => Read([i])) is not null)];
        Assert.InRange(bad.Length, 1, 2);
    }

    [Fact]
    public void A_picture_larger_than_allowed_is_refused_before_it_is_decoded()
    {
        using var reader = new VideoReader(new DecodeLimits { MaxPixels = 160 * 96 - 1 });
        Assert.Equal(RejectReason.TooLarge, ReasonOf(() => reader.Open(new MediaSource(TestVideos.Get("b-frames")))));
        string image = TestVideos.Derive("large.png", "-f lavfi -i testsrc2=size=162x98 -frames:v 1");
        Assert.Equal(RejectReason.TooLarge, ReasonOf(() => reader.Open(new MediaSource(image))));
    }

    [Fact]
    public void More_packets_than_allowed_are_refused()
    {
        using var reader = new VideoReader(new DecodeLimits { MaxPackets = 149 });
        foreach (string kind in new[] { "b-frames", "fragmented" })
            Assert.Equal(RejectReason.TooLarge, ReasonOf(() => reader.Open(new MediaSource(TestVideos.Get(kind)))));
    }

    [Theory, InlineData("1x1", "color=red:size=16x16", "-vf format=yuv444p,scale=1:1 -pix_fmt yuv444p -c:v libx264 -frames:v 3", 1, 1, 3)]
    [InlineData("wide", "testsrc2=size=16384x64:rate=5", "-t 1 -pix_fmt yuv420p -c:v libx264 -preset ultrafast", 16384, 64, 5)]
    [InlineData("one", "testsrc2=size=64x48", "-pix_fmt yuv420p -c:v libx264 -frames:v 1", 64, 48, 1)]
    public void Extreme_shapes_decode_right(string name, string source, string arguments, int width, int height, int frames)
    {
        string path = TestVideos.Derive($"{name}.mp4", $"-f lavfi -i {source} {arguments}");
        VideoInfo info = Open(path);
        Assert.Equal((width, height, frames), (info.Width, info.Height, info.FrameCount));
        Assert.Equal(TestVideos.DecodeByCommand(path, 32, 24, "bilinear"), Read([.. Enumerable.Range(0, frames)]));
    }

    [Fact]
    public void A_hundred_thousand_frames_are_numbered_quickly()
    {
        string path = TestVideos.Derive("many.mp4",
            "-f lavfi -i color=size=16x16:rate=1000 -frames:v 100000 -pix_fmt yuv420p -c:v libx264 -preset ultrafast -g 1000");
        long start = Stopwatch.GetTimestamp();
        Assert.Equal(100_000, Open(path).FrameCount);
        Read([0, 50_001, 99_999]);
        Assert.InRange(Stopwatch.GetElapsedTime(start).TotalSeconds, 0, 10);
    }

    [Fact]
    public void Absurd_timestamps_number_frames_as_they_come_out()
    {
        string clip = TestVideos.Get("b-frames");
        byte[] expected = new byte[32 * 24 * 3 * 2];
        Open(clip);
        expected = Read([10, 100]);
        foreach ((string name, string expression) in new[] { ("equal", "pts=0"), ("far", "pts=PTS*100000000:dts=DTS*100000000"),
            ("scattered", "pts=mod(PTS*7919\\,100003)+PTS/1e6") })
        {
            string path = TestVideos.Derive($"absurd-{name}.mkv", $"-i {clip} -c copy -bsf:v setts={expression}");
            Assert.Equal(150, Open(path).FrameCount);
            if (name != "far") Assert.Equal(expected, Read([10, 100]));
            else Read([10, 100]);
        }
    }

    // ---- deadlines ----

    [Theory, InlineData(false), InlineData(true)]
    public void A_pipe_that_never_delivers_times_out(bool opened)
    {
        string path = TestVideos.NewPath(".mp4");
        TestVideos.Run("mkfifo", path);
        using FileStream? writer = opened ? new FileStream(path, FileMode.Open, FileAccess.ReadWrite) : null;
        if (writer is not null)
        {
            writer.Write(File.ReadAllBytes(TestVideos.Get("header first")).AsSpan(0, 2000));
            writer.Flush();
        }
        using var reader = new VideoReader(new DecodeLimits { Deadline = TimeSpan.FromMilliseconds(300) });
        long start = Stopwatch.GetTimestamp();
        Assert.Equal(RejectReason.TimedOut, ReasonOf(() => reader.Open(new MediaSource(path))));
        Assert.InRange(Stopwatch.GetElapsedTime(start).TotalSeconds, 0.25, 10);
    }

    [Fact]
    public void Decoding_that_takes_too_long_times_out()
    {
        using var reader = new VideoReader(new DecodeLimits { Deadline = TimeSpan.FromMilliseconds(60) });
        string path = TestVideos.Derive("slow.mp4",
            "-f lavfi -i testsrc2=size=1280x720 -frames:v 200 -pix_fmt yuv420p -c:v libx264 -preset ultrafast -g 1000");
        Assert.Equal(RejectReason.TimedOut, ReasonOf(() =>
        {
            reader.Open(new MediaSource(path));
            reader.Read([199], 32, 24, ResizeFilter.Bilinear, new byte[32 * 24 * 3]);
        }));
    }

    // ---- callers' mistakes ----

    [Fact]
    public void Mistakes_of_the_caller_are_told_apart_from_bad_files()
    {
        Assert.Throws<InvalidOperationException>(() => Read([0]));
        Open(TestVideos.Get("b-frames"));
        Assert.Throws<ArgumentOutOfRangeException>(() => Read([150]));
        Assert.Throws<ArgumentOutOfRangeException>(() => Read([-1]));
        Assert.Throws<ArgumentException>(() => Read([5, 4]));
        Assert.Throws<ArgumentException>(() => _reader.Read([0], 32, 24, ResizeFilter.Bilinear, new byte[32 * 24 * 3 - 1]));
        Assert.Throws<UnreadableClipException>(() => Open("/nowhere"));
        Assert.Throws<InvalidOperationException>(() => Read([0]));
    }
}
