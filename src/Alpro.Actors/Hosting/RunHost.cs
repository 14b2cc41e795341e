using System.Net.Sockets;
using System.Threading.Channels;
using Akka.Actor;
using Akka.Configuration;
using Akka.Hosting;
using Alpro.Actors.Distributed.Decoding;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Distributed.Transport;
using Alpro.Actors.Insight;
using Alpro.Actors.Pipeline;
using Alpro.Data.Batches;
using Alpro.Data.Clips;
using Alpro.Data.Sampling;
using Alpro.Training.Configuration;
using Alpro.Training.Evaluation;
using Alpro.Training.Records;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Alpro.Actors.Hosting;

/// <summary>The actor system of one process, and what is run in it.</summary>
public sealed class RunHost : IAsyncDisposable
{
    /// <summary>Time to leave a cluster, in which a trainer ends its step first (hocon/cluster.conf, coordinated-shutdown).</summary>
    private static readonly TimeSpan _toLeave = TimeSpan.FromMinutes(2);

    private readonly IHost _host;
    private readonly EventRecorder _events;
    private int _streams;

    private RunHost(IHost host, EventRecorder log, ActorSettings settings, ClusterNode? node, Socket? data)
    {
        (_host, _events, Log) = (host, log, log);
        Settings = settings;
        Node = node;
        System = host.Services.GetRequiredService<ActorSystem>();
        if (node is null) return;
        ActorMetrics.WatchMembers(System, () => ClusterNode.Members(System));
        NodeRoster roster = Roster = new();
        TimeProvider time = TimeProvider.System;
        System.ActorOf(Props.Create(() => new NodeWatch(roster, time)), "nodes");
        ICluster cluster = Cluster = new AkkaCluster(System);
        if (data is null) return;
        IDataPort port = new DataPort(node, data);
        Gate = System.ActorOf(Props.Create(() => new TrainerGate(cluster, port)), TrainerGate.Name);
    }

    /// <summary>What is said of what is run in this process.</summary>
    public ILogger Log { get; }

    /// <summary>The actor system.</summary>
    public ActorSystem System { get; }

    /// <summary>How runs are carried out.</summary>
    public ActorSettings Settings { get; }

    /// <summary>The process as a member of a cluster; null where it runs alone.</summary>
    public ClusterNode? Node { get; }

    /// <summary>The nodes of the cluster; null for a process that runs alone.</summary>
    internal NodeRoster? Roster { get; }

    /// <summary>The cluster of a node; null where the process runs alone.</summary>
    internal ICluster? Cluster { get; }

    /// <summary>The <see cref="TrainerGate"/> of a node that may train; nobody elsewhere.</summary>
    public IActorRef Gate { get; } = ActorRefs.Nobody;

    /// <summary>Given every source of clips before a decoder has it: failures are put in here.</summary>
    public Func<IClipSource, IClipSource> Source { get; set; } = static source => source;

    /// <summary>How many processors the verdict takes the host to have. Tests say more, so that what else runs is no finding.</summary>
    internal int Processors { get; set; } = Environment.ProcessorCount;

    /// <summary>The clock by which deaths, restarts and answers that do not come are timed.</summary>
    public TimeProvider Time { get; set; } = TimeProvider.System;

    /// <summary>Starts the actor system of a process.</summary>
    /// <param name="hoconFile">The running settings; null for the <c>hocon/alpro.conf</c> that lies beside the program, over which others
    /// are laid.</param>
    /// <param name="adjust">Changes settings that the command line sets.</param>
    /// <param name="join">Makes the process a member of a cluster, as the settings say; null for one that runs alone.</param>
    /// <param name="log">The log of the process; null for none.</param>
    /// <exception cref="UsageException">There is no such file, it is not HOCON, or it says nothing of a cluster.</exception>
    /// <exception cref="ConfigException">Settings in it are not, or have values that cannot be used.</exception>
    public static async Task<RunHost> StartAsync(
        string? hoconFile = null, Func<ActorSettings, ActorSettings>? adjust = null, Func<Config, ClusterNode>? join = null,
        ILoggerFactory? log = null)
    {
        Config hocon = RunningSettings.Load(RunningSettings.ConfFile("alpro.conf"));
        if (hoconFile is not null) hocon = RunningSettings.Load(hoconFile).WithFallback(hocon);
        ActorSettings settings = ActorSettings.From(hocon);
        ClusterNode? node = join?.Invoke(hocon);
        if (node is not null) hocon = node.ToHocon().WithFallback(hocon);
        // Taken here and not by the actors: a port that cannot be had is the caller's to hear, before anything has started.
        ControlSetup? control = node is null ? null : new(node);
        Socket? data = node?.Role is NodeRole.Coordinator or NodeRole.Trainer ? node.Listen(node.DataPort, "--data-port") : null;
        ILoggerFactory loggers = log ?? NullLoggerFactory.Instance;
        var own = new EventRecorder(loggers.CreateLogger("Alpro"), TimeProvider.System);
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Services.AddSingleton(loggers);
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.Services.AddAkka(node?.Name ?? "alpro", akka =>
        {
            akka.AddHocon(hocon, HoconAddMode.Replace);
            akka.AddSetup(new LogSetup(own));
            if (control is not null) akka.AddSetup(control);
            akka.ConfigureLoggers(actorLogs =>
            {
                actorLogs.ClearLoggers();
                actorLogs.AddLogger<ActorLog>();
            });
        });
        IHost host = builder.Build();
        await host.StartAsync();
        return new(host, own, adjust is null ? settings : adjust(settings), node, data);
    }

    /// <summary>The rows of one corpus, once each and in order, as batches; reading waits on the calling thread.</summary>
    /// <param name="data">The data of which the first corpus is read.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="clips">How a row becomes a clip.</param>
    /// <param name="batchSize">Clips per batch, less those that are unreadable.</param>
    /// <param name="ledger">Receives what became of the rows.</param>
    /// <param name="nameOf">What decides what is random about a row's clip; null for the name of its media.</param>
    public IEnumerable<ClipBatch> Read(RunData data, IReadOnlyList<long> rows, ClipSettings clips, int batchSize, ClipLedger ledger,
        Func<long, string>? nameOf = null)
    {
        var plan = new RowsInOrder(rows, batchSize, nameOf ?? (row => data.Corpora[0][row].MediaName));
        if (plan.Steps == 0) yield break;
        var batches = Channel.CreateBounded<ClipBatch>(Settings.Prefetch);
        int decoders = Math.Max(1, Settings.Decoders);               // a node may leave the clips of training to others, but not these
        var job = new PipelineJob(plan, clips, FirstStep: 0, EndStep: plan.Steps, new(1, 0), ledger, batches.Writer);
        IActorRef pipeline = StartPipeline(System, $"read-{Interlocked.Increment(ref _streams)}", data, job, decoders);
        try
        {
            while (batches.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
                while (batches.Reader.TryRead(out ClipBatch? batch)) yield return batch;
        }
        finally
        {
            System.Stop(pipeline);
            while (batches.Reader.TryRead(out ClipBatch? left)) left.Dispose();
        }
    }

    /// <summary>Keeps what happens from now on, and has happened before, in the folder of a run, which this process holds.</summary>
    internal void KeepEvents(RunFolder folder)
    {
        Address? own = Node is null ? null : Cluster!.SelfAddress;
        _events.Open(own is null ? folder.Events : folder.EventsBy(own.Host, own.Port), own?.Endpoint());
    }

    /// <summary>How evaluators read the videos of a set: once each, in order.</summary>
    public ReadVideos Videos(RunConfig config, RunData data, EvaluationSet set)
    {
        return Read;

        IEnumerable<ClipBatch> Read(IReadOnlyList<int> videos, Action<MissingVideo> missing)
        {
            var ledger = new ClipLedger(rejection => missing(new(data.Corpora[0][rejection.Request.Row].Key, rejection.Reason)));
            return this.Read(data, [.. videos.Select(video => set.VideoRows[video])], config.Data.ClipForEvaluation(),
                config.Evaluation.BatchSize, ledger);
        }
    }

    /// <summary>Starts the stream of a plan's steps into a channel.</summary>
    /// <param name="parent">The parent of the <see cref="ClipPipeline"/>.</param>
    /// <param name="name">Its name.</param>
    /// <param name="data">What the clips are made from.</param>
    /// <param name="job">Which clips, and where the batches go.</param>
    /// <param name="decoders">Decoders of the stream.</param>
    internal IActorRef StartPipeline(IActorRefFactory parent, string name, RunData data, PipelineJob job, int decoders)
    {
        ActorSettings settings = Settings with { Decoders = decoders * data.ClipsPerDecoder, Computing = decoders };
        TimeProvider time = Time;
        Func<IClipSource> open = () => Source(data.OpenSource(job.Clips));
        return parent.ActorOf(Props.Create(() => new ClipPipeline(job, open, settings, time)), name);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        // An actor whose thread is stuck in the system ends with the process alone.
        Task stopping = Task.Run(async () =>
        {
            await _host.StopAsync();
            _host.Dispose();
            Node?.Certificates?.Dispose();
        });
        TimeSpan bound = Settings.StopTimeout + (Node is null ? TimeSpan.Zero : _toLeave);
        if (await Task.WhenAny(stopping, Task.Delay(bound, TimeProvider.System)) == stopping) await stopping;
        else Log.ActorsStuck();
        _events.Dispose();
    }
}
