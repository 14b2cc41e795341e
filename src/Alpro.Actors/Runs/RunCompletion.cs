using Alpro.Actors.Hosting;
using Alpro.Model.Checkpoints;
using Alpro.Training.Checkpoints;
using Alpro.Training.Records;

namespace Alpro.Actors.Runs;

/// <summary>What a run leaves when it ends: its report, and after the last step its best weights.</summary>
public static class RunCompletion
{
    /// <summary>Writes it for a run that has ended here.</summary>
    public static void Write(TrainingRun run, RunResult result) => Write(run, Accounts(result), result.Completed);

    /// <summary>Writes it for a complete run whose trainers have all gone, if the one that should have written it died before.</summary>
    internal static void WriteLate(TrainingRun run, ActorSettings settings)
    {
        if (File.Exists(run.Folder.BestExport) || run.Store().Latest() is not { } last) return;
        using var data = new RunData(run.Config, settings);
        run.Warn($"{run.Folder}: the trainer that should have written report and weights has gone: they are written now");
        Write(run, Accounts(RunAccounts.Of(last.State, data.Plan())), completed: true);
    }

    /// <summary>The best weights come last: where they are, nothing is missing.</summary>
    private static void Write(TrainingRun run, IReadOnlyList<KeyValuePair<string, string>> accounts, bool completed)
    {
        Report.Write(run.Folder, run.Config, accounts);
        if (!completed) return;
        try
        {
            if (run.Store().Best() is { } best) CheckpointStore.Export(best, run.Folder.BestExport);
        }
        catch (CheckpointException exception)
        {
            run.Warn($"the best weights are not exported: {exception.Message}");
        }
    }

    private static KeyValuePair<string, string>[] Accounts(RunAccounts accounts) =>
    [
        new("planned", $"{accounts.Planned}"), new("delivered", $"{accounts.Delivered}"),
        new("rejected", $"{accounts.Rejected}"), new("tail", $"{accounts.Tail}"),
    ];

    private static KeyValuePair<string, string>[] Accounts(RunResult result) =>
    [
        .. Accounts(result.Accounts), new("in hand", $"{result.Ledger.InHand}"), new("given out again", $"{result.Ledger.Redelivered}"),
        new("arrived twice", $"{result.Ledger.Duplicates}"),
        .. result.Ledger.Reasons.Select(reason => KeyValuePair.Create($"rejected: {reason.Key}", $"{reason.Value}")),
    ];
}
