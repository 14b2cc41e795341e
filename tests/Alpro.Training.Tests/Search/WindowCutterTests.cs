using Alpro.Data.Media;
using Alpro.Training.Search;

namespace Alpro.Training.Tests.Search;

/// <summary>Windows cover a video, are of one length where they can be, and never go over a cut.</summary>
public sealed class WindowCutterTests
{
    private static readonly WindowSettings _four = new() { Seconds = 4, Stride = 2 };

    [Fact]
    public void Windows_begin_a_stride_apart() =>
        Assert.Equal([(0, 4), (2, 6), (4, 8)], Seconds(Cut(8, [], _four)));

    [Fact]
    public void What_is_left_at_the_end_is_a_window_of_full_length() =>
        Assert.Equal([(0, 4), (2, 6), (4, 8), (5.5, 9.5)], Seconds(Cut(9.5, [], _four)));

    [Fact]
    public void A_little_at_the_end_belongs_to_the_last_window() =>
        Assert.Equal([(0, 4), (2, 6), (4, 8.5)], Seconds(Cut(8.5, [], _four)));

    [Fact]
    public void No_window_goes_over_a_cut() =>
        Assert.Equal([(0, 3), (3, 7), (5, 9), (9, 10)], Seconds(Cut(10, [30, 90], _four)));

    [Theory]
    [InlineData(0.1)]
    [InlineData(3.9)]
    [InlineData(61.7)]
    public void Every_frame_is_in_a_window(double seconds)
    {
        IReadOnlyList<Window> windows = Cut(seconds, seconds > 10 ? [37, 111, 400] : [], _four);
        int frames = (int)(seconds * 10);
        Assert.Equal(Enumerable.Range(0, frames),
            windows.SelectMany(window => Enumerable.Range(window.FirstFrame, window.FrameCount)).Distinct().Order());
    }

    [Fact]
    public void A_whole_video_is_one_window()
    {
        Window only = Assert.Single(Cut(61.7, [], new() { Seconds = null }));
        Assert.Equal((0, 617), (only.FirstFrame, only.FrameCount));
        Assert.Single(WindowCutter.Cut(new(1, 0, 64, 64, 0), [], _four));         // an image
    }

    private static IReadOnlyList<Window> Cut(double seconds, int[] cuts, WindowSettings settings) =>
        WindowCutter.Cut(new((int)(seconds * 10), 10, 64, 64, 0), cuts, settings);

    private static IEnumerable<(double, double)> Seconds(IReadOnlyList<Window> windows) =>
        windows.Select(window => (window.Start, window.End));
}
