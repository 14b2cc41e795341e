using Alpro.Data.Clips;
using Alpro.Data.Sampling;

namespace Alpro.Data.Tests.Clips;

public class RegionSamplerTests
{
    [Theory]
    [InlineData(224, 16)]
    [InlineData(32, 8)]
    [InlineData(32, 16)]
    public void Rectangles_are_inside_and_on_the_grid(int side, int patch)
    {
        var sampler = new RegionSampler(side, patch);
        var seen = new HashSet<PixelRectangle>();
        for (ulong seed = 0; seed < 3000; seed++)
        {
            SeededRandom random = SeededRandom.For(seed, RandomPurpose.Region);
            PixelRectangle region = sampler.Sample(ref random);
            Assert.All(new[] { region.Left, region.Top, region.Width, region.Height }, value => Assert.Equal(0, value % patch));
            Assert.True(region.Width > 0 && region.Height > 0 && region.Left >= 0 && region.Top >= 0);
            Assert.True(region.Left + region.Width <= side && region.Top + region.Height <= side);
            Assert.InRange(region.Width * region.Height / (double)(side * side), 0, 0.5);
            seen.Add(region);
        }
        Assert.True(seen.Count > 3);
    }

    [Fact]
    public void Areas_before_rounding_are_30_to_50_percent()
    {
        // On a grid of single pixels rounding hardly matters.
        var sampler = new RegionSampler(1000, 1);
        double least = 1, most = 0;
        for (ulong seed = 0; seed < 3000; seed++)
        {
            SeededRandom random = SeededRandom.For(seed, RandomPurpose.Region);
            PixelRectangle region = sampler.Sample(ref random);
            double area = region.Width * region.Height / 1e6, aspect = region.Height / (double)region.Width;
            least = Math.Min(least, area);
            most = Math.Max(most, area);
            Assert.InRange(aspect, 0.298, 3.35);
        }
        Assert.InRange(least, 0.297, 0.302);
        Assert.InRange(most, 0.498, 0.5);
    }

    [Theory]
    [InlineData(224, 15)]
    [InlineData(16, 16)]
    public void Frames_without_room_for_whole_patches_are_refused(int side, int patch) =>
        Assert.Throws<ArgumentException>(() => new RegionSampler(side, patch));
}
