using System.Diagnostics;
using System.Diagnostics.Metrics;
using Akka.Actor;

namespace Alpro.Actors;

/// <summary>What the actors measure of themselves, for whoever listens to the meter <c>Alpro.Actors</c> (docs/metrics.md).</summary>
internal static class ActorMetrics
{
    private static readonly Meter _meter = new("Alpro.Actors");

    private static readonly InstrumentAdvice<double> _seconds = new()
    {
        HistogramBucketBoundaries = [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300],
    };

    private static readonly LiveCounts _inHand = new(), _queues = new("queue"), _mailboxes = new("actor"), _members = new("role", "state");

    private static long _checkpointWritten;                          // when, by Stopwatch; 0 before the first

    /// <summary>Clips given out to be made, those that stand in for others included.</summary>
    public static readonly Counter<long> Granted = _meter.CreateCounter<long>("alpro.clips.granted", "{clip}",
        "Clips given out to be made, those that stand in for others included.");

    /// <summary>Clips that went to the trainer.</summary>
    public static readonly Counter<long> Delivered = _meter.CreateCounter<long>("alpro.clips.delivered", "{clip}",
        "Clips that went into the channel to whoever trains or scores.");

    /// <summary>Clips that were given out again.</summary>
    public static readonly Counter<long> Redelivered = _meter.CreateCounter<long>("alpro.clips.redelivered", "{clip}",
        "Clips given out again because their decoder died or did not answer.");

    /// <summary>Clips that arrived twice.</summary>
    public static readonly Counter<long> Duplicates = _meter.CreateCounter<long>("alpro.clips.duplicates", "{clip}",
        "Clips that arrived twice and were dropped.");

    /// <summary>Checkpoints that could not be written.</summary>
    public static readonly Counter<long> CheckpointFailures = _meter.CreateCounter<long>("alpro.checkpoint.failures", "{failure}",
        "Tries to write a checkpoint that failed.");

    private static readonly Counter<long> _rejected = _meter.CreateCounter<long>("alpro.clips.rejected", "{clip}",
        "Clips that could not be made.");

    private static readonly ObservableUpDownCounter<long> _clipsInHand = _meter.CreateObservableUpDownCounter("alpro.clips.in_hand",
        _inHand.Read, "{clip}", "Clips given out that are neither delivered nor rejected yet: what the window holds.");

    private static readonly ObservableUpDownCounter<long> _depths = _meter.CreateObservableUpDownCounter("alpro.queue.depth", _queues.Read,
        "{item}", "What waits in a queue of the pipeline, or is in somebody's hands.");

    private static readonly ObservableUpDownCounter<long> _messages = _meter.CreateObservableUpDownCounter("alpro.actor.mailbox.depth",
        _mailboxes.Read, "{message}", "Messages that wait in the mailboxes of the actors of a kind.");

    private static readonly ObservableUpDownCounter<long> _nodes = _meter.CreateObservableUpDownCounter("alpro.cluster.members",
        _members.Read, "{node}", "Nodes of the cluster, as this one sees them.");

    private static readonly Counter<long> _dataPlane = _meter.CreateCounter<long>("alpro.data_plane.io", "By",
        "Bytes of clips that went over the data plane.");

    private static readonly Counter<long> _controlPlane = _meter.CreateCounter<long>("alpro.control_plane.io", "By",
        "Bytes that went over the control plane: heartbeats, gossip, grants and reports, with TLS.");

    private static readonly Counter<double> _stalls = _meter.CreateCounter<double>("alpro.data_plane.stall.time", "s",
        "Time that clips under way on the data plane waited for the network or the other end.");

    private static readonly Histogram<double> _checkpoint = _meter.CreateHistogram("alpro.checkpoint.duration", "s",
        "Time to write a checkpoint.", advice: _seconds);

    private static readonly Gauge<long> _checkpointStep = _meter.CreateGauge<long>("alpro.checkpoint.step", "{step}",
        "The step of the last checkpoint written.");

    private static readonly ObservableGauge<double> _checkpointAge = _meter.CreateObservableGauge("alpro.checkpoint.age", AgeOfCheckpoint,
        "s", "Time since this process wrote a checkpoint.");

    private static readonly Gauge<long> _generation = _meter.CreateGauge<long>("alpro.group.generation", "{generation}",
        "The number of the group of trainers.");

    private static readonly Gauge<long> _world = _meter.CreateGauge<long>("alpro.group.trainers", "{trainer}",
        "Trainers in the group.");

    private static readonly Histogram<double> _recovery = _meter.CreateHistogram("alpro.recovery.duration", "s",
        "Time from the loss of a group, or a trainer's failure, until it trains again.", advice: _seconds);

    /// <summary>The spans of the actors: made where somebody listens, and nothing otherwise.</summary>
    public static ActivitySource Activities { get; } = new("Alpro.Actors");

    /// <summary>A clip could not be made.</summary>
    public static void Rejected(string reason) => _rejected.Add(1, new KeyValuePair<string, object?>("reason", reason));

    /// <summary>Watches the clips that a stream has in hand, while its actor lives.</summary>
    public static void WatchInHand(IActorRef actor, Func<long> count) => _inHand.Add(actor, "", HasEnded(actor), () => [([], count())]);

    /// <summary>Watches what waits in a queue, while its actor lives.</summary>
    public static void WatchQueue(IActorRef actor, string queue, Func<long> depth) =>
        _queues.Add(actor, queue, HasEnded(actor), () => [([queue], depth())]);

    /// <summary>Watches the mailbox of an actor while it lives.</summary>
    public static void WatchMailbox(IActorRef actor, string kind)
    {
        if (actor is ActorRefWithCell { Underlying: var cell })
            _mailboxes.Add(actor, kind, HasEnded(actor), () => [([kind], cell.NumberOfMessages)]);
    }

    /// <summary>Watches the members of a cluster, by role and state, while an actor system lives.</summary>
    public static void WatchMembers(ActorSystem system, Func<IEnumerable<(string Role, string State)>> members) =>
        _members.Add(system, "", () => system.WhenTerminated.IsCompleted,
            () => members().Select(member => (new[] { member.Role, member.State }, 1L)));

    /// <summary>Bytes of a clip went over the data plane.</summary>
    /// <param name="direction"><c>transmit</c> or <c>receive</c>, as OpenTelemetry names them.</param>
    /// <param name="bytes">How many.</param>
    /// <param name="stalled">Time in which the thread waited for them.</param>
    public static void Transfer(string direction, long bytes, TimeSpan stalled)
    {
        var tag = new KeyValuePair<string, object?>("network.io.direction", direction);
        _dataPlane.Add(bytes, tag);
        _stalls.Add(stalled.TotalSeconds, tag);
    }

    /// <summary>Bytes went over the control plane.</summary>
    /// <param name="direction"><c>transmit</c> or <c>receive</c>.</param>
    /// <param name="bytes">How many.</param>
    public static void ControlTransfer(string direction, long bytes) =>
        _controlPlane.Add(bytes, new KeyValuePair<string, object?>("network.io.direction", direction));

    /// <summary>A checkpoint is written.</summary>
    public static void CheckpointWritten(long step, TimeSpan time)
    {
        _checkpoint.Record(time.TotalSeconds);
        _checkpointStep.Record(step);
        Volatile.Write(ref _checkpointWritten, Stopwatch.GetTimestamp());
    }

    /// <summary>A group of trainers has formed.</summary>
    public static void GroupFormed(long generation, int world)
    {
        _generation.Record(generation);
        _world.Record(world);
    }

    /// <summary>A trainer trains again.</summary>
    /// <param name="kind"><c>group</c> after the loss of a group, <c>restart</c> after a failure of the trainer.</param>
    /// <param name="time">How long it did not.</param>
    public static void Recovered(string kind, TimeSpan time)
    {
        _recovery.Record(time.TotalSeconds, new KeyValuePair<string, object?>("kind", kind));
        Activities.StartActivity("alpro.recovery", ActivityKind.Internal, default(ActivityContext), [new("kind", kind)],
            startTime: TimeProvider.System.GetUtcNow() - time)?.Dispose();
    }

    private static Func<bool> HasEnded(IActorRef actor) => actor is ActorRefWithCell { Underlying: var cell } ? () => cell.IsTerminated
        : static () => false;

    private static IEnumerable<Measurement<double>> AgeOfCheckpoint() => Volatile.Read(ref _checkpointWritten) is var written and > 0
        ? [new(Stopwatch.GetElapsedTime(written).TotalSeconds)] : [];
}
