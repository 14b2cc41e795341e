using System.CommandLine;
using System.Globalization;
using Alpro.Actors;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Evaluation;
using Alpro.Actors.Hosting;
using Alpro.Actors.Runs;
using Alpro.Actors.Search;
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
        var cluster = new NodeOptions();
        cluster.Seeds.Description = "Encode on the encoders of a cluster too ('alpro node --role encoder'): a node of it to join, as "
            + "host:port; where nobody trains, this process itself.";
        cluster.Hocon.Description = "Running settings in HOCON, in place of hocon/alpro.conf, or on a cluster of hocon/cluster.conf.";
        cluster.AddTo(command, trains: false);
        window.Validators.Add(result => Check(result, window, LeastSeconds, Whole));
        stride.Validators.Add(result => Check(result, stride, LeastSeconds));
        command.SetAction(async (arguments, stop) =>
        {
            string given = arguments.GetValue(source)!, place = arguments.GetValue(output)!;
            EvaluationTarget target = model.Open(arguments);
            IndexedVideos videos = VideosChoice.Of(target, given, arguments.GetValue(corpus), arguments.GetValue(model.Data));
            using ProgressLine? bar = CommandLine.Events.OpenFoot();
            var job = new IndexJob(videos, new()
            {
                Seconds = arguments.GetValue(window) == Whole ? null : SecondsOf(arguments.GetValue(window)!),
                Stride = SecondsOf(arguments.GetValue(stride)!)!.Value,
            }, place)
            {
                Tokens = arguments.GetValue(tokens),
                Log = CommandLine.Log,
                Progressed = progress => bar?.Show(progress.All == 0 ? 1 : (double)progress.Done / progress.All, Say(progress)),
            };
            IndexReport report = await OutputPath.WriteAsync(place, "--out", IndexAsync);
            CommandLine.Result(arguments, report, console => Show(console, report));
            return ExitCode.Success;

            async Task<IndexReport> IndexAsync()
            {
                if (cluster.NameACluster(arguments))
                    return await IndexerNode.RunAsync(new NodeStart(arguments.GetValue(cluster.Hocon), static actors => actors,
                        hocon => cluster.Join(arguments, NodeRole.Indexer, hocon), CommandLine.Events.Factory), job, stop);
                await using RunHost host = await RunHost.StartAsync(arguments.GetValue(cluster.Hocon), log: CommandLine.Events.Factory);
                return await job.RunAsync(host, stop);
            }
        });
        return command;
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
