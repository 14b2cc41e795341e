namespace Alpro.Cli.Tests;

public sealed class SparklinesTests
{
    [Fact]
    public void Curves_share_their_scale_and_their_steps()
    {
        var drawn = Sparklines.Of([[(0, 8), (1, 6), (2, 4), (3, 1)], [(0, 8), (1, 2), (1.5, 4)]], steps: 4, width: 4);
        Assert.Equal((1, 8), (drawn!.Least, drawn.Greatest));
        Assert.Equal(["█▆▄▁", "█▃  "], drawn.Lines);
    }

    [Fact]
    public void More_points_than_characters_are_averaged_and_what_is_no_number_is_left_out()
    {
        IReadOnlyList<(double, double)> many = [.. Enumerable.Range(0, 100).Select(step => ((double)step, step < 50 ? step % 2 : 1.0))];
        Assert.Equal("▁█", Sparklines.Of([[.. many, (99, double.NaN)]], 100, 2)!.Lines[0]);
        Assert.Null(Sparklines.Of([[(0, double.NaN)], []], 1, 8));
    }

    [Fact]
    public void Curve_that_stays_where_it_is_lies_low() => Assert.Equal("▁▁ ", Sparklines.Of([[(0, 3), (1, 3)]], 3, 3)!.Lines[0]);
}
