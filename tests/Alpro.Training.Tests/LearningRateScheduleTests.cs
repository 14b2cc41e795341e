using System.Text.Json;

namespace Alpro.Training.Tests;

public sealed class LearningRateScheduleTests
{
    [Fact]
    public void Rates_equal_the_golden_ones()
    {
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Locations.Golden, "data", "lr_schedule.json")));
        Assert.All(golden.RootElement.EnumerateArray(), row =>
        {
            var config = new ScheduleConfig
            {
                Decay = row.GetProperty("decay").GetString() switch
                {
                    "linear" => LearningRateDecay.Linear,
                    "constant" => LearningRateDecay.Constant,
                    "invsqrt" => LearningRateDecay.Invsqrt,
                    _ => LearningRateDecay.MultiStep,
                },
                WarmupRatio = row.GetProperty("warmup_ratio").GetDouble(),
                Milestones = row.TryGetProperty("decay_epochs", out JsonElement epochs) ? [.. epochs.EnumerateArray().Select(epoch => epoch.GetInt32())] : [],
            };
            double rate = new LearningRateSchedule(config, 1e-4, row.GetProperty("total").GetInt64())
                .At(row.GetProperty("step").GetInt64(), row.TryGetProperty("epoch", out JsonElement at) ? at.GetInt32() : 0);
            Assert.Equal(row.GetProperty("lr").GetDouble(), rate, 1e-15);
        });
    }
}
