using System.Diagnostics;
using Alpro.Actors;
using Alpro.Actors.Hosting;
using Alpro.Training.Records;
using Microsoft.Extensions.Logging;

namespace Alpro.Cli;

/// <summary>
/// Shows how a run goes: a line with rate, time left, loss, waiting and verdict at the foot of a terminal, events elsewhere.
/// </summary>
internal static class RunProgress
{
    /// <summary>Least time between two plain lines.</summary>
    private static readonly TimeSpan _lineEvery = TimeSpan.FromSeconds(5);

    /// <summary>Runs something while showing it.</summary>
    /// <param name="title">What is run.</param>
    /// <param name="train">Runs it; it is given what makes a run watched.</param>
    public static async Task<T> ShowAsync<T>(string title, Func<Func<TrainingRun, TrainingRun>, Task<T>> train)
    {
        using ProgressLine? bar = CommandLine.Events.OpenFoot();
        return await train(run => Watch(run, bar is null ? Lines(title) : Foot(bar), logsVerdict: bar is null));
    }

    /// <summary>What the foot of the terminal says: what matters most comes first, for what has no room is cut.</summary>
    /// <param name="record">The last step.</param>
    /// <param name="total">Steps of the run.</param>
    /// <param name="left">Time left.</param>
    /// <param name="status">How the run is doing; null where it is too early to tell.</param>
    internal static string Line(StepRecord record, long total, TimeSpan left, RunStatus? status) =>
        $"{status?.ClipsPerSecond ?? record.ClipsPerSecond:0} clips/s  {(int)left.TotalHours}:{left:mm\\:ss} left  loss {record.Loss:0.000}"
        + $"  wait {status?.WaitShare ?? record.WaitShare:P0}  step {record.Step + 1}/{total}  {status?.Verdict.Sentence}".TrimEnd();

    private static TrainingRun Watch(TrainingRun run, Action<StepRecord, long, RunStatus?> step, bool logsVerdict)
    {
        ILogger log = CommandLine.Log;
        long total = 0;
        RunStatus? status = null;
        FindingKind known = FindingKind.TooEarly;
        return run with
        {
            Began = Process.GetCurrentProcess().StartTime,
            Opened = corpus =>
            {
                log.CorpusOpened(corpus.Name, corpus.Coverage.Describe(corpus.Kind));
                if (corpus.NewIndex is { } index) log.IndexWritten(corpus.Name, index);
            },
            Started = (state, loaded) =>
            {
                total = state.TotalSteps;
                foreach (string line in loaded.SelectMany(report => report.Lines())) log.WeightsLoaded(line);
                if (state.Step > 0) log.RunContinues(state.Step, total);
            },
            Stepped = record => step(record, total, status),
            Judged = judged =>
            {
                status = judged.Verdict.Kind == FindingKind.TooEarly ? null : judged;
                if (judged.Verdict.Kind == known || status is null) return;
                known = judged.Verdict.Kind;
                if (logsVerdict) log.RunJudged(judged.Verdict.ToString());
            },
            Validated = record => log.RunValidated(
                record.Step, string.Join(", ", record.Figures.Select(figure => $"{figure.Key} {figure.Value:0.####}"))),
        };
    }

    private static Action<StepRecord, long, RunStatus?> Foot(ProgressLine bar)
    {
        long began = TimeProvider.System.GetTimestamp(), first = -1;
        return (record, total, status) =>
        {
            if (first < 0) first = record.Step;
            TimeSpan left = TimeProvider.System.GetElapsedTime(began) * ((total - record.Step - 1) / (record.Step + 1.0 - first));
            bar.Show((record.Step + 1.0) / total, Line(record, total, left, status));
        };
    }

    private static Action<StepRecord, long, RunStatus?> Lines(string title)
    {
        long last = 0;
        return (record, total, _) =>
        {
            if (record.Step + 1 < total && TimeProvider.System.GetElapsedTime(last) < _lineEvery) return;
            last = TimeProvider.System.GetTimestamp();
            CommandLine.Log.StepsDone(
                title, record.Step + 1, total, record.Loss, record.LearningRate, record.ClipsPerSecond, record.WaitShare, record.Rejected);
        };
    }
}
