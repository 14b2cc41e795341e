using Alpro.Data.Corpus;
using Alpro.Training;
using Spectre.Console;

namespace Alpro.Actors;

/// <summary>Shows on standard error how a run goes: a bar with rate, data-wait share and time left on a terminal, plain lines elsewhere.</summary>
internal static class RunProgress
{
    /// <summary>Least time between two plain lines.</summary>
    private static readonly TimeSpan LineEvery = TimeSpan.FromSeconds(5);

    /// <summary>Runs something while showing it.</summary>
    /// <param name="title">What is run.</param>
    /// <param name="train">Runs it; it is given what makes a run watched.</param>
    public static Task<RunResult> ShowAsync(string title, Func<Func<TrainingRun, TrainingRun>, Task<RunResult>> train)
    {
        if (Console.IsErrorRedirected) return train(run => Watch(run, Lines(title), Console.Error.WriteLine));
        return CommandLine.Error.Progress()
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .StartAsync(display =>
            {
                ProgressTask bar = display.AddTask(title);
                return train(run => Watch(run, (record, total) =>
                {
                    bar.MaxValue = total;
                    bar.Value = record.Step + 1;
                    bar.Description = Markup.Escape($"{title} {record.Step + 1}/{total}  loss {record.Loss:0.000}  {record.ClipsPerSecond:0} clips/s  wait {record.WaitShare:P0}");
                }, CommandLine.Error.WriteLine));
            });
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
            if (record.Step + 1 < total && TimeProvider.System.GetElapsedTime(last) < LineEvery) return;
            last = TimeProvider.System.GetTimestamp();
            Console.Error.WriteLine($"{title} {record.Step + 1}/{total}  loss {record.Loss:0.000}  lr {record.LearningRate:0.0e+0}  {record.ClipsPerSecond:0.0} clips/s  wait {record.WaitShare:P0}  rejected {record.Rejected}");
        };
    }
}
