using Alpro.Data.Media;
using Alpro.Data.Places;
using Alpro.Tests.Support.Stores;

namespace Alpro.Data.Tests.Media;

public sealed class StoredVideoTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly FileServer _server;
    private readonly FaultProxy _proxy;

    public StoredVideoTests()
    {
        _server = new FileServer(_folder.Path);
        _proxy = new FaultProxy(_server.Port);
    }

    private DecodeLimits Limits => new()
    {
        Places = new()
        {
            CacheFolder = _folder.File("cache"),
            BackOff = TimeSpan.FromMilliseconds(5),
            TryTime = TimeSpan.FromSeconds(2),
            Deadline = TimeSpan.FromSeconds(20),
        },
    };

    public void Dispose()
    {
        _proxy.Dispose();
        _server.Dispose();
        _folder.Dispose();
    }

    private MediaSource Stored(string path, long offset = 0, long length = 0)
    {
        File.Copy(path, _folder.File(Path.GetFileName(path)), overwrite: true);
        return new($"http://127.0.0.1:{_proxy.Port}/{Path.GetFileName(path)}?token=secret", offset, length);
    }

    private static (VideoInfo Info, byte[] Pixels) Read(IFrameReader reader, MediaSource media)
    {
        VideoInfo info = reader.Open(media);
        int[] indices = [0, info.FrameCount / 3, info.FrameCount / 3, info.FrameCount - 1];
        byte[] pixels = new byte[indices.Length * 64 * 64 * 3];
        reader.Read(indices, 64, 64, ResizeFilter.Bilinear, pixels);
        return (info, pixels);
    }

    /// <summary>A video of 20 s with a key frame each second, whose index lies at its end or at its front.</summary>
    private static string Long(bool indexFirst) => TestVideos.Derive($"long-{indexFirst}.mp4",
        "-f lavfi -i testsrc2=size=320x240:rate=25 -t 20 -pix_fmt yuv420p -c:v libx264 -preset ultrafast -g 25"
        + (indexFirst ? " -movflags +faststart" : ""));

    [Theory]
    [MemberData(nameof(TestVideos.Names), MemberType = typeof(TestVideos))]
    public void Frames_are_those_of_the_file_on_disk(string kind)
    {
        string path = TestVideos.Get(kind);
        using var reader = new VideoReader(Limits);
        (VideoInfo info, byte[] pixels) = Read(reader, new MediaSource(path));
        for (int epoch = 0; epoch < 2; epoch++)
        {
            (VideoInfo storedInfo, byte[] stored) = Read(reader, Stored(path));
            Assert.Equal(info, storedInfo);
            Assert.Equal(pixels, stored);
        }
    }

    [Fact]
    public void Frames_are_the_same_by_way_of_a_child_process_and_of_the_ffmpeg_command()
    {
        string path = TestVideos.Get("b-frames");
        using IFrameReader here = new VideoReader(Limits), command = new FfmpegProcessReader(Limits),
            apart = new IsolatedFrameReader(Limits, new("dotnet", typeof(StoredVideoTests).Assembly.Location, "decode-worker"));
        byte[] expected = Read(here, new MediaSource(path)).Pixels;
        Assert.Equal(expected, Read(apart, Stored(path)).Pixels);
        Assert.Equal(expected, Read(command, Stored(path)).Pixels);
        string absent = $"http://127.0.0.1:{_proxy.Port}/absent.mp4";
        var refused = Assert.Throws<UnreadableClipException>(() => apart.Open(new($"{absent}?token=secret")));
        Assert.Equal((RejectReason.Missing, absent), (refused.Reason, refused.Path));
    }

    [Fact]
    public void A_stretch_of_a_larger_file_is_read_as_the_file_itself()
    {
        string path = TestVideos.Get("b-frames"), shard = _folder.File("made.tar");
        byte[] video = File.ReadAllBytes(path);
        File.WriteAllBytes(shard, [.. new byte[1000], .. video, .. new byte[300_000]]);
        using var reader = new VideoReader(Limits);
        byte[] expected = Read(reader, new MediaSource(path)).Pixels;
        var media = new MediaSource($"http://127.0.0.1:{_proxy.Port}/made.tar", 1000, video.Length);
        Assert.Equal(expected, Read(reader, media).Pixels);
        Assert.InRange(_proxy.Bytes, 1, video.Length);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Of_a_video_its_index_and_the_wanted_groups_are_fetched(bool indexFirst)
    {
        string path = Long(indexFirst);
        MediaSource media = Stored(path);
        using var reader = new VideoReader(Limits);
        reader.Open(media);
        Assert.InRange(_proxy.Requests, 1, 2);
        (int requests, long bytes) = (_proxy.Requests, _proxy.Bytes);
        byte[] pixels = new byte[2 * 64 * 64 * 3];
        reader.Read([251, 400], 64, 64, ResizeFilter.Bilinear, pixels);
        Assert.InRange(_proxy.Requests - requests, 1, 2);                // a frame after its key frame, and a key frame alone
        Assert.InRange(_proxy.Bytes - bytes, 1, new FileInfo(path).Length / 50);
        using var here = new VideoReader(Limits);
        here.Open(new MediaSource(path));
        byte[] expected = new byte[pixels.Length];
        here.Read([251, 400], 64, 64, ResizeFilter.Bilinear, expected);
        Assert.Equal(expected, pixels);
    }

    [Theory]
    [InlineData("absent.mp4", StoreFault.None, RejectReason.Missing)]
    [InlineData("denied.mp4", StoreFault.None, RejectReason.Denied)]
    [InlineData("long-True.mp4", StoreFault.NoRange, RejectReason.Refused)]
    public void What_does_not_pass_makes_the_clip_unreadable_at_once(string name, StoreFault fault, RejectReason expected)
    {
        Stored(Long(indexFirst: true));
        _proxy.Faults = _ => fault;
        using IFrameReader reader = FrameReaders.Create(Limits);
        string address = $"http://127.0.0.1:{_proxy.Port}/{name}";
        var refused = Assert.Throws<UnreadableClipException>(() => reader.Open(new($"{address}?token=secret")));
        Assert.Equal((expected, address, 1), (refused.Reason, refused.Path, _proxy.Requests));
        Assert.DoesNotContain("secret", refused.ToString());
    }

    [Fact]
    public void A_store_that_fails_now_and_then_loses_no_clip_and_its_time_is_not_the_decoders()
    {
        string path = Long(indexFirst: true);
        MediaSource media = Stored(path);
        StoreFault[] faults = [StoreFault.Unavailable, StoreFault.Reset, StoreFault.Truncated, StoreFault.TooMany];
        _proxy.Faults = request => request % 2 == 0 ? StoreFault.None : faults[request / 2 % faults.Length];
        using var reader = new VideoReader(Limits with
        {
            Deadline = TimeSpan.FromMilliseconds(500),
            Places = Limits.Places with { CacheFolder = null, BackOff = TimeSpan.FromMilliseconds(500) },
        });
        using var here = new VideoReader(Limits);
        Assert.Equal(Read(here, new MediaSource(path)).Pixels, Read(reader, media).Pixels);
        _proxy.Faults = static _ => StoreFault.Unavailable;
        using IFrameReader hasty = FrameReaders.Create(Limits with
        {
            Places = new() { Deadline = TimeSpan.FromMilliseconds(50), BackOff = TimeSpan.FromMilliseconds(10) },
        });
        Assert.Equal(RejectReason.Unreachable, Assert.Throws<UnreadableClipException>(() => hasty.Open(media)).Reason);
    }
}
