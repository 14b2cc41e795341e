using System.Text.Json;
using Alpro.Actors.Hosting;
using Alpro.Model.Checkpoints;
using Alpro.Training.Checkpoints;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Runs;

/// <summary>What a run leaves when it ends: its report, and after the last step its best weights.</summary>
public static class RunCompletion
{
    /// <summary>Writes it for a run that has ended here.</summary>
    public static void Write(TrainingRun run, RunResult result, ILogger log) => Write(run, Accounts(result), result.Completed, log);

    /// <summary>Writes it for a complete run whose trainers have all gone, if the one that should have written it died before.</summary>
    internal static void WriteLate(TrainingRun run, RunHost node)
    {
        if (File.Exists(run.Folder.BestExport) || run.Store(node.Log).Latest() is not { } last) return;
        using var data = new RunData(run.Config, node.Settings);
        node.Log.RunFinishedLate(run.Folder.Path);
        Write(run, Accounts(RunAccounts.Of(last.State, data.Plan())), completed: true, node.Log);
    }

    /// <summary>The best weights come last: where they are, nothing is missing.</summary>
    private static void Write(TrainingRun run, IReadOnlyList<KeyValuePair<string, string>> accounts, bool completed, ILogger log)
    {
        WholeFile.Write(run.Folder.Ledger, stream => JsonSerializer.Serialize(stream, accounts));
        run.Report(run.Folder);
        if (!completed) return;
        try
        {
            if (run.Store(log).Best() is { } best) CheckpointStore.Export(best, run.Folder.BestExport);
        }
        catch (CheckpointException exception)
        {
            log.BestNotExported(exception.Message);
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
