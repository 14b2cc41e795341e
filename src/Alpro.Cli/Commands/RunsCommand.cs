using System.CommandLine;
using Alpro.Actors;
using Alpro.Training.Configuration;
using Alpro.Training.Records;
using Spectre.Console;

namespace Alpro.Cli.Commands;

/// <summary><c>alpro runs</c>: puts runs side by side: what differs in their settings, what they came to, where their time went.</summary>
internal static class RunsCommand
{
    /// <summary>What a run came to.</summary>
    /// <param name="Run">Its folder.</param>
    /// <param name="Steps">Steps that it has done.</param>
    /// <param name="Loss">Mean loss of the last tenth of its steps.</param>
    /// <param name="BestValidation">The best score of a validation; null where there was none.</param>
    /// <param name="ClipsPerSecond">Clips that counted, for each second of the wall time.</param>
    /// <param name="Goodput">Share of the wall time that was training steps that counted.</param>
    /// <param name="Time">Where the wall time went; null for a run of an older version.</param>
    /// <param name="Verdict">What held it up last.</param>
    /// <param name="Curves">The figures of its steps, thinned.</param>
    /// <param name="Validations">Its validations.</param>
    private sealed record RunFigures(string Run, long Steps, double Loss, double? BestValidation, double? ClipsPerSecond, double? Goodput,
        TimeAccount? Time, Finding? Verdict, StepCurves.Drawn Curves, IReadOnlyList<ValidationRecord> Validations);

    /// <summary>A setting that the runs do not share.</summary>
    /// <param name="Name">The setting.</param>
    /// <param name="Values">Its JSON in each run, in their order.</param>
    private sealed record Setting(string Name, IReadOnlyList<string> Values);

    /// <summary>Characters of a curve, and what the table takes for its first column and for the border of a cell.</summary>
    private const int Narrowest = 8, Widest = 48, Names = 36, Border = 3;

    public static Command Create()
    {
        var folders = new Argument<string[]>("RUN") { Description = "Folders of runs.", Arity = ArgumentArity.OneOrMore };
        var command = new Command("runs", CommandLine.Describe(
            "Put runs side by side: settings that differ, figures, curves, and where their time went.",
            "alpro runs output/pretrain output/pretrain-packed")) { folders };
        command.SetAction(arguments =>
        {
            RunFolder[] runs = [.. arguments.GetValue(folders)!.Select(Open)];
            RunConfig[] configs = [.. runs.Select(run => ConfigLoader.FromJson(File.ReadAllText(run.Config)))];
            RunFigures[] figures = [.. runs.Zip(configs, FiguresOf)];
            Setting[] settings = [.. Differences(configs)];
            CommandLine.Result(arguments, new { Runs = figures, Settings = settings }, console => Show(console, figures, settings));
            return ExitCode.Success;
        });
        return command;
    }

    private static RunFolder Open(string path)
    {
        var run = new RunFolder(Path.TrimEndingDirectorySeparator(path));
        return File.Exists(run.Config) ? run
            : throw new UsageException($"{path}: holds no run, for there is no {RunFolder.ConfigName} in it; expected the --out of a run");
    }

    private static RunFigures FiguresOf(RunFolder run, RunConfig config)
    {
        var losses = new List<double>();
        var curves = new StepCurves();
        foreach (StepRecord step in RunLog.Read<StepRecord>(run.Steps))
        {
            losses.Add(step.Loss);
            curves.Add(step);
        }
        TimeAccount? time = TimeAccount.Of(run);
        ValidationRecord[] validations = [.. RunLog.Read<ValidationRecord>(run.Validations)];
        double loss = losses.TakeLast(Math.Max(1, losses.Count / 10)).DefaultIfEmpty(double.NaN).Average();
        double? rate = time is null ? null : (double)losses.Count * config.Training.BatchSize / time.Seconds;
        return new(run.Path, losses.Count, loss, validations.Max(record => (double?)record.Score), rate, time?.Goodput, time,
            RunStatus.Read(run)?.Verdict, curves.Draw(), validations);
    }

    private static IEnumerable<Setting> Differences(RunConfig[] configs)
    {
        OrderedDictionary<string, string>[] all = [.. configs.Select(RunDifference.Settings)];
        return all.SelectMany(settings => settings.Keys).Distinct()
            .Select(name => new Setting(name, [.. all.Select(settings => settings.GetValueOrDefault(name, "absent"))]))
            .Where(setting => setting.Values.Distinct().Count() > 1);
    }

    /// <summary>The points of a curve; none where the run has no such curve.</summary>
    private static IReadOnlyList<(double Step, double Value)> Points(StepCurves.Drawn drawn, string name)
    {
        if (!drawn.Curves.TryGetValue(name, out double[]? values)) return [];
        double apart = (double)drawn.Width * drawn.Count / Math.Max(1, values.Length);
        return [.. values.Select((value, at) => (drawn.First + at * apart, value))];
    }

    private static void Show(IAnsiConsole console, RunFigures[] runs, Setting[] settings)
    {
        var table = new Table().Border(TableBorder.Rounded).AddColumn("");
        foreach (RunFigures run in runs) table.AddColumn(Markup.Escape(run.Run));
        foreach (Setting setting in settings) Row(setting.Name, [.. setting.Values]);
        if (settings.Length > 0) table.AddEmptyRow();
        Row("steps", [.. runs.Select(run => $"{run.Steps}")]);
        Row("loss, last tenth", [.. runs.Select(run => $"{run.Loss:0.000}")]);
        Row("best validation", [.. runs.Select(run => $"{run.BestValidation:0.###}")]);
        Row("clips/s on the wall", [.. runs.Select(run => $"{run.ClipsPerSecond:0.0}")]);
        Row("wall time", [.. runs.Select(run => run.Time is { } time ? TimeAccount.Clock(time.Seconds) : "not known")]);
        Row("goodput", [.. runs.Select(run => $"{run.Goodput:P1}")]);
        table.AddEmptyRow();
        TimeCause[] causes = [.. Enum.GetValues<TimeCause>().Where(cause => runs.Any(run => run.Time?.Parts.ContainsKey(cause) == true))];
        foreach (TimeCause cause in causes)
            Row(TimeAccount.Name(cause), [.. runs.Select(run => run.Time?.Parts.TryGetValue(cause, out double seconds) == true
                ? $"{TimeAccount.Clock(seconds)}  {seconds / run.Time.Seconds:P1}" : "")]);
        if (causes.Length > 0) table.AddEmptyRow();
        int width = Math.Clamp((console.Profile.Width - Names) / runs.Length - Border, Narrowest, Widest);
        Curve("loss", run => Points(run.Curves, "loss/total"));
        Curve("validation", run => [.. run.Validations.Select(record => ((double)record.Step, record.Score))]);
        Curve("clips/s", run => Points(run.Curves, "speed/clipsPerSecond"));
        Curve("waiting", run => Points(run.Curves, "speed/waitShare"));
        table.AddEmptyRow();
        Row("verdict", [.. runs.Select(run => $"{run.Verdict}")]);
        console.Write(table);

        void Curve(string name, Func<RunFigures, IReadOnlyList<(double, double)>> points)
        {
            if (Sparklines.Of([.. runs.Select(points)], runs.Max(run => run.Steps), width) is { } drawn)
                Row($"{name}, {drawn.Least:G3} to {drawn.Greatest:G3}", [.. drawn.Lines]);
        }

        void Row(string name, string[] values) => table.AddRow([name, .. values.Select(Markup.Escape)]);
    }
}
