using System.CommandLine;
using Alpro.Actors;
using Alpro.Data.Corpora;
using Alpro.Data.Media;
using Alpro.Data.Preparation;
using Spectre.Console;

namespace Alpro.Cli.Commands;

/// <summary>
/// <c>alpro scan</c>: decodes every clip of a configuration's corpora, in child processes, and lists those that cannot be read.
/// </summary>
internal static class ScanCommand
{
    private sealed record Scan(string Corpus, CorpusCoverage Coverage, string Covers, long Rows, long Files, long Readable, long Unreadable,
        IReadOnlyDictionary<string, int> Reasons, string List);

    public static Command Create()
    {
        var config = new Argument<string>("CONFIG") { Description =
            "A run's configuration: its training, validation and test corpora are scanned." };
        var only = new Option<string?>("--corpus") { Description = "Scan the corpus of this name only." };
        var folder = new Option<string>("--out")
        {
            Description = "Folder for the lists: unreadable.csv, or NAME.unreadable.csv where there are several corpora.",
            DefaultValueFactory = _ => ".",
        };
        var frames = new Option<int>("--frames")
        {
            Description = "Frames decoded of each clip, evenly spread; 0 decodes all.",
            DefaultValueFactory = _ => 8,
        };
        var workers = new Option<int>("--workers")
        {
            Description = "Clips decoded at once.",
            DefaultValueFactory = _ => Environment.ProcessorCount,
        };
        var deadline = new Option<double>("--deadline")
        {
            Description = "Seconds after which a clip has timed out.",
            DefaultValueFactory = _ => new DecodeLimits().Deadline.TotalSeconds,
        };
        var command = new Command("scan", CommandLine.Describe(
            "Decode every clip of the corpora and list those that cannot be read; nothing is modified.",
            "alpro scan config/pretrain.json --out scan")) { config, only, folder, frames, workers, deadline };
        CommandLine.Between(frames, 0);
        CommandLine.Between(workers, 1);
        CommandLine.Between(deadline, 0.001);
        command.SetAction(async (arguments, cancellation) =>
        {
            IReadOnlyList<CorpusConfig> corpora = CorpusChoice.Of(arguments.GetValue(config)!, arguments.GetValue(only));
            var limits = new DecodeLimits { Deadline = TimeSpan.FromSeconds(arguments.GetValue(deadline)) };
            WorkerCommand worker = WorkerCommand.ThisProgram(DecodeWorker.CommandName);
            var scanner = new CorpusScanner(() => FrameReaders.Create(limits, worker), arguments.GetValue(workers),
                arguments.GetValue(frames));
            string target = OutputPath.Write(arguments.GetValue(folder)!, "--out",
                () => Directory.CreateDirectory(arguments.GetValue(folder)!).FullName);

            List<Scan> scans = [];
            await CommandLine.Error.Progress().StartAsync(async display =>
            {
                foreach (CorpusConfig corpus in corpora)
                    scans.Add(await RunAsync(scanner, corpus,
                        Path.Combine(target, corpora.Count == 1 ? "unreadable.csv" : $"{corpus.Name}.unreadable.csv"), display,
                        cancellation));
            });
            CommandLine.Result(arguments, new { corpora = scans }, console => Show(console, scans));
            return ExitCode.Success;
        });
        return command;
    }

    private static async Task<Scan> RunAsync(CorpusScanner scanner, CorpusConfig config, string list, ProgressContext display,
        CancellationToken cancellation)
    {
        using VideoTextCorpus corpus = VideoTextCorpus.Open(config with { Missing = MissingMedia.Lazy });
        ProgressTask task = display.AddTask(config.Name, maxValue: Math.Max(corpus.Count, 1));
        ScanResult result = await scanner.ScanAsync(corpus, new Progress<long>(rows => task.Value = Math.Max(task.Value, rows)),
            cancellation);
        task.Value = task.MaxValue;
        OutputPath.Write(list, "--out", () => CorpusScanner.WriteList(list, config.Name, result.Unreadable));
        CorpusCoverage coverage = corpus.Coverage with { Missing = result.Unreadable.Count(row => row.Reason == RejectReason.Missing) };
        return new Scan(config.Name, coverage, coverage.Describe(corpus.Kind), result.Rows, result.Files, result.Readable,
            result.Unreadable.Count,
            result.Unreadable.CountBy(row => row.Reason.ToString()).OrderByDescending(reason => reason.Value)
            .ToDictionary(reason => reason.Key, reason => reason.Value), list);
    }

    private static void Show(IAnsiConsole console, List<Scan> scans)
    {
        var table = new Table().AddColumns("corpus", "rows", "files", "readable", "unreadable", "reasons");
        foreach (Scan scan in scans)
            table.AddRow(new Text(scan.Corpus), new Text($"{scan.Rows:N0}"), new Text($"{scan.Files:N0}"), new Text($"{scan.Readable:N0}"),
                new Text($"{scan.Unreadable:N0}"), new Text(string.Join(", ",
                scan.Reasons.Select(reason => $"{reason.Value} {reason.Key}"))));
        console.Write(table);
        foreach (Scan scan in scans) console.WriteLine($"{scan.Corpus}: {scan.Covers}; list in {scan.List}");
    }
}
