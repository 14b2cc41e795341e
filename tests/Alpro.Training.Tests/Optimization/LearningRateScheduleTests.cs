using Alpro.Training.Configuration;
using Alpro.Training.Optimization;
using Alpro.Training.Parity;

namespace Alpro.Training.Tests.Optimization;

public sealed class LearningRateScheduleTests
{
    [Fact]
    public void Rates_equal_the_golden_ones()
    {
        ParityRow row = Assert.Single(ScheduleParity.Check(Path.Combine(Locations.Golden, "data")));
        Assert.True(row.Passed, row.ToString());
        Assert.Equal(204, row.Cases);
    }

    [Fact]
    public void A_run_without_warm_up_starts_at_its_peak() => Assert.Equal(1e-3,
    new LearningRateSchedule(new() { WarmupRatio = 0 }, 1e-3, 10).At(0));

    [Fact]
    public void Inverse_square_root_without_warm_up_is_finite() => Assert.Equal(0.5e-3,
    new LearningRateSchedule(new() { Decay = LearningRateDecay.Invsqrt, WarmupRatio = 0 }, 1e-3, 10).At(4));
}
