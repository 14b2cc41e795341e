using Alpro.Data.Media;

namespace Alpro.Data.Tests.Media;

/// <summary>The reader over the ffmpeg command gives what the reader in the process gives.</summary>
public sealed class FfmpegProcessReaderTests
{
    [Theory, InlineData("b-frames"), InlineData("rotated 90"), InlineData("rotated 270"), InlineData("edit list"),
        InlineData("transport stream"), InlineData("audio beside")]
    public void Both_readers_agree(string kind)
    {
        var media = new MediaSource(TestVideos.Get(kind));
        using var native = new VideoReader(new DecodeLimits());
        using var process = new FfmpegProcessReader(new DecodeLimits());
        VideoInfo info = native.Open(media), other = process.Open(media);
        Assert.Equal(info with { FrameRate = 0 }, other with { FrameRate = 0 });
        Assert.Equal(info.FrameRate, other.FrameRate, 0.5);
        byte[] expected = new byte[4 * 40 * 30 * 3], actual = new byte[4 * 40 * 30 * 3];
        int[] indices = [0, 7, 7, info.FrameCount - 1];
        foreach (ResizeFilter filter in Enum.GetValues<ResizeFilter>())
        {
            native.Read(indices, 40, 30, filter, expected);
            process.Read(indices, 40, 30, filter, actual);
            Assert.Equal(expected, actual);
        }
    }

    [Fact]
    public void A_stretch_of_a_file_is_a_clip()
    {
        byte[] clip = File.ReadAllBytes(TestVideos.Get("b-frames"));
        string path = TestVideos.NewPath(".tar");
        File.WriteAllBytes(path, [.. new byte[1000], .. clip, .. new byte[500]]);
        using var reader = new FfmpegProcessReader(new DecodeLimits());
        Assert.Equal(150, reader.Open(new MediaSource(path, 1000, clip.Length)).FrameCount);
    }

    [Theory, InlineData("text", RejectReason.NotMedia), InlineData("", RejectReason.Empty), InlineData(null, RejectReason.Missing)]
    public void What_is_no_clip_is_refused(string? content, RejectReason reason)
    {
        string path = TestVideos.NewPath(".mp4");
        if (content is not null) File.WriteAllText(path, content);
        using var reader = new FfmpegProcessReader(new DecodeLimits());
        Assert.Equal(reason, Assert.Throws<UnreadableClipException>(() => reader.Open(new MediaSource(path))).Reason);
    }

    [Fact]
    public void A_command_that_takes_too_long_is_ended()
    {
        using var reader = new FfmpegProcessReader(new DecodeLimits { Deadline = TimeSpan.FromMilliseconds(1) });
        Assert.Equal(RejectReason.TimedOut, Assert.Throws<UnreadableClipException>(
            () => reader.Open(new MediaSource(TestVideos.Get("b-frames")))).Reason);
    }
}
