using Alpro.Data.Media;

namespace Alpro.Data.Tests.Media;

/// <summary>Plain cuts are found to the frame, whatever the key frames; motion and fades are none.</summary>
public sealed class ShotCutsTests : IDisposable
{
    private const string Join = "-f lavfi -i testsrc2=s=160x96:r=25:d=3 -f lavfi -i mandelbrot=s=160x96:r=25 -filter_complex "
        + "\"[1:v]trim=end=4,setpts=PTS-STARTPTS[b];[0:v][b]concat\"";

    private readonly IFrameReader _reader = FrameReaders.Create(new DecodeLimits());

    public void Dispose() => _reader.Dispose();

    [Theory]
    [InlineData("-c:v libx264 -preset veryfast", "cut-at-key")]              // the encoder begins a group at the cut
    [InlineData("-c:v libx264 -preset veryfast -x264-params scenecut=0:keyint=40", "cut-in-group")]
    [InlineData("-c:v libx264 -preset veryfast -x264-params keyint=1", "key-frames-alone")]
    public void A_cut_is_found_to_the_frame(string coding, string name) =>
        Assert.Equal([75], Cuts(TestVideos.Derive($"{name}.mp4", $"{Join} {coding} -pix_fmt yuv420p")));

    [Fact]
    public void Motion_is_no_cut() => Assert.Empty(Cuts(TestVideos.Get("b-frames")));

    [Fact]
    public void A_fade_is_no_cut() => Assert.Empty(Cuts(TestVideos.Derive("fade.mp4",
        "-f lavfi -i testsrc2=s=160x96:r=25:d=6 -vf fade=t=out:st=1:d=4 -c:v libx264 -preset veryfast -g 25 -pix_fmt yuv420p")));

    [Fact]
    public void A_flash_makes_no_shot() => Assert.DoesNotContain(Cuts(TestVideos.Derive("flash.mp4",
        "-f lavfi -i testsrc2=s=160x96:r=25:d=4 -vf \"drawbox=c=white:t=fill:enable='between(n,50,52)'\" -c:v libx264 -preset veryfast "
        + "-g 250 -pix_fmt yuv420p")), cut => cut is 50 or 51 or 52);

    private IReadOnlyList<int> Cuts(string path) => ShotCuts.Find(_reader, _reader.Open(new(path)));
}
