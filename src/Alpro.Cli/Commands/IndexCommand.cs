using System.CommandLine;
using System.Globalization;
using Alpro.Actors;
using Alpro.Actors.Evaluation;
using Alpro.Actors.Hosting;
using Alpro.Actors.Search;
using Alpro.Data.Corpora;
using Alpro.Training.Configuration;
using Spectre.Console;

namespace Alpro.Cli.Commands;

/// <summary><c>alpro index</c>: makes videos searchable.</summary>
internal static class IndexCommand
{
    private const string Whole = "whole";

    private const double LeastSeconds = 0.1;

    public static Command Create()
    {
        var source = new Argument<string>("FOLDER") { Description =
            "The folder whose videos are indexed, with all below it; a configuration, whose test corpus is; or a packed corpus's index." };
        var model = new ModelOptions();
        var output = new Option<string>("--out")
        {
            Description = "The index's folder. Run the command again to complete it.",
            Required = true,
        };
        var corpus = new Option<string?>("--corpus") { Description = "The corpus of this name of the configuration FOLDER." };
        var window = new Option<string>("--window")
        {
            Description = "Length of a window, such as 4s; whole makes one window of each video.",
            DefaultValueFactory = _ => "4s",
        };
        var stride = new Option<string>("--stride")
        {
            Description = "Time from the begin of a window to that of the next, such as 2s.",
            DefaultValueFactory = _ => "2s",
        };
        var tokens = new Option<bool>("--tokens") { Description =
            "Keep what matching needs of each window, so that --rerank does not read and encode videos again: 300 kB a window of ViT-B." };
        var command = new Command("index", CommandLine.Describe(
            "Make videos searchable: cut them into windows, encode them, and write an index. The same command goes on where it was "
            + "stopped, and later takes in what is new, changed or removed.",
            "alpro index videos --run output/downstreams/msrvtt_ret/public --out videos.index")) { source, output, corpus, window, stride,
            tokens };
        model.AddTo(command);
        var hocon = RunOptions.Hocon();
        command.Options.Add(hocon);
        window.Validators.Add(result => Check(result, window, LeastSeconds, Whole));
        stride.Validators.Add(result => Check(result, stride, LeastSeconds));
        command.SetAction(async (arguments, stop) =>
        {
            string given = arguments.GetValue(source)!, place = arguments.GetValue(output)!;
            EvaluationTarget target = model.Open(arguments);
            CorpusConfig? configured = Directory.Exists(given) ? null : File.Exists(given) ? CorpusOf(given, arguments.GetValue(corpus))
                : throw new UsageException($"{given}: there is no such folder; expected one with videos, or a configuration");
            if (configured is null && arguments.GetValue(corpus) is not null)
                throw new UsageException($"--corpus names a corpus of a configuration, and {given} is a folder");
            await using RunHost host = await RunHost.StartAsync(arguments.GetValue(hocon), log: CommandLine.Events.Factory);
            using ProgressLine? bar = CommandLine.Events.OpenFoot();
            var job = new IndexJob(target, given, new()
            {
                Seconds = arguments.GetValue(window) == Whole ? null : SecondsOf(arguments.GetValue(window)!),
                Stride = SecondsOf(arguments.GetValue(stride)!)!.Value,
            }, place)
            {
                Corpus = configured,
                Tokens = arguments.GetValue(tokens),
                Data = arguments.GetValue(model.Data),
                Log = CommandLine.Log,
                Progressed = progress => bar?.Show(progress.All == 0 ? 1 : (double)progress.Done / progress.All, Say(progress)),
            };
            IndexReport report = await OutputPath.WriteAsync(place, "--out", () => job.RunAsync(host, stop));
            CommandLine.Result(arguments, report, console => Show(console, report));
            return ExitCode.Success;
        });
        return command;
    }

    private static CorpusConfig CorpusOf(string file, string? name)
    {
        if (!file.EndsWith(".json", StringComparison.OrdinalIgnoreCase))
            return new() { Name = name ?? Path.GetFileName(Path.GetDirectoryName(Path.GetFullPath(file)))!, Annotations = file };
        if (name is not null) return CorpusChoice.Of(file, name)[0];
        return ConfigLoader.LoadForCorpora(file).Data.Test
            ?? throw new UsageException($"{file}: has no data.test; name one of its corpora with --corpus");
    }

    private static void Check(System.CommandLine.Parsing.OptionResult result, Option<string> option, double least, string? word = null)
    {
        if (result.Tokens is not [{ Value: var text }] || text == word) return;
        if (!(SecondsOf(text) >= least))
            result.AddError($"{option.Name} {text}: expected seconds, at least {least.ToString(CultureInfo.InvariantCulture)}, such as 4s"
                + (word is null ? "" : $", or {word}"));
    }

    private static double? SecondsOf(string text) => double.TryParse(text.EndsWith('s') ? text[..^1] : text, NumberStyles.Float,
        CultureInfo.InvariantCulture, out double seconds) && double.IsFinite(seconds) ? seconds : null;

    private static string Say(IndexProgress progress) => string.Create(CultureInfo.InvariantCulture,
        $"index {progress.Done:N0}/{(progress.IsEstimate ? "about " : "")}{progress.All:N0} windows  {progress.PerSecond:0.0}/s  "
        + $"{progress.Left:hh\\:mm\\:ss} left");

    private static void Show(IAnsiConsole console, IndexReport report)
    {
        foreach (UnreadableFile file in report.Unreadable.Take(5)) console.WriteLine($"unreadable: {file.File}: {file.Problem}");
        if (report.Unreadable.Count > 5) console.WriteLine($"and {report.Unreadable.Count - 5} more, in {report.Folder}/unreadable.csv");
        console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{report.Folder}: {report.Windows:N0} windows of {report.Files:N0} files, {report.Bytes / 1e6:N1} MB; {report.New:N0} new, "
            + $"{report.Changed:N0} changed, {report.Removed:N0} removed; {report.Encoded:N0} windows encoded in {report.Seconds:0.0} s"));
    }
}
