using System.Collections.Concurrent;
using Alpro.Actors.Insight;
using Alpro.Data.Media;
using Alpro.Data.Sampling;

namespace Alpro.Actors.Pipeline;

/// <summary>A clip that could not be made, as it is counted and listed.</summary>
public sealed record Rejection(ClipRequest Request, string Path, RejectReason Reason, string Message);

/// <summary>What became of the clips asked for.</summary>
/// <param name="Planned">Clips given out to be made, those that stand in for others included, and the tail.</param>
/// <param name="Delivered">Clips that reached the trainer in a batch.</param>
/// <param name="Rejected">Clips that could not be made.</param>
/// <param name="Tail">Rows at the end of an epoch that do not fill a batch.</param>
/// <param name="InHand">Clips on their way when the run was stopped; 0 when it ran to its end and nothing was lost.</param>
/// <param name="Redelivered">Clips given out again because a decoder died; they are planned once.</param>
/// <param name="Duplicates">Clips that arrived twice and were dropped.</param>
/// <param name="Reasons">Rejected clips by reason.</param>
/// <param name="ReplacementMs">Milliseconds from word of a decoder's death to its clip made by another, in the order in which they
/// were.</param>
public sealed record LedgerTotals(
    long Planned, long Delivered, long Rejected, long Tail, long InHand, long Redelivered, long Duplicates,
    IReadOnlyDictionary<RejectReason, long> Reasons,
    IReadOnlyList<double> ReplacementMs);

/// <summary>
/// The accounts of a run's clips in one process, over all its streams. Written by <see cref="ClipCoordinator"/> and
/// <see cref="BatchCollator"/>, read by anybody; planned = delivered + rejected + tail when a run has come to its end.
/// </summary>
/// <param name="rejected">Told of every rejected clip, by whoever rejects it.</param>
public sealed class ClipLedger(Action<Rejection>? rejected = null)
{
    private long _planned, _delivered, _redelivered, _duplicates;
    private readonly Queue<long> _rejectedAt = new();                // how many were planned when each was rejected; its monitor guards it
    private long _rejected;
    private readonly ConcurrentDictionary<RejectReason, long> _reasons = new();
    private readonly ConcurrentQueue<double> _replacementMs = new();
    private readonly ConcurrentDictionary<string, DecodeMeter> _meters = new();

    /// <summary>Clips rejected so far.</summary>
    public long Rejected => Interlocked.Read(ref _rejected);

    /// <summary>Clips planned so far.</summary>
    public long Planned => Interlocked.Read(ref _planned);

    /// <summary>Clips that are neither delivered nor rejected yet.</summary>
    internal long InHand => Planned - Interlocked.Read(ref _delivered) - Rejected;

    /// <summary>What the decoders of each node have done so far.</summary>
    public IReadOnlyList<NodeLoad> Loads => [.. _meters.Select(node => new NodeLoad(node.Key, node.Value.Decoders, node.Value.Load))];

    /// <summary>Adds up what the decoders of a node do.</summary>
    /// <param name="node">The node; <see cref="Measurements.Here"/> for this process.</param>
    public DecodeMeter Meter(string node) => _meters.GetOrAdd(node, static _ => new());

    /// <summary>A clip is given out for the first time.</summary>
    public void Plan()
    {
        Interlocked.Increment(ref _planned);
        ActorMetrics.Granted.Add(1);
    }

    /// <summary>A clip is given out again after a decoder died.</summary>
    public void Redeliver()
    {
        Interlocked.Increment(ref _redelivered);
        ActorMetrics.Redelivered.Add(1);
    }

    /// <summary>A clip whose decoder died has been made by another, so long after.</summary>
    public void Replace(TimeSpan after) => _replacementMs.Enqueue(after.TotalMilliseconds);

    /// <summary>A clip arrived twice and was dropped.</summary>
    public void Duplicate()
    {
        Interlocked.Increment(ref _duplicates);
        ActorMetrics.Duplicates.Add(1);
    }

    /// <summary>A batch of clips went to the trainer.</summary>
    public void Deliver(int clips)
    {
        Interlocked.Add(ref _delivered, clips);
        ActorMetrics.Delivered.Add(clips);
    }

    /// <summary>A clip cannot be made.</summary>
    public void Reject(Rejection rejection)
    {
        Interlocked.Increment(ref _rejected);
        lock (_rejectedAt) _rejectedAt.Enqueue(Planned);
        rejected?.Invoke(rejection);
        _reasons.AddOrUpdate(rejection.Reason, 1, (_, count) => count + 1);
        ActorMetrics.Rejected(rejection.Reason.ToString());
    }

    /// <summary>How many were rejected while the latest so many were planned; asked always with the same number.</summary>
    public int RejectedAmong(long latest)
    {
        lock (_rejectedAt)
        {
            while (_rejectedAt.TryPeek(out long planned) && planned <= Planned - latest) _rejectedAt.Dequeue();
            return _rejectedAt.Count;
        }
    }

    /// <summary>A stream has ended, and what it had in hand will be planned again by the next.</summary>
    public void TakeBack() => Interlocked.Exchange(ref _planned, Interlocked.Read(ref _delivered) + Rejected);

    /// <summary>The totals so far, with the rows that the plan's epochs left over.</summary>
    public LedgerTotals Totals(long tail)
    {
        long planned = Planned + tail, delivered = Interlocked.Read(ref _delivered), rejected = Rejected;
        return new(planned, delivered, rejected, tail, planned - delivered - rejected - tail,
            Interlocked.Read(ref _redelivered), Interlocked.Read(ref _duplicates), new SortedDictionary<RejectReason, long>(_reasons),
            [.. _replacementMs]);
    }
}
