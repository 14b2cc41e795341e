using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Hosting;
using Alpro.Actors.Insight;
using Alpro.Actors.Runs;
using Alpro.Data;
using Alpro.Data.Batches;
using Alpro.Data.Clips;
using Alpro.Data.Media;
using Alpro.Data.Sampling;
using Alpro.Model;
using Alpro.Tests.Support.Runs;
using Alpro.Tests.Support.Stores;
using Alpro.Training;
using Alpro.Training.Collectives;
using Alpro.Training.Configuration;
using Alpro.Training.Records;
using Alpro.Training.Tests;
using Alpro.Training.Tests.Collectives;
using Microsoft.Extensions.Logging.Abstractions;
using static TorchSharp.torch;

namespace Alpro.Actors.Tests.Insight;

/// <summary>Bottlenecks that are planted in real runs, each of which the verdict names; and a run in which there is none.</summary>
public sealed class BottleneckTests(SmallWorld world) : IClassFixture<SmallWorld>, IDisposable
{
    private readonly TemporaryFolder _out = new();

    public void Dispose() => _out.Dispose();

    private RunConfig Config(int steps, params string[] settings)
    {
        SmallRun.Write(_out.File("config.json"), world.Folder.Path, steps);
        return ConfigLoader.Load(_out.File("config.json"), ["training.checkpointEvery=1000", .. settings]);
    }

    /// <summary>What is said at the end of a run in this process.</summary>
    /// <param name="config">The run.</param>
    /// <param name="adjust">How it is carried out.</param>
    /// <param name="clip">Done before each clip is made.</param>
    /// <param name="disk">Done before each change of the checkpoints' disk.</param>
    /// <param name="slow">In place of a source of clips.</param>
    /// <param name="trained">Told of every step.</param>
    /// <param name="processors">Of the host. By default so many that whatever else the machine does is no finding.</param>
    private async Task<Finding> FindAsync(RunConfig config, Func<ActorSettings, ActorSettings> adjust, Action<ClipRequest>? clip = null,
        Action<string>? disk = null, Func<IClipSource, IClipSource>? slow = null, Action<StepRecord>? trained = null, int processors = 64)
    {
        Directory.CreateDirectory(_out.File("run"));
        await using RunHost host = await RunHost.StartAsync(adjust: adjust);
        host.Processors = processors;
        if (clip is not null) host.Source = source => new PlantedSource(source, clip);
        if (slow is not null) host.Source = slow;
        RunStatus? last = null;
        var run = new TrainingRun(config, new(_out.File("run")), Resume: false)
        {
            Judged = status => last = status,
            Trained = trained ?? (static _ => { }),
            Touching = disk ?? (static _ => { }),
        };
        Assert.True((await host.TrainAsync(run, CancellationToken.None)).Completed);
        Assert.Equal(last!.Verdict, RunStatus.Read(run.Folder)!.Verdict);
        return last.Verdict;
    }

    private sealed class PlantedSource(IClipSource source, Action<ClipRequest> before) : IClipSource
    {
        public Clip Load(ClipRequest request)
        {
            before(request);
            return source.Load(request);
        }

        public void Dispose() => source.Dispose();
    }

    /// <summary>
    /// Files that are waited for twice as long as all else takes: the last clip once its file is there, or the last step. On a machine that
    /// others keep busy both take longer, and so does the disk: what holds the run up is the same. After a first step that took seconds,
    /// one clip must not hold up all others.
    /// </summary>
    private sealed class SlowFiles(IClipSource source, Func<double> stepMs) : IClipSource
    {
        private double _clipMs;

        public Clip Load(ClipRequest request)
        {
            double wait = Math.Clamp(2 * Math.Max(_clipMs, stepMs()), 40, 500);
            long began = Stopwatch.GetTimestamp();
            Wait(wait);                                              // and until there is a processor again
            Clip clip = source.Load(request);
            _clipMs = Stopwatch.GetElapsedTime(began).TotalMilliseconds - wait;
            return clip;
        }

        public void Dispose() => source.Dispose();
    }

    /// <summary>Keeps a processor busy, however long the thread waits for one.</summary>
    private static void Compute(double milliseconds)
    {
        double until = ThreadTimes.OfThisThread()!.Value.Running + milliseconds / 1000;
        while (ThreadTimes.OfThisThread()!.Value.Running < until)
        {
        }
    }

    /// <summary>
    /// Waits as for a disk, without a processor. To wait for a task would begin with looks at it, for which a thread queues.
    /// </summary>
    private static void Wait(double milliseconds)
    {
        using var never = new ManualResetEvent(false);
        never.WaitOne(TimeSpan.FromMilliseconds(milliseconds));
    }

    [Fact]
    public async Task Healthy_run_is_one_whose_trainer_is_the_limit()
    {
        RunConfig config = Config(16, "model.vision.width=256", "model.vision.depth=3", "model.text.width=256");
        Finding finding = await FindAsync(config, settings => settings with { Decoders = 1 });
        Assert.True(finding.Kind == FindingKind.Healthy, finding.ToString());
    }

    [Fact]
    public async Task Too_few_decoders()
    {
        Finding finding = await FindAsync(Config(24), settings => settings with { Decoders = 1 }, _ => Compute(12));
        Assert.True(finding.Kind == FindingKind.TooFewDecoders, finding.ToString());
    }

    [Fact]
    public async Task Slow_disk()
    {
        double stepMs = 0;
        Finding finding = await FindAsync(Config(20), settings => settings with { Decoders = 2 },
            slow: source => new SlowFiles(source, () => stepMs), trained: record => stepMs = record.StepMs - record.WaitMs);
        Assert.True(finding.Kind == FindingKind.SlowDisk, finding.ToString());
    }

    [Fact]
    public async Task Too_few_decoders_of_clips_in_a_store()
    {
        using var server = new FileServer(world.Folder.Path);
        RunConfig config = Config(16, "data.clip.decodeSize=1280");      // scaling costs far more than fetching, and than a step
        string address = $"http://127.0.0.1:{server.Port}/train";
        config = config with
        {
            Data = config.Data with
            {
                Corpora = [config.Data.Corpora[0] with { Annotations = $"{address}/results_train.csv", Media = $"{address}/videos" }],
            },
        };
        Finding finding = await FindAsync(config,
            settings => settings with { Decoders = 1, ClipsPerDecoder = 4, Places = new() { CacheFolder = _out.File("cache") } });
        Assert.True(finding.Kind == FindingKind.TooFewDecoders, finding.ToString());
        Assert.Contains(": 1 decoders make ", finding.Sentence, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Window_too_small()
    {
        Finding finding = await FindAsync(Config(16), settings => settings with { Decoders = 4, Window = 1, Prefetch = 1 }, request =>
        {
            if (request.Slot == 0) Wait(150);
        });
        Assert.True(finding.Kind == FindingKind.WindowTooSmall, finding.ToString());
    }

    [Fact]
    public async Task Slow_checkpoint_disk()
    {
        RunConfig config = Config(16, "training.checkpointEvery=1");
        Finding finding = await FindAsync(config, settings => settings with { Decoders = 2 }, disk: what =>
        {
            if (what.StartsWith("flush ", StringComparison.Ordinal)) Wait(80);
        });
        Assert.True(finding.Kind == FindingKind.SlowCheckpoints, finding.ToString());
    }

    [Fact]
    public async Task Processor_over_committed()
    {
        Finding finding = await FindAsync(Config(24),
            settings => settings with { Decoders = 4 * Environment.ProcessorCount, Window = 16 }, _ => Compute(12),
            processors: Environment.ProcessorCount);
        Assert.True(finding.Kind == FindingKind.OverCommitted, finding.ToString());
    }

    [Fact]
    public async Task Storm_of_unreadable_files()
    {
        Finding finding = await FindAsync(Config(20), settings => settings with { Decoders = 2 }, request =>
        {
            if (request.Row % 4 == 0) throw new UnreadableClipException(RejectReason.Corrupt, $"row {request.Row}", "injected");
        });
        Assert.True(finding.Kind == FindingKind.UnreadableStorm, finding.ToString());
    }

    [Fact]
    public void One_slow_rank()
    {
        RunConfig config = GroupTraining.Config(steps: 16);
        ICollectives[] ranks = TestRing.Form(2);
        IReadOnlyList<StepRecord>[] records = TestRing.OnThreads(2, rank =>
        {
            using ICollectives group = ranks[rank];
            var told = new List<StepRecord>();
            using AlproModel model = RunModel.Create(config, CPU);
            using Trainer trainer = new(config, model, new() { Record = told.Add }, TinyRun.Start(config))
            {
                BeforeUpdate = _ => Compute(rank == 1 ? 60 : 0),
            };
            trainer.Join(group);
            trainer.Run(Readable(GroupTraining.Batches(config, rank, 2)));
            return (IReadOnlyList<StepRecord>)told;
        });
        Assert.All(records, told => Assert.Equal(records[0][^1].Ranks, told[^1].Ranks));
        Finding finding = Verdict.Of(new()
        {
            Seconds = 1,
            Steps = [.. records[0].Skip(4)],
            BatchSize = 8,
            Ranks = ["host-a:4253", "host-b:4253"],
        });
        Assert.True(finding.Kind == FindingKind.SlowRank, finding.ToString());
        Assert.Matches("^Rank 1 is [0-9]+ % slower than the others: host-b:4253.$", finding.Sentence);
    }

    /// <summary>The same batches, in which no clip stands in for another.</summary>
    private static ChannelReader<ClipBatch> Readable(ChannelReader<ClipBatch> batches)
    {
        var readable = Channel.CreateUnbounded<ClipBatch>();
        while (batches.TryRead(out ClipBatch? batch))
        {
            batch.Rejected = 0;
            readable.Writer.TryWrite(batch);
        }
        readable.Writer.Complete();
        return readable.Reader;
    }

    [Fact]
    public async Task Slow_network()
    {
        Finding finding = await FindInClusterAsync(Config(20), new Planted(Wire: static stream => new SlowStream(stream)));
        Assert.True(finding.Kind == FindingKind.SlowNetwork, finding.ToString());
    }

    [Fact]
    public async Task One_slow_decode_node()
    {
        Finding finding = await FindInClusterAsync(Config(24), new Planted(), new Planted(Clip: static _ => Wait(120)));
        Assert.True(finding.Kind == FindingKind.SlowDecodeNode, finding.ToString());
    }

    /// <summary>A decode node in this process, and what is wrong with it.</summary>
    private sealed record Planted(Action<ClipRequest>? Clip = null, Func<Stream, Stream>? Wire = null);

    /// <summary>What is said at the end of a run whose clips decode nodes make, all of them in this process.</summary>
    private async Task<Finding> FindInClusterAsync(RunConfig config, params Planted[] nodes)
    {
        string hocon = _out.File("quick.conf");
        File.WriteAllText(hocon, File.ReadAllText(RunningSettings.ConfFile("cluster.conf")) + """

            alpro.cluster.stable-after = 1s
            akka.cluster { gossip-interval = 100ms, leader-actions-interval = 100ms, retry-unsuccessful-join-after = 500ms
              seed-node-timeout = 1s }
            """);
        int port = FreePorts.One();
        using var stop = new CancellationTokenSource();
        Task[] decoding = [.. nodes.Select(planted => DecoderNode.RunAsync(Start(NodeRole.Decoder, decoders: 1) with
        {
            Source = source => new PlantedSource(source, planted.Clip ?? (static _ => { })),
            Wire = planted.Wire ?? (static stream => stream),
        }, config, stop.Token))];
        RunStatus? last = null;
        Directory.CreateDirectory(_out.File("run"));
        var run = new TrainingRun(config, new(_out.File("run")), Resume: false) { Judged = status => last = status };
        await CoordinatorNode.RunAsync(Start(NodeRole.Coordinator, decoders: 0), run, least: 0, CancellationToken.None);
        stop.Cancel();
        await Task.WhenAll(decoding);
        return last!.Verdict;

        NodeStart Start(NodeRole role, int decoders) => new(hocon, settings => settings with
            {
                Decoders = decoders, SharesCores = false, Window = 1, Prefetch = 1,
            },
            _ => new ClusterNode
            {
                Role = role,
                Name = "insight",
                Host = "127.0.0.1",
                Port = role == NodeRole.Coordinator ? port : 0,
                DataPort = 0,
                RingPort = 0,
                Seeds = [$"127.0.0.1:{port}"],
            }, NullLoggerFactory.Instance);
    }

    /// <summary>A connection over which the pixels of a clip take 60 ms.</summary>
    private sealed class SlowStream(Stream stream) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (buffer.Length > 1000) await Task.Delay(60, cancellationToken);
            await stream.WriteAsync(buffer, cancellationToken);
        }

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Flush() => stream.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
