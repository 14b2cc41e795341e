using Alpro.Actors;
using Alpro.Actors.Hosting;
using Alpro.Training.Records;
using Microsoft.Extensions.Logging;

namespace Alpro.Cli;

/// <summary>Shows how a run goes: a line with rate, data-wait share and time left at the foot of a terminal, events elsewhere.</summary>
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
        return await train(run => Watch(run, bar is null ? Lines(title) : Foot(bar, title)));
    }

    private static TrainingRun Watch(TrainingRun run, Action<StepRecord, long> step)
    {
        ILogger log = CommandLine.Log;
        long total = 0;
        return run with
        {
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
            Stepped = record => step(record, total),
            Validated = record => log.RunValidated(
                record.Step, string.Join(", ", record.Figures.Select(figure => $"{figure.Key} {figure.Value:0.####}"))),
        };
    }

    private static Action<StepRecord, long> Foot(ProgressLine bar, string title)
    {
        long began = TimeProvider.System.GetTimestamp(), first = -1;
        return (record, total) =>
        {
            if (first < 0) first = record.Step;
            TimeSpan left = TimeProvider.System.GetElapsedTime(began) * ((total - record.Step - 1) / (record.Step + 1.0 - first));
            string time = $"{(int)left.TotalHours}:{left:mm\\:ss} left";
            bar.Show((record.Step + 1.0) / total, $"{title} {record.Step + 1}/{total}  {time}  loss {record.Loss:0.000}  "
                + $"{record.ClipsPerSecond:0} clips/s  wait {record.WaitShare:P0}");
        };
    }

    private static Action<StepRecord, long> Lines(string title)
    {
        long last = 0;
        return (record, total) =>
        {
            if (record.Step + 1 < total && TimeProvider.System.GetElapsedTime(last) < _lineEvery) return;
            last = TimeProvider.System.GetTimestamp();
            CommandLine.Log.StepsDone(
                title, record.Step + 1, total, record.Loss, record.LearningRate, record.ClipsPerSecond, record.WaitShare, record.Rejected);
        };
    }
}
