using System.Numerics;
using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Cluster;
using Akka.Configuration;
using Alpro.Actors;
using Alpro.Actors.Distributed;
using Alpro.Actors.Distributed.Decoding;
using Alpro.Actors.Distributed.Groups;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Distributed.Transport;
using Alpro.Actors.Hosting;
using Alpro.Data.Clips;
using Alpro.Data.Media;
using Alpro.Data.Sampling;
using Alpro.Training.Configuration;
using Alpro.Training.Records;
using Microsoft.Extensions.Logging;

namespace Alpro.Simulation;

/// <summary>What is simulated.</summary>
internal sealed record SimulationSettings
{
    /// <summary>Decode nodes.</summary>
    public int Nodes { get; init; } = 4;

    /// <summary>Trainers; 0 has the coordinator train by itself.</summary>
    public int Trainers { get; init; }

    /// <summary>Coordinators.</summary>
    public int Coordinators { get; init; } = 1;

    /// <summary>Decoders of a decode node.</summary>
    public int Decoders { get; init; } = 4;

    /// <summary>Steps of the run.</summary>
    public long Steps { get; init; } = 150;

    /// <summary>Clips of a step, for each trainer of those that there are at the beginning.</summary>
    public int ClipsPerTrainer { get; init; } = 8;

    /// <summary>Steps between two checkpoints.</summary>
    public long CheckpointEvery { get; init; } = 50;

    /// <summary>What a decoder takes for a clip, on average.</summary>
    public TimeSpan ClipTime { get; init; } = TimeSpan.FromMilliseconds(20);

    /// <summary>What a rank computes for a step.</summary>
    public TimeSpan StepTime { get; init; } = TimeSpan.FromMilliseconds(400);

    /// <summary>What the ranks take to sum gradients.</summary>
    public TimeSpan SumTime { get; init; } = TimeSpan.FromMilliseconds(20);

    /// <summary>What the furthest rank takes to give its weights to the others.</summary>
    public TimeSpan ShareTime { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>What a checkpoint takes.</summary>
    public TimeSpan SaveTime { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Bytes a second that a node's network card sends: 10 Gbit/s.</summary>
    public double BytesPerSecond { get; init; } = 1.25e9;

    /// <summary>Bytes of a clip of 4 frames of 224 pixels for each byte of a clip here, which has a single pixel.</summary>
    public double BytesPerByte { get; init; } = 4 * 224 * 224 * 3 / World.FrameSize;

    /// <summary>What strikes, as chance has it.</summary>
    public FaultSettings Faults { get; init; } = FaultSettings.None;

    /// <summary>What else happens: called when the cluster is there.</summary>
    public Action<World> Script { get; init; } = static _ => { };

    /// <summary>
    /// Longest time without a step after the last change: nodes are found to be lost, given up, started again, join, and form a group.
    /// Where only the lease of a clip tells that it is lost, that comes to it.
    /// </summary>
    public TimeSpan Bound => TimeSpan.FromSeconds(Faults.NeedsLease ? 60 + 400 : 60);

    /// <summary>Clips of a step.</summary>
    public int BatchSize => ClipsPerTrainer * Math.Max(1, Trainers);

    /// <summary>Longest virtual time of a run.</summary>
    public TimeSpan Limit { get; init; } = TimeSpan.FromHours(2);
}

/// <summary>
/// A simulated cluster: the actors of all its nodes in one actor system, on one thread, in virtual time. A seed gives the same run, event
/// for event.
/// </summary>
internal sealed class World : IDisposable
{
    public const string SystemName = "alpro";

    /// <summary>Bytes that a clip here takes on a connection, about.</summary>
    public const double FrameSize = 100;

    /// <summary>How the clips of a simulation are made: as small as can be.</summary>
    public static readonly ClipSettings Clips = new() { Frames = 1, DecodeSize = 1, Size = 1, TextLength = 1 };

    /// <summary>What decides a clip, which all nodes agree on.</summary>
    public static readonly Dictionary<string, string> Data = new() { ["data.clip"] = "simulated" };

    private static readonly Config _hocon = ConfigurationFactory.ParseString($$"""
        akka {
          loglevel = OFF
          stdout-loglevel = OFF
          loggers = []
          log-dead-letters = off
          log-dead-letters-during-shutdown = off
          coordinated-shutdown.run-by-clr-shutdown-hook = off
          scheduler.implementation = "{{typeof(VirtualScheduler).FullName}}, Alpro.Simulation"
          actor.provider = "{{typeof(SimulationProvider).FullName}}, Alpro.Simulation"
          actor.default-dispatcher.type = "{{typeof(VirtualDispatcherConfigurator).FullName}}, Alpro.Simulation"
          actor.internal-dispatcher.type = "{{typeof(VirtualDispatcherConfigurator).FullName}}, Alpro.Simulation"
        }
        decode-dispatcher.type = "{{typeof(DecodeDispatcherConfigurator).FullName}}, Alpro.Simulation"
        """);

    private static readonly Config _running = ConfigurationFactory.ParseString(File.ReadAllText(RunningSettings.ConfFile("cluster.conf")))
        .WithFallback(ConfigurationFactory.ParseString(File.ReadAllText(RunningSettings.ConfFile("alpro.conf"))));

    private static readonly TimeSpan _keeperStarts = TimeSpan.FromSeconds(1), _endTime = TimeSpan.FromMilliseconds(500),
        _settle = TimeSpan.FromSeconds(1), _lookEvery = TimeSpan.FromSeconds(1),
        _stable = _running.GetTimeSpan("alpro.cluster.stable-after");

    /// <summary>Bytes of a clip, as the window counts them.</summary>
    private static readonly long _clipSize = new ClipLayout(Clips).PixelBytes + sizeof(int) * new ClipLayout(Clips).Numbers;

    private readonly ActorSettings _settings;
    private readonly DirectoryInfo? _folder;
    private readonly Dictionary<string, SimulatedNode> _byName = [];
    private readonly Dictionary<Address, List<SimulatedNode>> _byAddress = [];
    private readonly Dictionary<IActorRef, RemoteActor> _remotes = [];
    private readonly HashSet<SimulatedNode> _keepers = [];
    private long _lastStep = -1, _lastGeneration;
    private TimeSpan _lastStepAt, _lastFaultAt;
    private ulong _restarts;

    /// <summary>A cluster of which all nodes are up.</summary>
    /// <param name="settings">What is simulated.</param>
    /// <param name="seed">Decides all that chance decides.</param>
    /// <param name="keep">Whether the lines of the log are kept.</param>
    public World(SimulationSettings settings, ulong seed, bool keep = false)
    {
        (Settings, Chance) = (settings, new(seed));
        ActorSettings running = ActorSettings.From(_running);
        _settings = running with { WindowSize = (long)(running.WindowSize / (settings.BytesPerByte * FrameSize) * _clipSize) };
        System = (ExtendedActorSystem)ActorSystem.Create(SystemName, BootstrapSetup.Create().WithConfig(_hocon)
            .And(new WorldSetup(this)).And(new LogSetup(new Relay(this))));
        Time = ((VirtualScheduler)System.Scheduler).Time;
        Time.Seed = Chance.Of(Question.Order);
        Time.NodeOf = NodeOf;
        (Log, Network, Rings, Serializer) = (new(Time, keep), new(this), new(this), new(System));
        if (settings.Trainers > 0)
        {
            const string Memory = "/dev/shm";
            _folder = Directory.Exists(Memory) ? Directory.CreateDirectory(Path.Combine(Memory, $"alpro-simulation-{Guid.NewGuid():N}"))
                : Directory.CreateTempSubdirectory("alpro-simulation-");
            var config = new RunConfig
            {
                Task = LearningTask.Pretrain,
                Data = new() { Corpora = [], Vocabulary = "", Clip = Clips },
                Training = new() { BatchSize = settings.BatchSize, GroupSize = 1, Steps = settings.Steps },
            };
            Run = new(config, new RunFolder(_folder.FullName), Resume: true);
            Generations = new(Run.Folder);
        }
        for (int node = 0; node < settings.Coordinators; node++) Add(node, NodeRole.Coordinator);
        for (int node = 0; node < settings.Trainers; node++) Add(Nodes.Count, NodeRole.Trainer);
        for (int node = 0; node < settings.Nodes; node++) Add(Nodes.Count, NodeRole.Decoder);
        MemberList members = MemberList.None.With([.. Nodes.Select(static node => new Fact(node, MemberStatus.Up, node.Number + 1))]);
        foreach (SimulatedNode node in Nodes) node.Daemon.Form(new(members, members.All, Reachability.Whole, VectorClock.Zero));
        new Striker(this).Begin();
        settings.Script(this);
        Time.After(_lookEvery, Look);
    }

    public SimulationSettings Settings { get; }

    public Chance Chance { get; }

    public ExtendedActorSystem System { get; }

    public VirtualTime Time { get; }

    public EventLog Log { get; }

    public Network Network { get; }

    public Rings Rings { get; }

    public MessageSerializer Serializer { get; }

    /// <summary>The run of several trainers; null where the coordinator trains by itself.</summary>
    public TrainingRun? Run { get; }

    /// <summary>The generations of its groups.</summary>
    public Generations? Generations { get; }

    /// <summary>All nodes that were ever started.</summary>
    public List<SimulatedNode> Nodes { get; } = [];

    /// <summary>Those whose process has not ended.</summary>
    public List<SimulatedNode> Alive { get; } = [];

    /// <summary>Whether the run has come to its end.</summary>
    public bool IsDone { get; set; }

    /// <summary>What went wrong first; null while nothing has.</summary>
    public string? Failure { get; private set; }

    /// <summary>Steps that were done again, from a checkpoint.</summary>
    public long Repeated { get; private set; }

    /// <summary>Longest time without a step since the last fault.</summary>
    public TimeSpan LongestWait { get; private set; }

    /// <summary>Runs until the run is done, or something is found wrong.</summary>
    public void RunToEnd()
    {
        try
        {
            if (!Time.Run(Settings.Limit, () => IsDone || Failure is not null)) Fail($"the run is not done after {Settings.Limit}");
        }
        catch (Exception exception)
        {
            Fail($"the simulation itself failed: {exception}");      // seeds that follow are run all the same
        }
        if (Failure is null && _lastStep != Settings.Steps - 1) Fail($"the run ended after step {_lastStep} of {Settings.Steps}");
    }

    /// <summary>The cluster did what it must not.</summary>
    public void Fail(string what)
    {
        Log.Add(Time.Running, "FAILED", what);
        Failure ??= what;
    }

    /// <summary>The process at an address; null where there is none.</summary>
    public SimulatedNode? At(Address address) => AllAt(address) is [.., { IsDead: false } node] ? node : null;

    /// <summary>The processes that were started at an address, one after another.</summary>
    public IReadOnlyList<SimulatedNode> AllAt(Address address) =>
        _byAddress.TryGetValue(address, out List<SimulatedNode>? nodes) ? nodes : [];

    /// <summary>The node of an actor.</summary>
    public SimulatedNode NodeOf(IActorRef actor) =>
        NodeOf(actor.Path) ?? throw new InvalidOperationException($"{actor.Path} is on no node");

    /// <summary>The nodes of a set.</summary>
    public IEnumerable<SimulatedNode> In(BigInteger nodes)
    {
        byte[] bytes = nodes.ToByteArray(isUnsigned: true);
        for (int at = 0; at < bytes.Length; at++)
            for (int bits = bytes[at]; bits != 0; bits &= bits - 1) yield return Nodes[8 * at + BitOperations.TrailingZeroCount(bits)];
    }

    /// <summary>Whether messages go between two nodes.</summary>
    public bool Linked(SimulatedNode one, SimulatedNode other) =>
        Network.Connected(one, other) && !one.View.HasGivenUp(other) && !other.View.HasGivenUp(one);

    /// <summary>An actor of a node, as others know it.</summary>
    public RemoteActor Remote(IActorRef actor, SimulatedNode node)
    {
        if (!_remotes.TryGetValue(actor, out RemoteActor? remote))
            _remotes[actor] = remote = new(this, node, (IInternalActorRef)actor, System.Provider);
        return remote;
    }

    /// <summary>The row that belongs to a place: the first that can be read of those that stand in for each other.</summary>
    public long ExpectedRow(IClipPlan plan, long step, int slot)
    {
        for (int attempt = 0; ; attempt++)
            if (plan.Request(step, slot, attempt).Row is var row && !IsUnreadable(row)) return row;
    }

    /// <summary>Connects a node to the data port of another.</summary>
    public Task<Stream> ConnectAsync(SimulatedNode from, DecoderNodeLink.Welcome there, CancellationToken stop)
    {
        var connected = new TaskCompletionSource<Stream>();
        stop.Register(() => connected.TrySetCanceled(stop));
        if (Alive.LastOrDefault(node => node.Address.Host == there.Host) is { } to)
            Network.Send(from, to, () =>
            {
                if (to.Listener is not { } listener) return;
                var connection = new DataConnection(this, from, to);
                listener(there.Token, connection.Listener);
                Network.Send(to, from, () =>
                {
                    if (!connected.TrySetResult(connection.Caller)) connection.Caller.Dispose();
                });
            });
        Time.After(TimeSpan.FromSeconds(5), () => connected.TrySetException(new IOException($"no connection to {there.Host}")));
        return connected.Task;
    }

    /// <summary>A process ends.</summary>
    /// <param name="node">The process.</param>
    /// <param name="told">Whether the system of its host closes its connections; else the host is gone.</param>
    public void Kill(SimulatedNode node, bool told)
    {
        if (node.IsDead) return;
        node.Die(told);
        Alive.Remove(node);
        if (told) Rings.OnClosed(node);
    }

    /// <summary>A process ends by itself: it stops its actors first.</summary>
    public void End(SimulatedNode node)
    {
        node.End();
        Time.After(_endTime, () =>
        {
            node.Daemon.OnExiting();
            Kill(node, told: true);
        });
    }

    /// <summary>A node leaves the cluster in order.</summary>
    public void Leave(SimulatedNode node)
    {
        if (!node.IsDead) node.Daemon.Leave();
    }

    /// <summary>Somebody starts a node's process again.</summary>
    public void StartAgain(SimulatedNode node, TimeSpan after) => Time.After(after, () =>
    {
        if (IsDone) return;
        if (!node.IsDead) StartAgain(node, _keeperStarts);          // it has not left yet
        else if (Alive.All(other => other.Host != node.Host)) Add(node.Host, node.Role).Daemon.Join();
    });

    /// <summary>A process stands still.</summary>
    public void Freeze(SimulatedNode node) => node.Freeze();

    /// <summary>It goes on.</summary>
    public void Thaw(SimulatedNode node)
    {
        if (node.IsDead) return;
        node.Thaw();
        Log.Recoveries.OnThawed(node);
        OnFault();
        node.Daemon.OnThawed();
    }

    /// <summary>The network parts, or is whole again.</summary>
    public void Cut(IReadOnlyCollection<SimulatedNode> one, IReadOnlyCollection<SimulatedNode> others, bool connected)
    {
        foreach (SimulatedNode here in one)
            foreach (SimulatedNode there in others) Network.Set(here, there, connected);
        Log.Add(null, connected ? "healed" : "cut", string.Join(' ', one.Select(node => node.Name)));
        OnFault();
    }

    /// <summary>Something has struck, or is over.</summary>
    public void OnFault() => _lastFaultAt = Time.Now;

    /// <summary>A node's own status has changed.</summary>
    public void OnOwnStatus(SimulatedNode node, MemberStatus status)
    {
        if (status == MemberStatus.Up && !node.HasActors)
        {
            OnFault();
            StartActors(node);
        }
        if (status == MemberStatus.Exiting && !node.IsEnding) End(node);
    }

    /// <summary>A node was given up, and ends.</summary>
    public void OnDown(SimulatedNode node)
    {
        if (node.IsEnding) return;
        End(node);
        StartAgain(node, Chance.Between(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(15), Question.Restart, ++_restarts));
    }

    /// <summary>The oldest coordinator has the keeper.</summary>
    public void OnCoordinatorsChanged(SimulatedNode node)
    {
        if (Run is null || !IsOldest()) return;
        Time.After(_keeperStarts, () =>
        {
            if (node.IsEnding || !IsOldest() || !_keepers.Add(node)) return;
            StartKeeper(node);
        });

        bool IsOldest() => node.View.Members.Keys.Where(member => member.Role == NodeRole.Coordinator && node.View.IsUp(member))
            .MinBy(node.View.UpNumberOf) == node;
    }

    /// <summary>A trainer has its weights and begins with a step.</summary>
    public void OnEntered(SimulatedNode node, long generation, long step)
    {
        Log.Add(node, "trains", $"generation {generation}", step);
        // A rank may be a step behind the others when it loses its group.
        foreach (SimulatedNode other in Alive)
            if (other.Trainer is { } trainer && trainer.Generation != generation && trainer.Step > step + 1 && !other.IsFrozen
                && Linked(node, other) && Alive.Where(keeper => _keepers.Contains(keeper)).Any(keeper => Linked(keeper, other)))
                Fail($"generation {generation} begins with step {step}, and {other.Name} has the weights of step {trainer.Step}");
    }

    /// <summary>
    /// A first rank writes down what the one before did not come to, as TrainerActor does: it is the furthest, and has the records.
    /// </summary>
    public void OnFirst(long step)
    {
        if (step > _lastStep + 1) (_lastStep, _lastStepAt) = (step - 1, Time.Now);
    }

    /// <summary>The first rank writes a step down.</summary>
    public void OnStep(SimulatedNode node, long generation, long step)
    {
        Log.Add(node, "step", $"generation {generation}", step);
        Log.Recoveries.OnStep(Time.Now);
        if (generation < _lastGeneration)
            Fail($"{node.Name}: generation {generation} has done step {step} after generation {_lastGeneration}");
        if (generation == _lastGeneration && _lastStep >= 0 && step != _lastStep + 1)
            Fail($"{node.Name}: generation {generation} has done step {step} after step {_lastStep}");
        if (step > _lastStep + 1) Fail($"{node.Name}: generation {generation} has left out steps {_lastStep + 1} to {step - 1}");
        if (step <= _lastStep) Repeated += _lastStep - step + 1;
        Waited();
        (_lastStep, _lastGeneration, _lastStepAt) = (step, generation, Time.Now);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // Not the system itself: its end runs on other threads. Nothing holds it.
        IsDone = true;
        foreach (SimulatedNode node in Alive) node.Die(told: false);
        if (Time.Leak is null) Time.Run(Time.Now + _lookEvery, static () => false);
        _folder?.Delete(recursive: true);
    }

    /// <summary>What must hold at any time.</summary>
    private void Look()
    {
        if (IsDone) return;
        if (Waited() > Settings.Bound) Fail($"no step for {Waited().TotalSeconds:0} s after the last change");
        long steps = Math.Max(_settings.Window, _settings.WindowSize / (_clipSize * Settings.ClipsPerTrainer));
        foreach (SimulatedNode node in Alive)
            if (node.Trainer is { } trainer && trainer.InHand > (steps + _settings.Prefetch + 2) * Settings.BatchSize)
                Fail($"{node.Name}: {trainer.InHand} clips are in hand");
        if (Time.MostWaiting > 1000 + 4 * (Settings.Nodes + Settings.Trainers) * Settings.Decoders)
            Fail($"{Time.MostWaiting} messages wait for an actor");
        Time.After(_lookEvery / 2, Look);
    }

    private TimeSpan Waited()
    {
        TimeSpan waited = Time.Now - (_lastStepAt > _lastFaultAt ? _lastStepAt : _lastFaultAt);
        if (waited > LongestWait) LongestWait = waited;
        return waited;
    }

    private bool IsUnreadable(long row) => Chance.Uniform(Question.Unreadable, (ulong)row) < Settings.Faults.Unreadable;

    private SimulatedNode? NodeOf(ActorPath path)
    {
        if (path.Depth < 2) return null;
        ActorPath at = path.Depth == 2 ? path : path.ParentOf(2);
        return _byName.GetValueOrDefault(at.Name);
    }

    private SimulatedNode Add(int host, NodeRole role)
    {
        var node = new SimulatedNode(this, Nodes.Count, host, role);
        Nodes.Add(node);
        Alive.Add(node);
        _byName[node.Name] = node;
        if (!_byAddress.TryGetValue(node.Address, out List<SimulatedNode>? nodes)) _byAddress[node.Address] = nodes = [];
        nodes.Add(node);
        node.Start();
        node.Daemon.Start();
        ICluster cluster = node.View;
        node.Start("resolver", Props.Create(() => new VoterMajority.Resolver(cluster, _stable)));
        return node;
    }

    private void StartActors(SimulatedNode node)
    {
        ICluster cluster = node.View;
        node.HasActors = true;
        ActorSettings settings = _settings with { Decoders = node.Role == NodeRole.Decoder ? Settings.Decoders : 0 };
        if (node.Role == NodeRole.Decoder)
        {
            var work = new DecodeSupervisor.Work(() => new Source(this, node), Clips, Data, settings, Certificates: null)
            {
                Time = Time,
                Connect = (there, stop) => ConnectAsync(node, there, stop),
            };
            Action ended = () => Log.Add(node, "run ended");
            Action<Exception> failed = reason => Log.Add(node, "failed", reason.Message);
            node.Start("decode-node", Props.Create(() => new DecodeSupervisor(work, cluster, ended, failed)));
        }
        else if (node.Role == NodeRole.Trainer || Run is null)
        {
            IDataPort port = new Listening(node);
            World world = this;
            node.Start(TrainerGate.Name, Props.Create(() => new TrainerGate(cluster, port)));
            node.Start("run", Props.Create(() => new SimulatedTrainer(world, node, settings)));
        }
    }

    private void StartKeeper(SimulatedNode node)
    {
        Log.Add(node, "keeper starts");
        var ended = new TaskCompletionSource<bool>();
        (TrainingRun run, TimeProvider time, TimeSpan settle) = (Run!, Time, _settle);
        // As GroupKeeper.Manager.
        Func<IReadOnlyCollection<Address>> trainers = () => [.. node.View.Members.Where(member => member.Key.Role == NodeRole.Trainer
            && member.Value.Status is not (MemberStatus.Joining or MemberStatus.WeaklyUp)).Select(member => member.Key.Address)];
        node.Start("keeper", Props.Create(() => new GroupKeeper(run, 1, trainers, ended, time, settle, CancellationToken.None)));
        _ = AwaitEnd();

        async Task AwaitEnd()
        {
            if (await ended.Task) IsDone = true;
            else Fail("the keeper ended the run before its last step");
        }
    }

    /// <summary>What actors say, which begins before there is a log.</summary>
    private sealed class Relay(World world) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => world.Log.IsEnabled(logLevel);

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) => world.Log.Log(logLevel, eventId, state, exception, formatter);
    }

    /// <summary>Makes clips for nothing: what they take is the dispatcher's to know.</summary>
    private sealed class Source(World world, SimulatedNode node) : IClipSource
    {
        private readonly ClipLayout _layout = new(Clips);

        public Clip Load(ClipRequest request)
        {
            if (node.DiesOfClip()) throw new InvalidOperationException("injected");
            if (world.IsUnreadable(request.Row)) throw new UnreadableClipException(RejectReason.Corrupt, $"row {request.Row}", "injected");
            return new(request, _layout) { Key = $"{request.Row}", TokenCount = 1 };
        }

        public void Dispose()
        {
        }
    }

    /// <summary>A node's data port.</summary>
    private sealed class Listening(SimulatedNode node) : IDataPort
    {
        public string Host => node.Address.Host!;

        public int Port => 4153;

        public Task ListenAsync(Action<string, Stream> proven, Action<string> refused, CancellationToken stop)
        {
            node.Listener = proven;
            return new TaskCompletionSource().Task;
        }

        public void Dispose() => node.Listener = null;
    }
}
