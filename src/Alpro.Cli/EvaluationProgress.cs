using Alpro.Actors.Evaluation;
using Alpro.Actors.Hosting;
using Alpro.Training.Configuration;
using Alpro.Training.Records;
using Alpro.Web;

namespace Alpro.Cli;

/// <summary>Evaluates while showing how far it is.</summary>
internal static class EvaluationProgress
{
    private static readonly TimeSpan _watchEvery = TimeSpan.FromSeconds(2);

    /// <summary>Evaluates the checkpoints of a run as they appear, until it is complete.</summary>
    /// <param name="host">Where the actors are.</param>
    /// <param name="run">The run's folder.</param>
    /// <param name="config">A configuration in place of the run's, which need not have begun; null for that one.</param>
    /// <param name="settings">Changes to it.</param>
    /// <param name="test">Whether on the test split, else on validation.</param>
    /// <param name="data">A folder to look in for the data first; null for none.</param>
    /// <param name="stop">Asks it to stop.</param>
    public static Task<IReadOnlyList<EvaluationResult>> WatchAsync(
        RunHost host, RunFolder run, string? config, IReadOnlyList<string> settings, bool test, string? data, CancellationToken stop)
    {
        RunConfig used = ConfigLoader.LoadForEvaluation(config ?? run.Config, overrides: settings);
        string corpus = new EvaluationTarget(run.Path, "", used).CorpusOf(test).Corpus.Name;
        return new CheckpointWatch(run, corpus, EvaluateAsync, RunReport.Refresh, CommandLine.Log).WatchAsync(_watchEvery, stop);

        Task<EvaluationResult> EvaluateAsync(string weights, string copy)
        {
            EvaluationTarget evaluated = EvaluationTarget.Open(run.Path, config, copy, settings, CommandLine.Log) with { Source = weights };
            return ShowAsync(new(evaluated, test, data, null), job => job.RunAsync(host, stop));
        }
    }

    /// <summary>Runs a job while showing how far it is on a terminal, and leaves the report of its results.</summary>
    public static async Task<EvaluationResult> ShowAsync(EvaluationJob job, Func<EvaluationJob, Task<EvaluationResult>> run)
    {
        using ProgressLine? bar = CommandLine.Events.OpenFoot();
        EvaluationResult result = await run(
            bar is null ? job : job with { Progressed = done => bar.Show(done, $"evaluate {job.Target.Name}") });
        EvaluationReport.Write(result);
        return result;
    }
}
