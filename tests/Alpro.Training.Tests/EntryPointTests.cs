using System.Diagnostics;
using Alpro.Benchmarks;
using Alpro.Model;
using Alpro.Training.Configuration;
using static TorchSharp.torch;

namespace Alpro.Training.Tests;

/// <summary>
/// The calls into libtorch that a step makes, counted in a process of its own: what a GPU would be waited for, and what the host spends.
/// </summary>
public sealed class EntryPointTests
{
    /// <summary>
    /// Calls of a step of the tiny pretraining model, group, optimizer and figures included, with room for one operation in twenty.
    /// </summary>
    private const long MostCalls = 1750;

    private const long Steps = 6, Warm = 3;

    [CallClockFact]
    public void A_step_that_is_read_late_asks_the_device_for_nothing_and_makes_no_more_calls_than_it_did()
    {
        var start = new ProcessStartInfo("dotnet",
            [typeof(EntryPointTests).Assembly.Location, "entry-points"]) { RedirectStandardOutput = true };
        using Process process = Process.Start(start)!;
        Dictionary<string, double> calls = process.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(' ')).ToDictionary(words => words[0],
            words => double.Parse(words[1], System.Globalization.CultureInfo.InvariantCulture));
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
        foreach (string wait in new[] { "item", "cpu", "nonzero", "masked_select", "multinomial" })
            Assert.DoesNotContain(calls.Keys, name => name.StartsWith($"THSTensor_{wait}", StringComparison.Ordinal));
        Assert.True(calls.Keys.Any(name => name == "THSTensor_copy_"), "the figures are copied");
        Assert.InRange(calls.Values.Sum(), 500, MostCalls);
    }

    /// <summary>Prints the calls of a step by entry point.</summary>
    internal static void Print()
    {
        LibtorchClock clock = LibtorchClock.Install()!;
        RunConfig config = TinyRun.Config(LearningTask.Pretrain, steps: Steps);
        config = config with { Training = config.Training with { CheckpointEvery = int.MaxValue } };
        Dictionary<string, long> before = [], after = [];
        using AlproModel model = RunModel.Create(config, CPU);
        // Told of step n, the trainer has queued step n + 1: between two such moments lies one whole step.
        using var trainer = new Trainer(config, model, new()
        {
            Record = record =>
            {
                if (record.Step == Warm) before = clock.Calls();
                if (record.Step == Warm + 1) after = clock.Calls();
            },
        }, TinyRun.Start(config)) { ReadsLate = true };
        trainer.Run(TinyRun.Batches(config));
        foreach ((string name, long count) in after)
            if (count - before.GetValueOrDefault(name) is > 0 and var calls) Console.Out.WriteLine($"{name} {calls}");
    }
}

/// <summary>A fact that counts calls: skipped, with a message, where that cannot be done.</summary>
public sealed class CallClockFactAttribute : FactAttribute
{
    public CallClockFactAttribute()
    {
        if (!OperatingSystem.IsLinux() || !File.Exists("/usr/bin/cc"))
            Skip = "needs Linux and a C compiler (cc) to count calls into libtorch";
    }
}
