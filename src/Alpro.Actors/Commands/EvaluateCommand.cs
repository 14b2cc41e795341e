using System.CommandLine;
using System.Diagnostics;
using Alpro.Data.Corpus;
using Alpro.Model;
using Alpro.Model.Checkpoints;
using Alpro.Training;
using Alpro.Training.Evaluation;
using Spectre.Console;
using TorchSharp;

namespace Alpro.Actors.Commands;

/// <summary><c>alpro evaluate</c>: scores a checkpoint on held-out videos: retrieval in both directions, or question answering.</summary>
internal static class EvaluateCommand
{
    public static Command Create()
    {
        var file = ConfigCommand.FileOption();
        var checkpoint = new Option<string>("--checkpoint") { Description = "A .pt or .safetensors file, a checkpoint folder, or a run's output folder (its best checkpoint).", Required = true };
        var split = new Option<string>("--split") { Description = "Which corpus of the configuration: test or validation.", DefaultValueFactory = _ => "test" };
        split.AcceptOnlyFromAmong("test", "validation");
        var settings = ConfigCommand.SetOption();
        var hocon = TrainCommand.HoconOption();
        var command = new Command("evaluate", CommandLine.Describe(
            "Score a checkpoint on held-out videos: text-video retrieval in both directions, or question answering.",
            "alpro evaluate --config config/msrvtt-retrieval.json --checkpoint output/msrvtt")) { file, checkpoint, split, settings, hocon };
        command.SetAction(async (arguments, _) =>
        {
            RunConfig config = ConfigLoader.Load(arguments.GetValue(file)!, arguments.GetValue(settings));
            CorpusConfig corpus = (arguments.GetValue(split) == "test" ? config.Data.Test : config.Data.Validation is [var first, ..] ? first : null)
                ?? throw new UsageException($"{arguments.GetValue(file)}: data.{arguments.GetValue(split)} is not set: there is nothing to evaluate on");
            string weights = WeightsIn(arguments.GetValue(checkpoint)!);
            await using RunHost host = await RunHost.StartAsync(arguments.GetValue(hocon));
            // Lazily: a video that is absent is a row to report, not one to leave out.
            using var data = new RunData(config, host.Settings, [corpus with { Missing = MissingMedia.Lazy }]);
            Console.Error.WriteLine($"{corpus.Name}: {data.Corpora[0].Coverage.Describe(data.Corpora[0].Kind)}");
            long began = Stopwatch.GetTimestamp();
            DownstreamScores scores = Score(host, config, data, weights);
            double seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
            CommandLine.Result(arguments, new { checkpoint = weights, scores, scores.Chance, seconds }, console => Show(console, scores, seconds));
            return CommandLine.Success;
        });
        return command;
    }

    /// <summary>Loads the model and scores it, on one thread of its own: tensors stay on the thread that made them.</summary>
    private static DownstreamScores Score(RunHost host, RunConfig config, RunData data, string weights)
    {
        using AlproModel model = RunModel.Create(config, RunModel.DefaultDevice);
        StateDict.Load(model, weights, LoadMode.Inference);
        if (Console.IsErrorRedirected) return Downstream.Score(host, config, data, model);
        return CommandLine.Error.Progress().Start(display =>
        {
            ProgressTask bar = display.AddTask("evaluate", maxValue: 1);
            return Downstream.Score(host, config, data, model, new Progress<double>(done => bar.Value = done));
        });
    }

    private static string WeightsIn(string path)
    {
        if (File.Exists(path)) return path;
        if (!Directory.Exists(path)) throw new UsageException($"{path}: there is no such checkpoint; expected a .pt or .safetensors file, or a folder of a run");
        string weights = Path.Combine(path, Checkpoint.WeightsName);
        if (File.Exists(weights)) return weights;
        string run = Directory.Exists(Path.Combine(path, "checkpoints")) ? Path.Combine(path, "checkpoints") : path;
        return new CheckpointStore(run, warn: Console.Error.WriteLine).Best()?.Weights ?? throw new UsageException($"{path}: holds no checkpoint");
    }

    private static void Show(IAnsiConsole console, DownstreamScores scores, double seconds)
    {
        if (scores.Retrieval is { } retrieval)
        {
            var table = new Table().Border(TableBorder.Rounded).Title($"{scores.Corpus}: {scores.Texts} texts, {scores.Videos - scores.Missing.Count} videos, {seconds:0.0} s")
                .AddColumns("", "R@1", "R@5", "R@10", "median rank", "mean rank", "ties");
            int found = scores.Videos - scores.Missing.Count;
            AddRow("text to video", retrieval.TextToVideo);
            AddRow("video to text", retrieval.VideoToText);
            if (scores.RetrievalByContrast is { } contrast)
            {
                AddRow("text to video, contrastive", contrast.TextToVideo);
                AddRow("video to text, contrastive", contrast.VideoToText);
            }
            table.AddRow("chance", $"{scores.Chance:0.0}", $"{Math.Min(100, 5 * scores.Chance):0.0}", $"{Math.Min(100, 10 * scores.Chance):0.0}", $"{(found + 1) / 2.0:0.0}", $"{(found + 1) / 2.0:0.0}", "");
            console.Write(table);
            console.WriteLine(retrieval.ToString());

            void AddRow(string name, RankMetrics figures) => table.AddRow(
                name, $"{figures.R1:0.0}", $"{figures.R5:0.0}", $"{figures.R10:0.0}", $"{figures.MedianR:0.0}", $"{figures.MeanR:0.0}", $"{figures.Ties}");
        }
        else console.WriteLine(scores.QuestionAnswering!.ToString());
        if (scores.Missing.Count == 0) return;
        console.WriteLine($"{scores.Missing.Count} of {scores.Videos} videos are missing: {string.Join(", ", scores.Missing)}");
        console.WriteLine($"counted as not found: {scores.RetrievalWithMissing?.ToString() ?? scores.QuestionAnsweringWithMissing!.ToString()}");
    }
}
