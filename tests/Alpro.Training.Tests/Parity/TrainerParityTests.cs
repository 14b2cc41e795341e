using Alpro.Training.Configuration;
using Alpro.Training.Parity;

namespace Alpro.Training.Tests.Parity;

public sealed class TrainerParityTests
{
    [Fact]
    public void The_trainer_takes_the_golden_steps()
    {
        IReadOnlyList<ParityRow> rows = TrainerParity.Check(Path.Combine(Locations.Golden, "model"));
        Assert.All(rows, row => Assert.True(row.Passed, row.ToString()));
        Assert.Equal(24, rows[0].Cases);
        Assert.True(rows[1].Cases > 100);
    }

    [Fact]
    public void A_trainer_with_another_rate_is_found()
    {
        using var folder = new TemporaryFolder();
        foreach (string file in new[] { "pretrain_steps.safetensors", "pretrain_init.pt" })
            File.Copy(Path.Combine(Locations.Golden, "model", file), folder.File(file));
        string config = File.ReadAllText(Path.Combine(Locations.Golden, "model", "config.json"));
        File.WriteAllText(folder.File("config.json"), config.Replace("\"lr\": 0.001", "\"lr\": 0.002", StringComparison.Ordinal));
        Assert.All(TrainerParity.Check(folder.Path), row => Assert.False(row.Passed));
    }

    [Fact]
    public void The_runner_checks_what_lies_in_a_folder_and_below()
    {
        ParityRow[] rows = [.. ParityRunner.Run(Locations.Golden)];
        Assert.All(rows, row => Assert.True(row.Passed, row.ToString()));
        Assert.Contains(rows, row => row.Item.StartsWith("trainer", StringComparison.Ordinal));
        Assert.Contains(rows, row => row.Item == "malicious.pt");
        Assert.Contains(rows, row => row.Item == "lr_schedule.json");
        Assert.Throws<DirectoryNotFoundException>(() => ParityRunner.Run("nowhere").Count());
    }
}
