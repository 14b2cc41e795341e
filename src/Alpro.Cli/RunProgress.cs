using Alpro.Actors.Hosting;
using Alpro.Training.Records;

namespace Alpro.Cli;

/// <summary>Shows on standard error how a run goes: a line with rate, data-wait share and time left on a terminal, plain lines elsewhere.</summary>
internal static class RunProgress
{
    /// <summary>Least time between two plain lines.</summary>
    private static readonly TimeSpan _lineEvery = TimeSpan.FromSeconds(5);

    /// <summary>Runs something while showing it.</summary>
    /// <param name="title">What is run.</param>
    /// <param name="train">Runs it; it is given what makes a run watched.</param>
    public static async Task<T> ShowAsync<T>(string title, Func<Func<TrainingRun, TrainingRun>, Task<T>> train)
    {
        if (Console.IsErrorRedirected) return await train(run => Watch(run, Lines(title), Console.Error.WriteLine));
        using var bar = new ProgressLine(Console.Error, static () => Console.WindowWidth);
        long began = TimeProvider.System.GetTimestamp(), first = -1;
        return await train(run => Watch(run, (record, total) =>
        {
            if (first < 0) first = record.Step;
            TimeSpan left = TimeProvider.System.GetElapsedTime(began) * ((total - record.Step - 1) / (record.Step + 1.0 - first));
            string time = $"{(int)left.TotalHours}:{left:mm\\:ss} left";
            bar.Show((record.Step + 1.0) / total, $"{title} {record.Step + 1}/{total}  {time}  loss {record.Loss:0.000}  {record.ClipsPerSecond:0} clips/s  wait {record.WaitShare:P0}");
        }, bar.Say));
    }

    private static TrainingRun Watch(TrainingRun run, Action<StepRecord, long> step, Action<string> say)
    {
        long total = 0;
        return run with
        {
            Opened = corpus => say($"{corpus.Name}: {corpus.Coverage.Describe(corpus.Kind)}{(corpus.NewIndex is { } index ? $"; their index is now in {index}" : "")}"),
            Started = (state, loaded) =>
            {
                total = state.TotalSteps;
                foreach (string line in loaded.SelectMany(report => report.Lines())) say(line);
                if (state.Step > 0) say($"continuing at step {state.Step} of {total}");
            },
            Stepped = record => step(record, total),
            Validated = record => say($"validation after step {record.Step}: {string.Join(", ", record.Figures.Select(figure => $"{figure.Key} {figure.Value:0.####}"))}"),
            Warn = say,
        };
    }

    private static Action<StepRecord, long> Lines(string title)
    {
        long last = 0;
        return (record, total) =>
        {
            if (record.Step + 1 < total && TimeProvider.System.GetElapsedTime(last) < _lineEvery) return;
            last = TimeProvider.System.GetTimestamp();
            Console.Error.WriteLine($"{title} {record.Step + 1}/{total}  loss {record.Loss:0.000}  lr {record.LearningRate:0.0e+0}  {record.ClipsPerSecond:0.0} clips/s  wait {record.WaitShare:P0}  rejected {record.Rejected}");
        };
    }
}
