using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Threading.Channels;
using Akka.Actor;
using Alpro.Actors;
using Alpro.Actors.Distributed.Decoding;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Hosting;
using Alpro.Actors.Insight;
using Alpro.Actors.Pipeline;
using Alpro.Data.Batches;
using Alpro.Data.Clips;
using Alpro.Data.Sampling;
using Alpro.Tests.Support;
using Spectre.Console;

namespace Alpro.Benchmarks;

/// <summary>
/// <c>nodes NODES[xTRAINERS]...</c>: decode nodes, a process each, that bring clips to trainers over real sockets. The clips are free: 3 kB
/// that are ready when they are asked for, so what is left is the cost of the nodes' own work. The trainers are in this process, and take
/// batches as fast as they come. For each cluster: the time until all nodes serve, clips a second, processor time of a clip by role,
/// threads and memory of a decode node, and the bytes that a trainer's control plane sends. Nodes start four at a time. Then a third of the
/// nodes is killed at once: what was given out again, and how long no batch came.
/// </summary>
internal static class NodesBenchmark
{
    private const int Decoders = 2, BatchSize = 64, Together = 4;

    private static readonly TimeSpan _measured = TimeSpan.FromSeconds(5), _deadline = TimeSpan.FromMinutes(2);

    private static readonly ClipSettings _clips = new() { Frames = 1, Size = 32, DecodeSize = 32, TextLength = 30 };

    private static readonly Dictionary<string, string> _data = new() { ["clips"] = "free" };

    private static long _control;

    public static int Run(string[] args)
    {
        if (args is ["decoder", var port]) return DecodeAsync(int.Parse(port)).GetAwaiter().GetResult();
        if (args.Length == 0)
        {
            Console.Error.WriteLine("usage: nodes NODES[xTRAINERS]..., such as nodes 1 8 64 8x8 8x32");
            return 2;
        }
        var table = new Table().AddColumns("nodes", "trainers", "all up s", "all serve s", "at rest ms/s", "at rest kB/s", "clips/s",
            "ms/clip node", "ms/clip trainer", "threads", "MB", "threads trainers", "killed", "given again", "lost", "pause s");
        using var listener = new MeterListener
        {
            InstrumentPublished = static (instrument, listener) =>
            {
                if (instrument.Name == "alpro.control_plane.io") listener.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<long>(static (_, bytes, tags, _) =>
        {
            if (tags[0].Value is "transmit") Interlocked.Add(ref _control, bytes);
        });
        listener.Start();
        foreach (int[] cluster in args.Select(arg => arg.Split('x').Select(int.Parse).ToArray()))
        {
            string[] row = MeasureAsync(cluster[0], cluster.Length > 1 ? cluster[1] : 1).GetAwaiter().GetResult();
            Console.WriteLine(string.Join(' ', row));
            table.AddRow(row);
        }
        AnsiConsole.Profile.Width = 160;
        AnsiConsole.Write(table);
        return 0;
    }

    private static Task<RunHost> StartAsync(NodeRole role, int port, int seed) => RunHost.StartAsync(
        RunningSettings.ConfFile("cluster.conf"),
        settings => settings with { Decoders = role == NodeRole.Decoder ? Decoders : 0 },
        settings => ClusterNode.From(role, settings) with { Port = port, DataPort = 0, Seeds = [$"127.0.0.1:{seed}"] });

    /// <summary>A decode node, until whoever started it goes away.</summary>
    private static async Task<int> DecodeAsync(int seed)
    {
        await using RunHost node = await StartAsync(NodeRole.Decoder, 0, seed);
        var work = new DecodeSupervisor.Work(static () => new FreeClips(), _clips, _data, node.Settings, Certificates: null);
        Action ended = static () => { };
        Action<Exception> failed = static reason => Console.Error.WriteLine(reason.Message);
        ICluster cluster = node.Cluster!;
        node.System.ActorOf(Props.Create(() => new DecodeSupervisor(work, cluster, ended, failed)), "decode-node");
        await Console.In.ReadToEndAsync();
        return 0;
    }

    private static async Task<string[]> MeasureAsync(int nodes, int trainers)
    {
        int seed = FreePorts.One();
        var hosts = new List<RunHost>();
        var processes = new List<Process>();
        try
        {
            for (int i = 0; i < trainers; i++)
                hosts.Add(await StartAsync(trainers == 1 ? NodeRole.Coordinator : NodeRole.Trainer, i == 0 ? seed : 0, seed));
            long began = Stopwatch.GetTimestamp();
            while (processes.Count < nodes)
            {
                for (int i = Math.Min(Together, nodes - processes.Count); i > 0; i--) processes.Add(StartNode(seed));
                await UntilAsync(() => hosts.All(host =>
                    ClusterNode.Members(host.System).Count(member => member.State == "up") == processes.Count + trainers));
            }
            double up = Stopwatch.GetElapsedTime(began).TotalSeconds;
            await Task.Delay(_measured);                             // what joining cost is not the cost of being there
            (TimeSpan rest, long bytes) = (Cpu(processes), Interlocked.Read(ref _control));
            await Task.Delay(_measured);
            double control = (Interlocked.Read(ref _control) - bytes) / _measured.TotalSeconds / trainers / 1e3;
            double resting = (Cpu(processes) - rest).TotalMilliseconds / _measured.TotalSeconds / nodes;

            Stream[] streams = [.. hosts.Select(host => new Stream(host))];
            began = Stopwatch.GetTimestamp();
            await UntilAsync(() => streams.SelectMany(stream => stream.Serving).Distinct().Count() == nodes
                && streams.All(stream => stream.Delivered > 0));
            double serve = Stopwatch.GetElapsedTime(began).TotalSeconds;
            await Task.Delay(_measured / 2);
            (TimeSpan before, TimeSpan own, long clips, began) =
                (Cpu(processes), Environment.CpuUsage.TotalTime, streams.Sum(stream => stream.Delivered), Stopwatch.GetTimestamp());
            await Task.Delay(_measured);
            double made = streams.Sum(stream => stream.Delivered) - clips, seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
            double node = (Cpu(processes) - before).TotalMilliseconds / made,
                trainer = (Environment.CpuUsage.TotalTime - own).TotalMilliseconds / made;
            double threads = processes.Average(process => process.Threads.Count),
                memory = processes.Average(process => process.WorkingSet64 / 1e6);
            using var self = Process.GetCurrentProcess();
            int ownThreads = self.Threads.Count;

            int killed = nodes / 3;
            foreach (Stream stream in streams) stream.LongestPause();
            foreach (Process process in processes[..killed]) process.Kill();
            await Task.Delay(2 * _measured);
            double pause = streams.Max(stream => stream.LongestPause());
            LedgerTotals[] totals = [.. streams.Select(stream => stream.Totals)];
            string[] row =
            [
                $"{nodes}", $"{trainers}", Text(up), Text(serve), Text(resting), Text(control), Text(made / seconds), $"{node:F3}",
                $"{trainer:F3}",
                Text(threads), Text(memory), $"{ownThreads}", $"{killed}", $"{totals.Sum(total => total.Redelivered)}",
                $"{streams.Sum(stream => stream.Lost)}", $"{pause:F2}",
            ];
            foreach (Stream stream in streams) await stream.EndAsync();
            return row;
        }
        finally
        {
            foreach (Process process in processes)
            {
                process.Kill();
                process.Dispose();
            }
            await Task.WhenAll(hosts.Select(host => host.System.Terminate()));
        }
    }

    private static string Text(double value) => value.ToString(value < 100 ? "F1" : "F0", CultureInfo.InvariantCulture);

    private static Process StartNode(int seed)
    {
        string[] program = Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet"
            ? [Environment.ProcessPath!, Path.Combine(AppContext.BaseDirectory, "Alpro.Benchmarks.dll")] : [Environment.ProcessPath!];
        return Process.Start(new ProcessStartInfo(program[0], [.. program[1..], "nodes", "decoder", $"{seed}"])
        {
            RedirectStandardInput = true,
        })!;
    }

    private static TimeSpan Cpu(IEnumerable<Process> processes) => processes.Aggregate(TimeSpan.Zero, static (sum, process) =>
    {
        process.Refresh();
        return sum + process.TotalProcessorTime;
    });

    private static async Task UntilAsync(Func<bool> condition)
    {
        using var deadline = new CancellationTokenSource(_deadline);
        while (!condition()) await Task.Delay(50, deadline.Token);
    }

    /// <summary>A trainer's stream, and whoever takes its batches.</summary>
    private sealed class Stream
    {
        private readonly Channel<ClipBatch> _batches;
        private readonly ClipLedger _ledger = new();
        private readonly IActorRef _pipeline;
        private readonly Task _taking;
        private long _delivered, _lost, _last = Stopwatch.GetTimestamp(), _longest;

        public Stream(RunHost host)
        {
            _batches = Channel.CreateBounded<ClipBatch>(host.Settings.Prefetch);
            var job = new PipelineJob(new EndlessPlan(), _clips, 0, long.MaxValue, new(1, 1000), _ledger, _batches.Writer);
            ActorSettings settings = host.Settings;
            Func<IClipSource> none = static () => new FreeClips();
            TimeProvider time = TimeProvider.System;
            _pipeline = host.System.ActorOf(Props.Create(() => new ClipPipeline(job, none, settings, time)), "clips");
            host.Gate.Tell(new TrainerGate.Serve(_pipeline, _clips, new(Tokens: 10, Answers: 0), _data, _ledger));
            _taking = TakeAsync();
        }

        public long Delivered => Interlocked.Read(ref _delivered);

        /// <summary>Steps that came out of their order, or with too few clips.</summary>
        public long Lost => Interlocked.Read(ref _lost);

        public LedgerTotals Totals => _ledger.Totals(0);

        public IEnumerable<string> Serving => _ledger.Loads.Where(load => load.Node != Measurements.Here && load.Load.Clips > 0)
            .Select(load => load.Node);

        /// <summary>Seconds of the longest time without a batch since this was asked last.</summary>
        public double LongestPause() => (double)Interlocked.Exchange(ref _longest, 0) / Stopwatch.Frequency;

        public async Task EndAsync()
        {
            await _pipeline.GracefulStop(TimeSpan.FromSeconds(10));
            await _taking;
        }

        private async Task TakeAsync()
        {
            long step = 0;
            await foreach (ClipBatch batch in _batches.Reader.ReadAllAsync())
            {
                using (batch)
                {
                    if (batch.Step != step++ || batch.Size != BatchSize) Interlocked.Increment(ref _lost);
                    Interlocked.Add(ref _delivered, batch.Size);
                }
                long now = Stopwatch.GetTimestamp();
                _longest = Math.Max(_longest, now - _last);
                _last = now;
            }
        }
    }

    private sealed class EndlessPlan : IClipPlan
    {
        public bool ReplacesUnreadable => true;

        public int Places(long step) => BatchSize;

        public ClipRequest Request(long step, int slot, int attempt = 0) => new(step, slot, attempt, 0, slot, (ulong)step);
    }

    private sealed class FreeClips : IClipSource
    {
        private static readonly ClipLayout _layout = new(_clips);

        public Clip Load(ClipRequest request) => new(request, _layout) { Key = "a clip", TokenCount = 1 };

        public void Dispose() { }
    }
}
