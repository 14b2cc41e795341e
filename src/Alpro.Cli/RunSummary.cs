using System.CommandLine;
using Alpro.Actors.Hosting;
using Alpro.Actors.Pipeline;
using Alpro.Training.Records;
using Alpro.Training.Tasks;
using Spectre.Console;

namespace Alpro.Cli;

/// <summary>Shows what a run came to, when it has ended.</summary>
internal static class RunSummary
{
    /// <summary>Writes the result to standard output.</summary>
    public static void Show(ParseResult arguments, TrainingRun run, RunResult result) =>
        CommandLine.Result(arguments, Of(run, result), console => Show(console, run, result));

    private static object Of(TrainingRun run, RunResult result) => new
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
        Time = TimeAccount.Of(run.Folder),
        RunStatus.Read(run.Folder)?.Verdict,
        LastStep = RunLog.Last<StepRecord>(run.Folder.Steps),
        run.Folder.Report,
    };

    private static void Show(IAnsiConsole console, TrainingRun run, RunResult result)
    {
        StepRecord[] records = [.. RunLog.Read<StepRecord>(run.Folder.Steps)];
        var table = new Table().Border(TableBorder.Rounded).AddColumns("run", run.Folder.Path);
        string stopped = result.Completed ? "" : ", stopped: continue with --resume";
        double clips = (result.State.Step - result.FirstStep) * run.Config.Training.BatchSize;
        table.AddRow("steps", $"{result.State.Step} of {result.State.TotalSteps}{stopped}");
        table.AddRow("time", $"{result.Seconds:0.0} s, {clips / result.Seconds:0.0} clips/s");
        if (records.Length > 0)
        {
            int tenth = Math.Max(1, records.Length / 10);
            string over = tenth == 1 ? "step" : $"{tenth} steps";
            double first = records[..tenth].Average(record => record.Loss), last = records[^tenth..].Average(record => record.Loss);
            double share = records.Sum(record => record.WaitMs) / records.Sum(record => record.StepMs + record.BetweenMs);
            table.AddRow("loss", $"{first:0.000} over the first {over}, {last:0.000} over the last");
            table.AddRow("waiting for data", $"{share:P1} of the time");
        }
        if (TimeAccount.Of(run.Folder) is { } account) table.AddRow("where the time went", account.Shares);
        if (RunStatus.Read(run.Folder) is { } status) table.AddRow("verdict", Markup.Escape(status.Verdict.ToString()));
        bool byLoss = DownstreamTask.Find(run.Config.Task) is null;           // under pretraining the score is the loss, negated
        if (result.State.BestScore is { } best)
            table.AddRow("best validation",
                $"{(byLoss ? $"loss {-best:0.###}" : $"score {best:0.###}")} after step {result.State.BestStep}");
        (RunAccounts accounts, LedgerTotals ledger) = (result.Accounts, result.Ledger);
        string inHand = ledger.InHand > 0 ? $"; {ledger.InHand} more in hand" : "";
        string reasons = string.Join(", ", ledger.Reasons.Select(reason => $"{reason.Value} {reason.Key}"));
        table.AddRow("clips",
            $"{accounts.Planned} planned = {accounts.Delivered} delivered + {accounts.Rejected} rejected + {accounts.Tail} tail{inHand}");
        if (ledger.Rejected > 0) table.AddRow("unreadable", $"{reasons}: {result.Unreadable}");
        if (result.Restarts > 0) table.AddRow("restarts", $"{result.Restarts}");
        table.AddRow("checkpoint", result.Checkpoint ?? "none");
        if (File.Exists(run.Folder.BestExport)) table.AddRow("for PyTorch", run.Folder.BestExport);
        table.AddRow("report", run.Folder.Report);
        console.Write(table);
    }
}
