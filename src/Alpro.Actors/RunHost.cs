using System.Net.Sockets;
using System.Threading.Channels;
using Akka.Actor;
using Akka.Configuration;
using Akka.Hosting;
using Alpro.Actors.Cluster;
using Alpro.Actors.Evaluation;
using Alpro.Actors.Pipeline;
using Alpro.Data.Batches;
using Alpro.Data.Clips;
using Alpro.Data.Corpus;
using Alpro.Data.Sampling;
using Alpro.Training;
using Alpro.Training.Evaluation;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Alpro.Actors;

/// <summary>The actor system of one process, and what is run in it.</summary>
public sealed class RunHost : IAsyncDisposable
{
    /// <summary>Time to leave a cluster, in which a trainer ends its step first (hocon/cluster.conf, coordinated-shutdown).</summary>
    private static readonly TimeSpan _toLeave = TimeSpan.FromMinutes(2);

    private readonly IHost _host;
    private int _streams, _evaluations;

    private RunHost(IHost host, ActorSettings settings, ClusterNode? node, Socket? data)
    {
        _host = host;
        Settings = settings;
        Node = node;
        System = host.Services.GetRequiredService<ActorSystem>();
        if (data is not null) Gate = System.ActorOf(Props.Create(() => new DecoderGate(node!, data)), DecoderGate.Name);
    }

    /// <summary>The actor system.</summary>
    public ActorSystem System { get; }

    /// <summary>How runs are carried out.</summary>
    public ActorSettings Settings { get; }

    /// <summary>The process as a member of a cluster; null where it runs alone.</summary>
    public ClusterNode? Node { get; }

    /// <summary>The <see cref="DecoderGate"/> of a node that may train; nobody elsewhere.</summary>
    public IActorRef Gate { get; } = ActorRefs.Nobody;

    /// <summary>Given every source of clips before a decoder has it: failures are put in here.</summary>
    public Func<IClipSource, IClipSource> Source { get; set; } = static source => source;

    /// <summary>The clock by which deaths, restarts and answers that do not come are timed.</summary>
    public TimeProvider Time { get; set; } = TimeProvider.System;

    /// <summary>Starts the actor system of a process.</summary>
    /// <param name="hoconFile">The running settings; null for the <c>hocon/alpro.conf</c> that lies beside the program, over which others are laid.</param>
    /// <param name="adjust">Changes settings that the command line sets.</param>
    /// <param name="join">Makes the process a member of a cluster, as the settings say; null for one that runs alone.</param>
    /// <exception cref="UsageException">There is no such file, it is not HOCON, or it says nothing of a cluster.</exception>
    /// <exception cref="ConfigException">Settings in it are not, or have values that cannot be used.</exception>
    public static async Task<RunHost> StartAsync(string? hoconFile = null, Func<ActorSettings, ActorSettings>? adjust = null, Func<Config, ClusterNode>? join = null)
    {
        Config hocon = RunningSettings.Load(ConfFile("alpro.conf"));
        if (hoconFile is not null) hocon = RunningSettings.Load(hoconFile).WithFallback(hocon);
        ActorSettings settings = ActorSettings.From(hocon);
        ClusterNode? node = join?.Invoke(hocon);
        if (node is not null) hocon = node.ToHocon().WithFallback(hocon);
        // Taken here and not by the actors: a port that cannot be had is the caller's to hear, before anything has started.
        ControlSetup? control = node is null ? null : new(node);
        Socket? data = node?.Role is NodeRole.Coordinator or NodeRole.Trainer ? node.Listen(node.DataPort, "--data-port") : null;
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.Services.AddAkka(node?.Name ?? "alpro", akka =>
        {
            akka.AddHocon(hocon, HoconAddMode.Replace);
            if (control is not null) akka.AddSetup(control);
            akka.ConfigureLoggers(loggers =>
            {
                loggers.ClearLoggers();
                loggers.AddLogger<ActorLog>();
            });
        });
        IHost host = builder.Build();
        await host.StartAsync();
        return new(host, adjust is null ? settings : adjust(settings), node, data);
    }

    /// <summary>A file of running settings that lies beside the program.</summary>
    public static string ConfFile(string name) => Path.Combine(AppContext.BaseDirectory, "hocon", name);

    /// <summary>Trains, and returns when the run has ended.</summary>
    /// <param name="run">What to train, and where to.</param>
    /// <param name="stop">Asks the run to stop in order, with a checkpoint.</param>
    public async Task<RunResult> TrainAsync(TrainingRun run, CancellationToken stop)
    {
        if (Settings.Decoders == 0 && Node is null) throw new UsageException("alpro.decoders = 0: a process that runs alone needs one at least to make its clips");
        var finished = new TaskCompletionSource<RunResult>(TaskCreationOptions.RunContinuationsAsynchronously);
        // Opened here and not in the actor: what is wrong with them is the caller's to hear, before anything has started.
        var data = new RunData(run.Config, Settings);
        RunData[] validation = [.. run.Config.Data.Validation.Select(corpus => new RunData(run.Config, Settings, [corpus]))];
        foreach (VideoTextCorpus corpus in data.Corpora.Concat(validation.Select(one => one.Corpora[0]))) run.Opened(corpus);
        foreach (RunData one in validation) one.RequireValidation();
        foreach (string note in data.UnlabelledAnswers()) run.Warn(note);
        data.Plan();
        IActorRef supervisor = System.ActorOf(Props.Create(() => new RunSupervisor(this, run, data, validation, finished)), "run");
        using CancellationTokenRegistration asked = stop.Register(() => supervisor.Tell(RunSupervisor.Stop.Instance));
        return await finished.Task;
    }

    /// <summary>Evaluates, and returns when all shares have their results.</summary>
    /// <param name="run">What to evaluate.</param>
    /// <param name="stop">Asks it to stop; what is finished stays, and the same evaluation goes on from there.</param>
    /// <exception cref="OperationCanceledException">It was asked to stop.</exception>
    public async Task EvaluateAsync(EvaluationRun run, CancellationToken stop)
    {
        var finished = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        ActorSettings settings = Settings;
        IActorRef supervisor = System.ActorOf(Props.Create(() => new EvaluationSupervisor(run, settings, finished, stop)), $"evaluation-{Interlocked.Increment(ref _evaluations)}");
        using CancellationTokenRegistration asked = stop.Register(() => supervisor.Tell(EvaluationSupervisor.Stop.Instance));
        await finished.Task;
    }

    /// <summary>The rows of one corpus, once each and in order, as batches; reading waits on the calling thread.</summary>
    /// <param name="data">The data of which the first corpus is read.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="clips">How a row becomes a clip.</param>
    /// <param name="batchSize">Clips per batch, less those that are unreadable.</param>
    /// <param name="ledger">Receives what became of the rows.</param>
    public IEnumerable<ClipBatch> Read(RunData data, IReadOnlyList<long> rows, ClipSettings clips, int batchSize, ClipLedger ledger)
    {
        var plan = new RowsInOrder(rows, batchSize, row => data.Corpora[0][row].MediaName);
        if (plan.Steps == 0) yield break;
        var batches = Channel.CreateBounded<ClipBatch>(Settings.Prefetch);
        int decoders = Math.Max(1, Settings.Decoders);               // a node may leave the clips of training to others, but not these
        IActorRef pipeline = StartPipeline(System, $"read-{Interlocked.Increment(ref _streams)}", decoders, data, plan, clips, 0, plan.Steps, new(1, 0), ledger, batches.Writer);
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

    /// <summary>How evaluators read the videos of a set: once each, in order.</summary>
    public ReadVideos Videos(RunConfig config, RunData data, EvaluationSet set)
    {
        return Read;

        IEnumerable<ClipBatch> Read(IReadOnlyList<int> videos, Action<MissingVideo> missing)
        {
            var ledger = new ClipLedger(rejection => missing(new(data.Corpora[0][rejection.Request.Row].Key, rejection.Reason)));
            return this.Read(data, [.. videos.Select(video => set.VideoRows[video])], config.Data.ClipForEvaluation(), config.Evaluation.BatchSize, ledger);
        }
    }

    /// <summary>Starts the stream of a plan's steps into a channel.</summary>
    internal IActorRef StartPipeline(IActorRefFactory parent, string name, int decoders, RunData data, IClipPlan plan, ClipSettings clips, long firstStep, long endStep,
        ClipCoordinator.Bounds bounds, ClipLedger ledger, ChannelWriter<ClipBatch> batches)
    {
        ActorSettings settings = Settings with { Decoders = decoders };
        TimeProvider time = Time;
        Func<IClipSource> open = () => Source(data.OpenSource(clips));
        Props coordinator = Props.Create(() => new ClipCoordinator(plan, clips, firstStep, endStep, bounds, settings, ledger, batches, time));
        return parent.ActorOf(Props.Create(() => new ClipPipeline(coordinator, open, settings, batches, time)), name);
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
        else Console.Error.WriteLine("the process ends although some of its actors have not: they are stuck in a read");
    }

    /// <summary>The command line decides what Ctrl-C does, not the host.</summary>
    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
