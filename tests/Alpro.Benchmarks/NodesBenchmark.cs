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
/// <c>nodes NODES[xTRAINERS[,MORE]...]... [wait=MS] [decoders=D]</c>: decode nodes, a process each, that bring clips to trainers over real
/// sockets. The clips are free: 3 kB that are ready when they are asked for, so what is left is the cost of the nodes' own work. With
/// <c>wait</c>, a decoder sleeps so long for each: then the decoders are the limit, and not the processors. The trainers are in this
/// process, and take batches as fast as they come. For each cluster: the time until all nodes serve, clips a second, processor time of a
/// clip by role, threads and memory of a decode node, and the bytes that a trainer's control plane sends, at rest and for a clip. Nodes
/// start four at a time; more trainers join the same nodes. In the end a third of the nodes is killed at once: what was given out again,
/// how long no batch came, and how long it took until clips came as fast as they did from then on.
/// </summary>
internal static class NodesBenchmark
{
    private const int BatchSize = 64, Together = 4;

    private static readonly TimeSpan _measured = TimeSpan.FromSeconds(5), _deadline = TimeSpan.FromMinutes(5);

    private static readonly ClipSettings _clips = new() { Frames = 1, Size = 32, DecodeSize = 32, TextLength = 30 };

    private static readonly Dictionary<string, string> _data = new() { ["clips"] = "free" };

    private static TimeSpan _wait;
    private static int _decoders = 2;
    private static long _control;

    public static int Run(string[] args)
    {
        string[] clusters = [.. args.Where(arg => !arg.Contains('='))];
        _wait = TimeSpan.FromMilliseconds(Option("wait", 0));
        _decoders = Option("decoders", _decoders);
        if (clusters is ["decoder", var port]) return DecodeAsync(int.Parse(port)).GetAwaiter().GetResult();
        if (clusters.Length == 0)
        {
            Console.Error.WriteLine("usage: nodes NODES[xTRAINERS[,MORE]...]... [wait=MS] [decoders=D], such as nodes 1 8 4x8 64x1,8,32");
            return 2;
        }
        var table = new Table().AddColumns("nodes", "trainers", "all up s", "all serve s", "at rest ms/s", "at rest kB/s", "clips/s",
            "ms/clip node", "ms/clip trainer", "B/clip", "threads", "MB", "threads trainers", "killed", "given again", "lost", "pause s",
            "full rate s");
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
        foreach (string[] cluster in clusters.Select(arg => arg.Split('x')))
        {
            int[] trainers = cluster is [_, var counts] ? [.. counts.Split(',').Select(int.Parse)] : [1];
            MeasureAsync(int.Parse(cluster[0]), trainers, row =>
            {
                Console.WriteLine(string.Join(' ', row));
                table.AddRow(row);
            }).GetAwaiter().GetResult();
        }
        AnsiConsole.Profile.Width = 180;
        AnsiConsole.Write(table);
        return 0;

        int Option(string name, int otherwise) => args.FirstOrDefault(arg => arg.StartsWith(name + '=', StringComparison.Ordinal))
            is { } given ? int.Parse(given[(name.Length + 1)..]) : otherwise;
    }

    private static Task<RunHost> StartAsync(NodeRole role, int port, int seed) => RunHost.StartAsync(
        RunningSettings.ConfFile("cluster.conf"),
        settings => settings with { Decoders = role == NodeRole.Decoder ? _decoders : 0 },
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

    /// <summary>Starts a cluster of so many nodes, and measures it with each number of trainers.</summary>
    private static async Task MeasureAsync(int nodes, int[] trainers, Action<string[]> tell)
    {
        int seed = FreePorts.One();
        NodeRole role = trainers is [1] ? NodeRole.Coordinator : NodeRole.Trainer;
        var hosts = new List<RunHost>();
        var processes = new List<Process>();
        try
        {
            foreach (int count in trainers)
            {
                while (hosts.Count < count) hosts.Add(await StartAsync(role, hosts.Count == 0 ? seed : 0, seed));
                long began = Stopwatch.GetTimestamp();
                do
                {
                    for (int i = Math.Min(Together, nodes - processes.Count); i > 0; i--) processes.Add(StartNode(seed));
                    await UntilAsync(() => hosts.All(host => ClusterNode.Members(host.System).Count(member => member.State == "up")
                        == processes.Count + hosts.Count));
                }
                while (processes.Count < nodes);
                string up = Text(Stopwatch.GetElapsedTime(began).TotalSeconds);
                tell([$"{nodes}", $"{count}", up, .. await MeasureAsync(hosts, processes, count == trainers[^1] ? nodes / 3 : 0)]);
            }
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

    /// <summary>Measures a cluster whose nodes are all up. In the end so many of them are killed at once.</summary>
    private static async Task<string[]> MeasureAsync(List<RunHost> hosts, List<Process> processes, int killed)
    {
        using var self = Process.GetCurrentProcess();
        await Task.Delay(_measured);                                 // what joining cost is not the cost of being there
        (TimeSpan rest, long bytes) = (Cpu(processes), Interlocked.Read(ref _control));
        await Task.Delay(_measured);
        double control = (Interlocked.Read(ref _control) - bytes) / _measured.TotalSeconds / hosts.Count / 1e3;
        double resting = (Cpu(processes) - rest).TotalMilliseconds / _measured.TotalSeconds / processes.Count;

        Stream[] streams = [.. hosts.Select(host => new Stream(host))];
        long began = Stopwatch.GetTimestamp();
        await UntilAsync(() => streams.SelectMany(stream => stream.Serving).Distinct().Count() == processes.Count
            && streams.All(stream => stream.Taken.Clips > 0));
        double serve = Stopwatch.GetElapsedTime(began).TotalSeconds;
        await Task.Delay(_measured / 2);
        (TimeSpan before, TimeSpan own, (long Clips, long At)[] taken) =
            (Cpu(processes), Cpu([self]), [.. streams.Select(stream => stream.Taken)]);
        bytes = Interlocked.Read(ref _control);
        await Task.Delay(_measured);
        // A batch comes as a whole: a stream's rate is that from one to another.
        ((long Clips, long At) Then, (long Clips, long At) Now)[] spans = [.. taken.Zip(streams.Select(stream => stream.Taken))];
        double rate = spans.Sum(span => (span.Now.Clips - span.Then.Clips)
            / Stopwatch.GetElapsedTime(span.Then.At, span.Now.At).TotalSeconds);
        double made = spans.Sum(span => span.Now.Clips - span.Then.Clips);
        double node = (Cpu(processes) - before).TotalMilliseconds / made,
            trainer = (Cpu([self]) - own).TotalMilliseconds / made,
            asking = (Interlocked.Read(ref _control) - bytes) / made;
        foreach (Process process in processes) process.Refresh();
        double threads = processes.Average(process => process.Threads.Count),
            memory = processes.Average(process => process.WorkingSet64 / 1e6);
        int ownThreads = self.Threads.Count;

        (double pause, double full) = killed > 0 ? await KillAsync(streams, processes[..killed]) : (0, 0);
        string[] row =
        [
            Text(serve), Text(resting), Text(control), Text(rate), $"{node:F3}", $"{trainer:F3}", Text(asking), Text(threads), Text(memory),
            $"{ownThreads}", $"{killed}", $"{streams.Sum(stream => stream.Totals.Redelivered)}", $"{streams.Sum(stream => stream.Lost)}",
            $"{pause:F2}", $"{full:F1}",
        ];
        await Task.WhenAll(streams.Select(stream => stream.EndAsync()));
        return row;
    }

    /// <summary>Kills nodes at once.</summary>
    /// <returns>Seconds of the longest time in which a trainer had no batch, and seconds until clips came at nine tenths of the rate at
    /// which they came in the end.</returns>
    private static async Task<(double Pause, double Full)> KillAsync(Stream[] streams, IEnumerable<Process> processes)
    {
        foreach (Stream stream in streams) stream.LongestPause();
        List<(long Clips, double At)> samples = [];
        long began = Stopwatch.GetTimestamp();
        foreach (Process process in processes) process.Kill();
        while (Stopwatch.GetElapsedTime(began) < 2 * _measured)
        {
            samples.Add((streams.Sum(stream => stream.Taken.Clips), Stopwatch.GetElapsedTime(began).TotalSeconds));
            await Task.Delay(_measured / 50);
        }
        double end = Rate(samples[samples.Count / 2], samples[^1]);
        int full = Enumerable.Range(0, samples.Count - 5).First(at => Rate(samples[at], samples[at + 5]) >= 0.9 * end
            || at == samples.Count - 6);
        return (streams.Max(stream => stream.LongestPause()), samples[full].At);

        static double Rate((long Clips, double At) from, (long Clips, double At) to) => (to.Clips - from.Clips) / (to.At - from.At);
    }

    private static string Text(double value) => value.ToString(value < 100 ? "F1" : "F0", CultureInfo.InvariantCulture);

    private static Process StartNode(int seed)
    {
        string[] program = Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet"
            ? [Environment.ProcessPath!, Path.Combine(AppContext.BaseDirectory, "Alpro.Benchmarks.dll")] : [Environment.ProcessPath!];
        return Process.Start(new ProcessStartInfo(program[0], [.. program[1..], "nodes", "decoder", $"{seed}",
            $"wait={_wait.TotalMilliseconds}", $"decoders={_decoders}"])
        {
            RedirectStandardInput = true,
        })!;
    }

    /// <summary>
    /// Processor time of processes, without the thread that compiles what has run for a while: a process that is not a minute old has much
    /// of that to do, and it is not the cost of a clip.
    /// </summary>
    private static TimeSpan Cpu(IEnumerable<Process> processes)
    {
        long nanoseconds = 0;
        foreach (string thread in processes.SelectMany(static process => Directory.EnumerateDirectories($"/proc/{process.Id}/task")))
        {
            try
            {
                if (!File.ReadAllText(Path.Combine(thread, "comm")).StartsWith(".NET Tiered", StringComparison.Ordinal))
                    nanoseconds += long.Parse(File.ReadAllText(Path.Combine(thread, "schedstat")).Split(' ')[0]);
            }
            catch (IOException)
            {
                // The thread has ended.
            }
        }
        return TimeSpan.FromMicroseconds(nanoseconds / 1e3);
    }

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
        private (long Clips, long At) _taken = (0, Stopwatch.GetTimestamp());    // whoever uses it holds its lock
        private readonly Lock _lock = new();
        private long _lost, _longest;

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

        /// <summary>Clips taken, and when the last of them came.</summary>
        public (long Clips, long At) Taken
        {
            get
            {
                lock (_lock) return _taken;
            }
        }

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
                    if (batch.Step != step++ || batch.Size != BatchSize) Interlocked.Increment(ref _lost);
                long now = Stopwatch.GetTimestamp();
                _longest = Math.Max(_longest, now - _taken.At);
                lock (_lock) _taken = (_taken.Clips + BatchSize, now);
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

        private readonly ManualResetEvent _never = new(false);

        public Clip Load(ClipRequest request)
        {
            if (_wait > TimeSpan.Zero) _never.WaitOne(_wait);        // as for a disk: it takes no processor
            return new(request, _layout) { Key = "a clip", TokenCount = 1 };
        }

        public void Dispose() => _never.Dispose();
    }
}
