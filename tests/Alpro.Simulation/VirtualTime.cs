using System.Runtime.CompilerServices;
using Akka.Actor;
using Akka.Configuration;
using Akka.Dispatch;
using Akka.Event;
using Alpro.Data.Sampling;

namespace Alpro.Simulation;

/// <summary>
/// The clock of a simulation, and all that is to be done: what is ready now, and what is due later. Everything runs on the thread that made
/// it. Time stands still while something is ready, and then goes on to what is due next.
/// </summary>
internal sealed class VirtualTime : TimeProvider
{
    private static readonly DateTimeOffset _begin = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly PriorityQueue<Action, (long At, long Number)> _due = new();
    private readonly int _thread = Environment.CurrentManagedThreadId;
    private List<(ulong Order, IRunnable Run, SimulatedNode? Node)> _ready = [], _running = [];
    private long _numbers;
    private ulong _rounds;

    /// <summary>What asked to be run from another thread: the simulation would not be the same twice.</summary>
    public Exception? Leak { get; private set; }

    /// <summary>Time since the beginning.</summary>
    public TimeSpan Now { get; private set; }

    /// <summary>Things done so far.</summary>
    public long Events { get; private set; }

    /// <summary>The most messages that ever waited for an actor.</summary>
    public int MostWaiting { get; private set; }

    /// <summary>The node that is doing something at the moment.</summary>
    public SimulatedNode? Running { get; private set; }

    /// <summary>Decides who is first of those that are ready at once.</summary>
    public ulong Seed { get; set; }

    /// <summary>The node on which an actor is; null for those that belong to the simulation.</summary>
    public Func<ActorPath, SimulatedNode?> NodeOf { get; set; } = static _ => null;

    /// <inheritdoc/>
    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <inheritdoc/>
    public override long GetTimestamp() => Now.Ticks;

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow() => _begin + Now;

    /// <inheritdoc/>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        throw new NotSupportedException("only the scheduler has timers here");

    /// <summary>Does something after a delay.</summary>
    public void After(TimeSpan delay, Action action)
    {
        CheckThread();
        _due.Enqueue(action, ((Now + delay).Ticks, _numbers++));
    }

    /// <summary>Does what a node does.</summary>
    public void RunAs(SimulatedNode? node, Action action)
    {
        Running = node;
        action();
        Running = null;
    }

    /// <summary>Runs an actor's mailbox as soon as it is its turn.</summary>
    public void Ready(IRunnable run)
    {
        CheckThread();
        ActorPath? path = PathOf(run);
        _ready.Add((path is null ? 0 : Hash(path), run, path is null ? null : NodeOf(path)));
    }

    /// <summary>Goes on until a time, or until a condition holds, or nothing is left to do.</summary>
    /// <returns>Whether the condition holds.</returns>
    public bool Run(TimeSpan until, Func<bool> done)
    {
        while (!done())
        {
            if (Leak is not null) throw new InvalidOperationException("something ran on another thread", Leak);
            if (_ready.Count > 0) RunReady();
            else if (_due.TryPeek(out _, out (long At, long) next) && next.At <= until.Ticks)
            {
                Now = new(next.At);
                Events++;
                _due.Dequeue()();
            }
            else
            {
                Now = until;
                return done();
            }
        }
        return true;
    }

    /// <summary>
    /// Those that are ready together, in an order from the seed: the order in which they became so may depend on hash codes of strings,
    /// which differ from process to process.
    /// </summary>
    private void RunReady()
    {
        (_ready, _running) = (_running, _ready);
        if (_running.Count > 1)
        {
            ulong round = SeededRandom.Mix(Seed, ++_rounds);
            Order(round);
        }
        foreach ((_, IRunnable run, SimulatedNode? node) in _running)
        {
            Events++;
            if (run is Mailbox mailbox) MostWaiting = Math.Max(MostWaiting, mailbox.MessageQueue.Count);
            if (node is { IsFrozen: true }) node.Hold(() => Ready(run));
            else RunAs(node, run.Run);
        }
        _running.Clear();
    }

    private void Order(ulong round)
    {
        for (int i = 0; i < _running.Count; i++) _running[i] = _running[i] with { Order = SeededRandom.Mix(round, _running[i].Order) };
        _running.Sort(static (one, other) => one.Order.CompareTo(other.Order));
    }

    /// <summary>Whose mailbox it is; null for what is no mailbox.</summary>
    public static ActorPath? PathOf(IRunnable run) => run is Mailbox mailbox ? ActorOf(mailbox)?.Self.Path : null;

    private void CheckThread()
    {
        if (Environment.CurrentManagedThreadId == _thread) return;
        Leak = new InvalidOperationException(Environment.StackTrace);
        throw Leak;
    }

    /// <summary>The same in every process.</summary>
    private static ulong Hash(ActorPath path)
    {
        ulong hash = 14695981039346656037;
        for (ActorPath at = path; at.Depth > 0; at = at.Parent)
            foreach (char letter in at.Name) hash = (hash ^ letter) * 1099511628211;
        return hash;
    }

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_Actor")]
    private static extern ActorCell? ActorOf(Mailbox mailbox);
}

/// <summary>Akka's timers, by the virtual clock. Those of a frozen node come when it goes on.</summary>
internal sealed class VirtualScheduler(Config config, ILoggingAdapter log) : SchedulerBase(config, log)
{
    /// <summary>The clock.</summary>
    public VirtualTime Time { get; } = new();

    /// <inheritdoc/>
    public override TimeSpan MonotonicClock => Time.Now;

    /// <inheritdoc/>
    public override TimeSpan HighResMonotonicClock => Time.Now;

    /// <inheritdoc/>
    protected override DateTimeOffset TimeNow => Time.GetUtcNow();

    /// <inheritdoc/>
    protected override void InternalScheduleTellOnce(TimeSpan delay, ICanTell receiver, object message, IActorRef sender,
        ICancelable cancelable) => Add(delay, null, () => receiver.Tell(message, sender), cancelable, receiver);

    /// <inheritdoc/>
    protected override void InternalScheduleTellRepeatedly(TimeSpan initialDelay, TimeSpan interval, ICanTell receiver, object message,
        IActorRef sender, ICancelable cancelable) =>
        Add(initialDelay, interval, () => receiver.Tell(message, sender), cancelable, receiver);

    /// <inheritdoc/>
    protected override void InternalScheduleOnce(TimeSpan delay, Action action, ICancelable cancelable) =>
        Add(delay, null, action, cancelable, null);

    /// <inheritdoc/>
    protected override void InternalScheduleOnce(TimeSpan delay, IRunnable action, ICancelable cancelable) =>
        Add(delay, null, action.Run, cancelable, null);

    /// <inheritdoc/>
    protected override void InternalScheduleRepeatedly(TimeSpan initialDelay, TimeSpan interval, Action action, ICancelable cancelable) =>
        Add(initialDelay, interval, action, cancelable, null);

    /// <inheritdoc/>
    protected override void InternalScheduleRepeatedly(TimeSpan initialDelay, TimeSpan interval, IRunnable action,
        ICancelable cancelable) => Add(initialDelay, interval, action.Run, cancelable, null);

    private void Add(TimeSpan delay, TimeSpan? interval, Action action, ICancelable? cancelable, ICanTell? receiver) =>
        Time.After(delay, () =>
    {
        if (receiver is IActorRef actor && Time.NodeOf(actor.Path) is { IsFrozen: true } node) node.Hold(Fire);
        else Fire();

        void Fire()
        {
            if (cancelable is { IsCancellationRequested: true }) return;
            action();
            if (interval is { } again) Add(again, interval, action, cancelable, receiver);
        }
    });
}

/// <summary>Runs actors on the thread of the simulation.</summary>
internal class VirtualDispatcher(MessageDispatcherConfigurator configurator) : MessageDispatcher(configurator)
{
    /// <summary>The clock.</summary>
    protected VirtualTime Time { get; } = ((VirtualScheduler)configurator.Prerequisites.Scheduler).Time;

    /// <inheritdoc/>
    protected override void ExecuteTask(IRunnable run) => Time.Ready(run);

    /// <inheritdoc/>
    protected override void Shutdown()
    {
    }
}

/// <summary>Named in the settings of a simulation.</summary>
internal sealed class VirtualDispatcherConfigurator : MessageDispatcherConfigurator
{
    private readonly VirtualDispatcher _dispatcher;

    /// <summary>Called by Akka.</summary>
    public VirtualDispatcherConfigurator(Config config, IDispatcherPrerequisites prerequisites) : base(config, prerequisites) =>
        _dispatcher = new(this);

    /// <inheritdoc/>
    public override MessageDispatcher Dispatcher() => _dispatcher;
}

/// <summary>Decoders: each takes as long for a clip as its node says, and then has made it.</summary>
internal sealed class DecodeDispatcher : VirtualDispatcher
{
    /// <summary>A clip at a time.</summary>
    public DecodeDispatcher(MessageDispatcherConfigurator configurator) : base(configurator) => Throughput = 1;

    /// <inheritdoc/>
    protected override void ExecuteTask(IRunnable run)
    {
        if (run is Mailbox { MessageQueue.HasMessages: true } && VirtualTime.PathOf(run) is { } path && Time.NodeOf(path) is { } node)
            Time.After(node.NextClip(), () => Time.Ready(run));
        else Time.Ready(run);
    }
}

/// <summary>Named in the settings of a simulation.</summary>
internal sealed class DecodeDispatcherConfigurator : MessageDispatcherConfigurator
{
    private readonly DecodeDispatcher _dispatcher;

    /// <summary>Called by Akka.</summary>
    public DecodeDispatcherConfigurator(Config config, IDispatcherPrerequisites prerequisites) : base(config, prerequisites) =>
        _dispatcher = new(this);

    /// <inheritdoc/>
    public override MessageDispatcher Dispatcher() => _dispatcher;
}
