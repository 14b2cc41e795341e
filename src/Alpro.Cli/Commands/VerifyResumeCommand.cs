using System.CommandLine;
using System.Diagnostics;
using Alpro.Actors;
using Alpro.Data.Sampling;
using Alpro.Training.Checkpoints;
using Alpro.Training.Configuration;
using Alpro.Training.Records;
using Spectre.Console;

namespace Alpro.Cli.Commands;

/// <summary>
/// <c>alpro verify-resume</c>: trains 2N steps straight, and again in a process that it kills without warning on the way and resumes. Then
/// it compares clips, losses and weights.
/// </summary>
internal static class VerifyResumeCommand
{
    private sealed record Verdict(IReadOnlyList<long> KilledAt, RunComparison Comparison)
    {
        public bool Identical => Comparison.Difference is null;
    }

    public static Command Create()
    {
        var file = ConfigCommand.FileOption();
        var steps = new Option<int>("--steps") { Description = "Steps of the run, 2N.", DefaultValueFactory = _ => 20 };
        var kills = new Option<int>("--kills")
        {
            Description = "How often it is killed, at steps chosen from the seed.",
            DefaultValueFactory = _ => 1,
        };
        var seed = new Option<ulong>("--seed") { Description = "Seed of the steps at which it is killed." };
        var folder = new Option<string?>("--out") { Description = "Where the two runs are kept; by default they are removed." };
        var settings = ConfigCommand.SetOption();
        var command = new Command("verify-resume", CommandLine.Describe(
            "Prove on this machine that a run that is killed (-9) and resumed computes what an undisturbed one does.",
            "alpro verify-resume --config config/demo/pretrain.json --steps 20")) { file, steps, kills, seed, folder, settings };
        CommandLine.Between(steps, 2);
        CommandLine.Between(kills, 0);
        command.SetAction(async (arguments, stop) =>
        {
            string config = Path.GetFullPath(arguments.GetValue(file)!);
            int total = arguments.GetValue(steps);
            string[] overrides = [.. arguments.GetValue(settings)!, $"training.steps={total}",
                $"training.checkpointEvery={Math.Max(1, total / 8)}", "training.keep=2"];
            _ = ConfigLoader.Load(config, overrides);                // what is wrong with it is said here, not by a child
            string? kept = arguments.GetValue(folder);
            string root = kept is null ? Directory.CreateTempSubdirectory("alpro-verify-").FullName
                : Directory.CreateDirectory(kept).FullName;
            try
            {
                Verdict verdict = await VerifyAsync(config, overrides, total,
                    KillPoints(arguments.GetValue(seed), arguments.GetValue(kills), total), root, stop);
                CommandLine.Result(arguments, new { verdict.Identical, verdict }, console => Show(console, verdict));
                return verdict.Identical ? ExitCode.Success : ExitCode.Failure;
            }
            finally
            {
                if (kept is null) Directory.Delete(root, recursive: true);
            }
        });
        return command;
    }

    private static long[] KillPoints(ulong seed, int kills, int steps)
    {
        SeededRandom random = SeededRandom.For(seed, RandomPurpose.Replacement);
        var points = new SortedSet<long>();
        while (points.Count < Math.Min(kills, steps - 1)) points.Add(1 + random.NextInt64(steps - 1));
        return [.. points];
    }

    private static async Task<Verdict> VerifyAsync(string config, string[] overrides, int steps, long[] killPoints, string root,
        CancellationToken stop)
    {
        (RunFolder straight, RunFolder broken) = (new(Path.Combine(root, "straight")), new(Path.Combine(root, "broken")));
        CommandLine.Log.StraightRunStarted(steps);
        await RunAsync(config, overrides, straight, killAt: null, decoders: 1, stop);
        foreach (long point in killPoints)
        {
            CommandLine.Log.BrokenRunStarted(point);
            await RunAsync(config, overrides, broken, point, decoders: 1, stop);
        }
        CommandLine.Log.BrokenRunResumed();
        await RunAsync(config, overrides, broken, killAt: null, decoders: 2, stop);

        return new(killPoints, RunComparison.Of(straight, End(straight), broken, End(broken)));

        static Checkpoint End(RunFolder folder) => new CheckpointStore(folder.Checkpoints).Latest()
            ?? throw new UsageException($"{folder}: the run left no checkpoint");
    }

    /// <summary>Trains in a process of its own, to the end or until it has recorded a step and is killed.</summary>
    private static async Task RunAsync(string config, string[] overrides, RunFolder folder, long? killAt, int decoders,
        CancellationToken stop)
    {
        string[] words = ["pretrain", "--config", config, "--out", folder.Path, "--resume", "--decoders", $"{decoders}",
            .. overrides.SelectMany(setting => new[] { "--set", setting })];
        using var process = new Process { StartInfo = new("dotnet",
            [typeof(VerifyResumeCommand).Assembly.Location, .. words]) { RedirectStandardError = true, RedirectStandardOutput = true } };
        process.Start();
        Task<string> said = process.StandardError.ReadToEndAsync(stop), result = process.StandardOutput.ReadToEndAsync(stop);
        try
        {
            while (killAt is { } point && !process.HasExited)
            {
                if (File.Exists(folder.Steps) && RunLog.Read<StepRecord>(folder.Steps).LastOrDefault() is { } last && last.Step >= point)
                    process.Kill();
                else await Task.Delay(20, stop);
            }
            await process.WaitForExitAsync(stop);
        }
        finally
        {
            if (!process.HasExited) process.Kill();
        }
        await result;
        if (killAt is null && process.ExitCode != 0)
            throw new UsageException($"a run ended with exit code {process.ExitCode}: {(await said).Trim()}");
    }

    private static void Show(IAnsiConsole console, Verdict verdict) => console.WriteLine(
        $"{verdict.Comparison.Steps} steps, killed after {string.Join(", ", verdict.KilledAt)}: "
        + (verdict.Comparison.Difference ?? $"identical clips, losses, gradient norms and {verdict.Comparison.Tensors} final weights"));
}
