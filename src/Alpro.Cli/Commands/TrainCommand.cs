using System.CommandLine;
using Alpro.Actors;
using Alpro.Actors.Hosting;
using Alpro.Actors.Pipeline;
using Alpro.Actors.Runs;
using Alpro.Model.Checkpoints;
using Alpro.Training.Checkpoints;
using Alpro.Training.Configuration;
using Alpro.Training.Records;
using Spectre.Console;

namespace Alpro.Cli.Commands;

/// <summary><c>alpro pretrain</c> and <c>alpro finetune</c>: train what a configuration says. The same trainer, other tasks.</summary>
internal static class TrainCommand
{
    /// <summary>In the name of the weights that a run exports when it has come to its end.</summary>
    private const string Best = "best";

    public static Command CreatePretrain() => Create(
        "pretrain", "Pretrain the prompter or ALPRO.", "alpro pretrain --config config/pretrain.json --out output/pretrain", LearningTask.Prompter, LearningTask.Pretrain);

    public static Command CreateFinetune() => Create(
        "finetune", "Fine-tune for retrieval or question answering.", "alpro finetune --config config/msrvtt-retrieval.json --out output/msrvtt", LearningTask.Retrieval, LearningTask.QuestionAnswering);

    private static Command Create(string name, string summary, string example, params LearningTask[] tasks)
    {
        var file = ConfigCommand.FileOption();
        var folder = new Option<string>("--out") { Description = "Output folder: checkpoints, records, report.", Required = true };
        var settings = ConfigCommand.SetOption();
        var resume = new Option<bool>("--resume") { Description = "Continue from the folder's last checkpoint, if there is one." };
        var decoders = DecodersOption();
        var hocon = HoconOption();
        var command = new Command(name, CommandLine.Describe(summary, example)) { file, folder, settings, resume, decoders, hocon };
        command.SetAction(async (arguments, stop) =>
        {
            RunConfig config = ConfigLoader.Load(arguments.GetValue(file)!, arguments.GetValue(settings));
            if (!tasks.Contains(config.Task))
                throw new UsageException($"{arguments.GetValue(file)}: task is \"{ConfigCommand.NameOf(config.Task)}\"; 'alpro {name}' expects {string.Join(" or ", tasks.Select(task => $"\"{ConfigCommand.NameOf(task)}\""))}");
            var run = new TrainingRun(config, Path.GetFullPath(arguments.GetValue(folder)!), arguments.GetValue(resume));
            return await RunAsync(arguments, name, run, () => RunHost.StartAsync(arguments.GetValue(hocon), With(arguments.GetValue(decoders)), log: CommandLine.Events.Factory), stop);
        });
        return command;
    }

    /// <summary>Trains and shows how it went; the exit code.</summary>
    internal static async Task<int> RunAsync(ParseResult arguments, string title, TrainingRun run, Func<Task<RunHost>> start, CancellationToken stop)
    {
        await using RunHost host = await start();
        using RunFolder held = await RunFolder.HoldAsync(run.Folder, cluster: null, TimeProvider.System, stop);
        RequireNewOrResumed(run);
        return Finish(arguments, run, await RunProgress.ShowAsync(title, watched => host.TrainAsync(watched(run), stop)));
    }

    /// <summary>Writes what a run leaves when it has ended, and shows how it went; the exit code.</summary>
    internal static int Finish(ParseResult arguments, TrainingRun run, RunResult result)
    {
        Leave(run, Accounts(result), result.Completed);
        string report = Path.Combine(run.Folder, Report.FileName);
        CommandLine.Result(arguments, Summary(run, result, report), console => Show(console, run, result, report));
        return result.Completed ? ExitCode.Success : ExitCode.Interrupted;
    }

    /// <summary>Does the same for a run of which all trainers have gone, if the one that should have died before it did.</summary>
    internal static void FinishLate(TrainingRun run, ActorSettings settings)
    {
        if (File.Exists(run.Export(Best)) || run.Store(CommandLine.Log).Latest() is not { } last) return;
        using var data = new RunData(run.Config, settings);
        CommandLine.Log.RunFinishedLate(run.Folder);
        Leave(run, Accounts(RunAccounts.Of(last.State, data.Plan())), completed: true);
    }

    /// <summary>The report, and then the best weights: where these are, nothing is missing.</summary>
    private static void Leave(TrainingRun run, IEnumerable<KeyValuePair<string, string>> accounts, bool completed)
    {
        Report.Write(run.Folder, run.Config, [.. accounts]);
        if (!completed) return;
        try
        {
            if (run.Store(CommandLine.Log).Best() is { } best) CheckpointStore.Export(best, run.Export(Best));
        }
        catch (CheckpointException lost)
        {
            CommandLine.Log.BestNotExported(lost.Message);
        }
    }

    /// <summary>The option that sets the number of decoders.</summary>
    internal static Option<int?> DecodersOption() => CommandLine.Between(new Option<int?>("--decoders") { Description = "Decoder actors, in place of alpro.decoders in the running settings." }, 0);

    /// <summary>The settings with that many decoders, where a number is given.</summary>
    internal static Func<ActorSettings, ActorSettings> With(int? decoders) =>
        settings => decoders is { } count ? settings with { Decoders = count, SharesCores = false } : settings;

    /// <summary>The option that names the running settings.</summary>
    internal static Option<string?> HoconOption() => new("--hocon") { Description = "Running settings in HOCON, in place of hocon/alpro.conf." };

    /// <summary>Sees that no run would be begun over another.</summary>
    /// <exception cref="UsageException">The folder holds checkpoints, and shall not be continued.</exception>
    internal static void RequireNewOrResumed(TrainingRun run)
    {
        if (!run.Resume && run.Store().Steps() is [.., long last])
            throw new UsageException($"{run.Folder}: holds a run that has come to step {last}; continue it with --resume, or name another folder with --out");
    }

    private static KeyValuePair<string, string>[] Accounts(RunAccounts accounts) =>
        [new("planned", $"{accounts.Planned}"), new("delivered", $"{accounts.Delivered}"), new("rejected", $"{accounts.Rejected}"), new("tail", $"{accounts.Tail}")];

    private static KeyValuePair<string, string>[] Accounts(RunResult result) =>
    [
        .. Accounts(result.Accounts), new("in hand", $"{result.Ledger.InHand}"), new("given out again", $"{result.Ledger.Redelivered}"),
        new("arrived twice", $"{result.Ledger.Duplicates}"), .. result.Ledger.Reasons.Select(reason => KeyValuePair.Create($"rejected: {reason.Key}", $"{reason.Value}")),
    ];

    private static object Summary(TrainingRun run, RunResult result, string report) => new
    {
        result.Completed,
        result.FirstStep,
        result.State.Step,
        result.State.TotalSteps,
        result.Seconds,
        result.Restarts,
        result.Accounts,
        result.Ledger,
        result.Checkpoint,
        result.State.BestScore,
        result.State.BestStep,
        LastStep = RunLog.Last<StepRecord>(RunLog.StepsFile(run.Folder)),
        report,
    };

    private static void Show(IAnsiConsole console, TrainingRun run, RunResult result, string report)
    {
        StepRecord[] records = [.. RunLog.Read<StepRecord>(RunLog.StepsFile(run.Folder))];
        var table = new Table().Border(TableBorder.Rounded).AddColumns("run", run.Folder);
        table.AddRow("steps", $"{result.State.Step} of {result.State.TotalSteps}{(result.Completed ? "" : ", stopped: continue with --resume")}");
        table.AddRow("time", $"{result.Seconds:0.0} s, {(result.State.Step - result.FirstStep) * run.Config.Training.BatchSize / result.Seconds:0.0} clips/s");
        if (records.Length > 0)
        {
            int tenth = Math.Max(1, records.Length / 10);
            string over = tenth == 1 ? "step" : $"{tenth} steps";
            (double first, double last) = (records[..tenth].Average(record => record.Loss), records[^tenth..].Average(record => record.Loss));
            table.AddRow("loss", $"{first:0.000} over the first {over}, {last:0.000} over the last");
            table.AddRow("waiting for data", $"{records.Sum(record => record.WaitMs) / records.Sum(record => record.StepMs + record.BetweenMs):P1} of the time");
        }
        bool byLoss = run.Config.Task is LearningTask.Pretrain or LearningTask.Prompter;                  // whose score is the loss, negated
        if (result.State.BestScore is { } best) table.AddRow("best validation", $"{(byLoss ? $"loss {-best:0.###}" : $"score {best:0.###}")} after step {result.State.BestStep}");
        (RunAccounts accounts, LedgerTotals ledger) = (result.Accounts, result.Ledger);
        table.AddRow("clips", $"{accounts.Planned} planned = {accounts.Delivered} delivered + {accounts.Rejected} rejected + {accounts.Tail} tail{(ledger.InHand > 0 ? $"; {ledger.InHand} more in hand" : "")}");
        if (ledger.Rejected > 0) table.AddRow("unreadable", $"{string.Join(", ", ledger.Reasons.Select(reason => $"{reason.Value} {reason.Key}"))}: {run.Unreadable}");
        if (result.Restarts > 0) table.AddRow("restarts", $"{result.Restarts}");
        table.AddRow("checkpoint", result.Checkpoint ?? "none");
        if (File.Exists(run.Export(Best))) table.AddRow("for PyTorch", run.Export(Best));
        table.AddRow("report", report);
        console.Write(table);
    }
}
