using System.Diagnostics;
using Akka.Actor;
using Akka.Configuration;
using Akka.Dispatch;
using Akka.Event;

namespace Alpro.Actors.Distributed.Membership;

/// <summary>
/// Akka's timers on a thread of their own. Akka's scheduler runs on the thread pool. Where the pool is busy for longer than the failure
/// detector bears, no heartbeat is sent, whatever threads the dispatchers have. The cluster then takes a healthy node for dead.
/// </summary>
internal sealed class ThreadScheduler : SchedulerBase, IDisposable
{
    private sealed record Timer(Action Action, TimeSpan? Interval, ICancelable? Cancelable);

    private readonly PriorityQueue<Timer, TimeSpan> _timers = new();     // by when they are due; its monitor guards it and _stopped
    private bool _stopped;

    /// <summary>Called by Akka, with its settings for schedulers.</summary>
    public ThreadScheduler(Config config, ILoggingAdapter log) : base(config, log)
    {
        new Thread(RunAll) { Name = "timers", IsBackground = true }.Start();
    }

    /// <inheritdoc/>
    public override TimeSpan MonotonicClock => Stopwatch.GetElapsedTime(0);

    /// <inheritdoc/>
    public override TimeSpan HighResMonotonicClock => MonotonicClock;

    /// <inheritdoc/>
    protected override DateTimeOffset TimeNow => TimeProvider.System.GetUtcNow();

    /// <summary>Ends the thread; what is due later is not done. Akka calls it last.</summary>
    public void Dispose()
    {
        lock (_timers)
        {
            _stopped = true;
            Monitor.Pulse(_timers);
        }
    }

    /// <inheritdoc/>
    protected override void InternalScheduleTellOnce(TimeSpan delay, ICanTell receiver, object message, IActorRef sender,
        ICancelable cancelable) =>
        Add(delay, new(() => receiver.Tell(message, sender), null, cancelable));

    /// <inheritdoc/>
    protected override void InternalScheduleTellRepeatedly(TimeSpan initialDelay, TimeSpan interval, ICanTell receiver, object message,
        IActorRef sender, ICancelable cancelable) =>
        Add(initialDelay, new(() => receiver.Tell(message, sender), interval, cancelable));

    /// <inheritdoc/>
    protected override void InternalScheduleOnce(TimeSpan delay, Action action, ICancelable cancelable) => Add(delay,
        new(action, null, cancelable));

    /// <inheritdoc/>
    protected override void InternalScheduleOnce(TimeSpan delay, IRunnable action, ICancelable cancelable) => Add(delay,
        new(action.Run, null, cancelable));

    /// <inheritdoc/>
    protected override void InternalScheduleRepeatedly(TimeSpan initialDelay, TimeSpan interval, Action action, ICancelable cancelable) =>
        Add(initialDelay, new(action, interval, cancelable));

    /// <inheritdoc/>
    protected override void InternalScheduleRepeatedly(TimeSpan initialDelay, TimeSpan interval, IRunnable action,
        ICancelable cancelable) =>
        Add(initialDelay, new(action.Run, interval, cancelable));

    private void Add(TimeSpan delay, Timer timer)
    {
        lock (_timers)
        {
            if (_stopped) throw new SchedulerException("the actor system has ended: nothing can be scheduled");
            _timers.Enqueue(timer, MonotonicClock + delay);
            Monitor.Pulse(_timers);
        }
    }

    private void RunAll()
    {
        while (Next() is { } timer)
        {
            if (timer.Cancelable is { IsCancellationRequested: true }) continue;
            try
            {
                timer.Action();
            }
#pragma warning disable CA1031 // The top of a thread that all timers share: one that fails must not take the others, or the process, with it.
            catch (Exception exception)
#pragma warning restore CA1031
            {
                Log.Error(exception, "a scheduled action failed and is not repeated");
                continue;
            }
            // The interval counts from now: after the process stood still, what was missed is not made up for at once.
            lock (_timers)
                if (timer.Interval is { } interval) _timers.Enqueue(timer, MonotonicClock + interval);
        }
    }

    /// <summary>The next timer when it is due; null when there is no more to do.</summary>
    private Timer? Next()
    {
        lock (_timers)
            while (!_stopped)
            {
                if (!_timers.TryPeek(out _, out TimeSpan due)) Monitor.Wait(_timers);
                else if (due - MonotonicClock is { Ticks: > 0 } left)
                    Monitor.Wait(_timers, (int)Math.Min(Math.Ceiling(left.TotalMilliseconds), int.MaxValue));
                else return _timers.Dequeue();
            }
        return null;
    }
}
