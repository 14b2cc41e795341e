using Alpro.Training.Checkpoints;
using Alpro.Training.Records;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Evaluation;

/// <summary>
/// Evaluates the checkpoints of a run that another process trains, as they appear, until the run is complete. It only reads what the
/// trainer writes, and the trainer does not know of it: neither waits for the other. What is evaluated is a copy of the weights, for the
/// trainer removes checkpoints that need not be kept.
/// </summary>
/// <param name="run">The run's folder.</param>
/// <param name="corpus">The corpus: what was evaluated on it before is not evaluated again.</param>
/// <param name="evaluate">Evaluates a copy of weights (the second) of a checkpoint (the first).</param>
/// <param name="report">Writes the run's report once more, with what was found.</param>
/// <param name="log">Told of checkpoints that went before they could be evaluated.</param>
public sealed class CheckpointWatch(RunFolder run, string corpus, Func<string, string, Task<EvaluationResult>> evaluate,
    Action<RunFolder> report, ILogger log)
{
    private readonly CheckpointStore _store = new(run.Checkpoints);

    /// <summary>Watches; returns when the checkpoint of the last step has been evaluated.</summary>
    /// <param name="every">Time between two looks at the folder.</param>
    /// <param name="stop">Asks it to stop.</param>
    /// <returns>What was evaluated, in order.</returns>
    public async Task<IReadOnlyList<EvaluationResult>> WatchAsync(TimeSpan every, CancellationToken stop)
    {
        var results = new List<EvaluationResult>();
        HashSet<long> done = [.. RunLog.Read<EvaluationRecord>(run.Evaluations).Where(record => record.Corpus == corpus)
            .Select(record => record.Step)];
        using var timer = new PeriodicTimer(every, TimeProvider.System);
        var end = new RunEnd(_store);
        while (true)
        {
            foreach (long step in _store.Steps())
            {
                if (!done.Add(step)) continue;
                if (await EvaluateAsync(step) is { } result) results.Add(result);
            }
            if (end.Find() is { } last && done.Contains(last)) return results;
            await timer.WaitForNextTickAsync(stop);
        }
    }

    private async Task<EvaluationResult?> EvaluateAsync(long step)
    {
        string checkpoint = _store.FolderOf(step), weights = Path.Combine(checkpoint, Checkpoint.WeightsName);
        string copy = Path.Combine(Directory.CreateDirectory(run.EvaluationsOn(corpus)).FullName,
            $"{Path.GetFileName(checkpoint)}.safetensors");
        try
        {
            File.Copy(weights, copy, overwrite: true);
        }
        catch (IOException) when (!Directory.Exists(checkpoint))
        {
            log.CheckpointGone(step);
            return null;
        }
        try
        {
            EvaluationResult result = await evaluate(weights, copy);
            RunLog.Append(run, result.ToRecord(step));
            report(run);
            return result;
        }
        finally
        {
            File.Delete(copy);
        }
    }
}
