using System.CommandLine;
using Alpro.Actors;
using Alpro.Actors.Evaluation;
using Alpro.Actors.Hosting;
using Alpro.Training.Checkpoints;
using Alpro.Training.Records;
using Alpro.Training.Tasks;
using Alpro.Web;
using Spectre.Console;

namespace Alpro.Cli.Commands;

/// <summary><c>alpro evaluate</c>: scores a checkpoint on held-out videos.</summary>
internal static class EvaluateCommand
{
    public static Command Create()
    {
        var model = new ModelOptions();
        var split = new Option<string?>("--split") { Description =
            "Which corpus of the configuration: test (the default) or validation (that of --watch)." };
        split.AcceptOnlyFromAmong("test", "validation");
        var output = new Option<string?>("--out") { Description =
            "Folder of report.html, results.json, scores.json and receipt.json; by default RUN/evaluation/CORPUS/CHECKPOINT." };
        var watch = new Option<bool>("--watch") { Description =
            "Evaluate the checkpoints of --run as they appear, until its training is complete." };
        var command = new Command("evaluate", CommandLine.Describe(
            $"Score a checkpoint on held-out videos: {DownstreamTask.Titles}. The same command continues where it was stopped.",
            "alpro evaluate --run output/downstreams/msrvtt_ret/public --split test")) { split, output, watch };
        model.AddTo(command);
        var hocon = RunOptions.Hocon();
        command.Options.Add(hocon);
        command.Validators.Add(result =>
        {
            if (result.GetValue(watch) && (result.GetValue(model.Run) is null || result.GetValue(model.Checkpoint) is not null
                || result.GetValue(output) is not null))
                result.AddError("--watch evaluates the checkpoints of --run into its own folder: give neither --checkpoint nor --out.");
        });
        command.SetAction(async (arguments, stop) =>
        {
            bool watching = arguments.GetValue(watch), test = (arguments.GetValue(split) ?? (watching ? "validation" : "test")) == "test";
            await using RunHost host = await RunHost.StartAsync(arguments.GetValue(hocon), log: CommandLine.Events.Factory);
            if (watching)
            {
                var run = new RunFolder(Path.GetFullPath(arguments.GetValue(model.Run)!));
                if (!File.Exists(run.Config))
                    throw new UsageException($"{arguments.GetValue(model.Run)}: there is no run to watch; expected its "
                        + $"{RunFolder.ConfigName}, which training writes when it begins");
                IReadOnlyList<EvaluationResult> results = await EvaluationProgress.WatchAsync(
                    host, run, arguments.GetValue(model.Config), arguments.GetValue(model.Settings)!, test, arguments.GetValue(model.Data),
                    stop);
                CommandLine.Result(arguments, results.Select(Summary), _ =>
                {
                    foreach (EvaluationResult result in results)
                        Console.Out.WriteLine($"{Path.GetFileName(result.Folder)}: {result.Scores.Line}");
                });
                return ExitCode.Success;
            }
            var job = new EvaluationJob(model.Open(arguments), test, arguments.GetValue(model.Data), arguments.GetValue(output));
            EvaluationResult only = await EvaluationProgress.ShowAsync(job, watched => watched.RunAsync(host, stop));
            var trained = new RunFolder(job.Target.Folder);
            if (job.Output is null && File.Exists(trained.Steps) && CheckpointStore.StepOf(only.Checkpoint) is { } step)
            {
                RunLog.Append(trained, only.ToRecord(step));
                RunReport.Refresh(trained);
            }
            CommandLine.Result(arguments, Summary(only), console => Show(console, only));
            return ExitCode.Success;
        });
        return command;
    }

    private static object Summary(EvaluationResult result) => new { checkpoint = result.Receipt.Weights, result.Folder,
        Scores = (object)result.Scores, result.Scores.Chance, result.Receipt.Seconds, result.Receipt };

    private static void Show(IAnsiConsole console, EvaluationResult result)
    {
        DownstreamScores scores = result.Scores;
        if (scores.ToTable() is { } figures)
        {
            int found = scores.Videos - scores.Missing.Count;
            var table = new Table().Border(TableBorder.Rounded)
                .Title(Markup.Escape($"{scores.Corpus}: {scores.Texts} texts, {found} videos, {result.Receipt.Seconds:0.0} s"))
                .AddColumns([.. figures.Columns]);
            foreach (IReadOnlyList<string> row in figures.Rows) table.AddRow([.. row]);
            console.Write(table);
        }
        Console.Out.WriteLine(scores.Line);                          // a program may read it: not wrapped
        if (scores.Missing.Count > 0)
        {
            console.WriteLine($"{scores.Missing.Count} of {scores.Videos} videos are missing: {string.Join(", ", scores.Missing)}");
            console.WriteLine($"counted as not found: {scores.LineWithMissing}");
        }
        console.WriteLine($"{result.Receipt.Split} split; {EvaluationReport.FileName}, receipt, results and scores: {result.Folder}");
    }
}
