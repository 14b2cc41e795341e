using System.Text.Json;
using Alpro.Training.Configuration;
using Alpro.Training.Optimization;

namespace Alpro.Training.Parity;

/// <summary>Learning rates beside the golden ones.</summary>
internal static class ScheduleParity
{
    /// <summary>A row for <c>lr_schedule.json</c>, where the folder has it.</summary>
    public static IReadOnlyList<ParityRow> Check(string directory)
    {
        string file = Path.Combine(directory, "lr_schedule.json");
        if (!File.Exists(file)) return [];
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(file));
        var comparison = new NumberComparison("lr_schedule.json", relative: 1e-12);
        foreach (JsonElement row in json.RootElement.EnumerateArray())
        {
            string decay = row.GetProperty("decay").GetString()!;
            long total = row.GetProperty("total").GetInt64(), step = row.GetProperty("step").GetInt64();
            var config = new ScheduleConfig
            {
                Decay = Enum.Parse<LearningRateDecay>(decay.Replace("_", "", StringComparison.Ordinal), ignoreCase: true),
                WarmupRatio = row.GetProperty("warmup_ratio").GetDouble(),
                Milestones = row.TryGetProperty("decay_epochs", out JsonElement epochs)
                ? [.. epochs.EnumerateArray().Select(epoch => epoch.GetInt32())] : [],
            };
            int epoch = row.TryGetProperty("epoch", out JsonElement at) ? at.GetInt32() : 0;
            comparison.Add($"{decay}, warm-up {config.WarmupRatio}, step {step} of {total}, epoch {epoch}",
                row.GetProperty("lr").GetDouble(), new LearningRateSchedule(config, 1e-4, total).At(step, epoch));
        }
        return [comparison.Row()];
    }
}
