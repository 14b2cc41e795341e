using System.CommandLine;
using System.Diagnostics;
using Alpro.Actors;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Runs;
using Alpro.Data.Corpora;
using Alpro.Data.Media;
using Alpro.Data.Packs;
using Alpro.Data.Places;
using Alpro.Data.Workers;
using Spectre.Console;

namespace Alpro.Cli.Commands;

/// <summary>
/// <c>alpro pack</c>: makes packed corpora of a configuration's corpora, which cost a fraction of the time and bytes to read.
/// </summary>
internal static class PackCommand
{
    private static readonly PackSettings _defaults = new();

    public static Command Create()
    {
        var config = new Argument<string>("CONFIG") { Description =
            "A run's configuration: its training, validation and test corpora are packed." };
        var place = new Option<string>("--out")
        {
            Description = "Folder for the pack, or s3://bucket/prefix; where there are several corpora, each gets a folder of its name in "
            + "it.",
            Required = true,
        };
        var only = new Option<string?>("--corpus") { Description = "Pack the corpus of this name only." };
        var size = new Option<int>("--size")
        {
            Description = "Side of the square that videos become, and shorter side of images, in pixels.",
            DefaultValueFactory = _ => _defaults.Side,
        };
        var shape = new Option<bool>("--keep-shape") { Description =
            "Keep the aspect ratio of videos too: --size is then the shorter side. Such a picture is never enlarged." };
        var rate = new Option<string?>("--rate") { Description = "Frame rate of videos: frames per second, or a share; by default 10%." };
        var codec = new Option<PackedCodec>("--codec") { Description =
            "Codec of videos: h264 (every frame a key frame) or mjpeg (larger, and cheaper to decode). Images become JPEG." };
        var quality = new Option<int?>("--quality") { Description =
            "Constant rate factor of h264, by default 23, or quantizer scale of JPEG, by default 3; lower is better and larger." };
        var shard = new Option<double>("--shard-size")
        {
            Description = "Size at which a shard is closed, in megabytes (of 2^20 bytes).",
            DefaultValueFactory = _ => _defaults.ShardBytes >> 20,
        };
        var workers = new Option<int>("--workers")
        {
            Description = "Clips encoded at once.",
            DefaultValueFactory = _ => Environment.ProcessorCount,
        };
        var deadline = new Option<double>("--deadline")
        {
            Description = "Seconds after which reading a few frames has timed out.",
            DefaultValueFactory = _ => new DecodeLimits().Deadline.TotalSeconds,
        };
        var cluster = new NodeOptions();
        cluster.Seeds.Description = "Pack on the decode nodes of a cluster too: a node of it to join, as host:port; where nobody trains, "
            + "this process itself.";
        var command = new Command("pack", CommandLine.Describe(
            "Re-encode the corpora so that reading a few frames costs little. Run it again to complete it; a configuration then names "
            + "PLACE/index as annotations, and no media.",
            "alpro pack config/pretrain.json --corpus webvid --out packs/webvid"))
        {
            config, place, only, size, shape, rate, codec, quality, shard, workers, deadline,
        };
        cluster.AddTo(command, trains: false);
        CommandLine.Between(size, 16, 4096);
        size.Validators.Add(result => { if (result.GetValueOrDefault<int>() % 2 != 0) result.AddError("--size must be even."); });
        FrameRateText.Check(rate);
        CommandLine.Between(quality, 1, 51);
        CommandLine.Between(shard, 0.001, 1 << 20);
        CommandLine.Between(workers, 1);
        CommandLine.Between(deadline, 0.001);
        command.SetAction(async (arguments, cancellation) =>
        {
            string given = arguments.GetValue(place)!;
            if (Place.IsRemote(given) && !Place.IsBucket(given))
                throw new UsageException(
                    $"--out {Place.NameOf(given)}: expected a folder, or s3://bucket/prefix; a web server takes no files.");
            string target = Place.Resolve(given, Environment.CurrentDirectory);
            IReadOnlyList<CorpusConfig> corpora = CorpusChoice.Of(arguments.GetValue(config)!, arguments.GetValue(only));
            PackSettings settings = new()
            {
                Side = arguments.GetValue(size),
                KeepsShape = arguments.GetValue(shape),
                Codec = arguments.GetValue(codec),
                Quality = arguments.GetValue(quality),
                ShardBytes = (long)(arguments.GetValue(shard) * (1 << 20)),
            };
            if (FrameRateText.Parse(arguments.GetValue(rate)) is var (value, isShare))
                settings = isShare ? settings with { RateFactor = value } : settings with { Rate = value };
            DecodeLimits limits = new() { Deadline = TimeSpan.FromSeconds(arguments.GetValue(deadline)) };
            WorkerCommand worker = WorkerCommand.ThisProgram(DecodeWorker.CommandName);
            List<PackReport> reports = [];
            if (!cluster.AreGiven(arguments)) await PackAllAsync(invite: null);
            else
                await PackerNode.RunAsync(new NodeStart(arguments.GetValue(cluster.Hocon), static actors => actors,
                    hocon => cluster.Join(arguments, NodeRole.Packer, hocon), CommandLine.Events.Factory), PackAllAsync, cancellation);
            CommandLine.Result(arguments, new { packs = reports }, console => Show(console, reports));
            return ExitCode.Success;

            async Task PackAllAsync(Func<PackTerms, WorkerPool<IClipEncoder>, IDisposable>? invite)
            {
                CorpusPacker packer = new(settings, () => FrameReaders.Create(limits, worker), arguments.GetValue(workers))
                {
                    Invite = invite,
                };
                await CommandLine.Error.Progress().StartAsync(async display =>
                {
                    foreach (CorpusConfig corpus in corpora)
                    {
                        string folder = corpora.Count == 1 ? target : Place.Combine(target, corpus.Name);
                        reports.Add(await OutputPath.WriteAsync(folder, "--out",
                            () => PackAsync(packer, corpus, folder, display, cancellation)));
                    }
                });
            }
        });
        return command;
    }

    private static async Task<PackReport> PackAsync(CorpusPacker packer, CorpusConfig config, string folder, ProgressContext display,
        CancellationToken cancellation)
    {
        using VideoTextCorpus corpus = VideoTextCorpus.Open(config with { Missing = MissingMedia.Lazy });
        ProgressTask task = display.AddTask(config.Name.EscapeMarkup());
        (long start, int before) = (0, 0);
        return await packer.PackAsync(corpus, config.Media ?? Place.FolderOf(config.Annotations), folder,
            new Progress<(int Done, int Count)>(step =>
            {
                if (start == 0) (start, before) = (Stopwatch.GetTimestamp(), step.Done);
                task.MaxValue = step.Count;
                task.Value = Math.Max(task.Value, step.Done);
                double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
                if (seconds > 1) task.Description = $"{config.Name.EscapeMarkup()} {(step.Done - before) / seconds:0.0} clips/s";
            }), cancellation);
    }

    private static void Show(IAnsiConsole console, List<PackReport> reports)
    {
        var table = new Table().AddColumns("corpus", "rows", "clips", "frames", "shards", "MB before", "MB after", "ms before", "ms after",
            "PSNR, worst", "unreadable");
        foreach (PackReport report in reports)
            table.AddRow(new Text(report.Corpus), new Text($"{report.Rows:N0}"), new Text($"{report.Clips:N0}"),
                new Text($"{report.Frames:N0}"), new Text($"{report.Shards:N0}"),
                new Text(report.BytesBefore is { } bytes ? $"{bytes / 1e6:N1}" : "–"),
                new Text($"{report.BytesAfter / 1e6:N1}"), new Text($"{report.Sample.SourceMilliseconds:N1}"),
                new Text($"{report.Sample.PackedMilliseconds:N1}"),
                new Text($"{report.Sample.MeanPsnr:N1}, {report.Sample.WorstPsnr:N1} dB"),
                new Text(string.Join(", ", report.Unreadable.Select(reason => $"{reason.Value} {reason.Key}"))));
        console.Write(table);
        foreach (PackReport report in reports)
            console.WriteLine($"{report.Corpus}: {report.Covers}; \"annotations\": \"{report.Index}\"");
    }
}
