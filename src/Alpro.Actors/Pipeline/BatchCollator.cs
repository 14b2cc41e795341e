using Akka.Actor;
using Alpro.Data.Batches;
using Alpro.Data.Clips;
using Alpro.Data.Sampling;

namespace Alpro.Actors.Pipeline;

/// <summary>
/// Gathers clips, in whatever order they arrive, into the batches of the plan. Puts finished batches into the bounded channel in the order
/// of their steps. A full channel holds the batch here, not the actor: clips still find their places meanwhile.
/// </summary>
internal sealed class BatchCollator : ReceiveActor
{
    /// <summary>Sent by a <see cref="ClipDecoder"/>: a finished clip, which is this actor's from then on.</summary>
    public sealed record ClipDecoded(Clip Clip);

    /// <summary>Sent by the <see cref="ClipCoordinator"/> in evaluation: this place stays empty, for its clip is unreadable.</summary>
    public sealed record PlaceEmpty(ClipRequest Request);

    private sealed record RoomInChannel(bool Open);

    private readonly PipelineJob _job;
    private readonly Dictionary<long, Collator> _open = [];
    private long _next;
    private ClipBatch? _held;                                        // finished, and waiting for room in the channel

    /// <summary>A collator, child of the coordinator.</summary>
    public BatchCollator(PipelineJob job)
    {
        (_job, _next) = (job, job.FirstStep);
        Receive<ClipDecoded>(message => OnDecoded(message.Clip));
        Receive<PlaceEmpty>(message => OnEmpty(message.Request));
        Receive<RoomInChannel>(message =>
        {
            if (message.Open) Deliver();                             // else the reader has gone, and this actor is about to
        });
        ActorMetrics.WatchMailbox(Self, "collator");
    }

    /// <inheritdoc/>
    protected override void PostStop()
    {
        _held?.Dispose();
        foreach (Collator batch in _open.Values) batch.Dispose();
    }

    private void OnDecoded(Clip clip)
    {
        using (clip)
        {
            // It comes twice where its first decoder was lost after it had delivered, and late where nobody waits for it any more.
            if (clip.Request.Step < _next || BatchOf(clip.Request).IsSettled(clip.Request.Slot)) _job.Ledger.Duplicate();
            else BatchOf(clip.Request).Add(clip.Request.Slot, clip);
        }
        Advance();
    }

    private void OnEmpty(ClipRequest request)
    {
        if (request.Step >= _next) BatchOf(request).LeaveEmpty(request.Slot);
        Advance();
    }

    private Collator BatchOf(ClipRequest request)
    {
        if (!_open.TryGetValue(request.Step, out Collator? batch))
            _open[request.Step] = batch = new Collator(request.Step, _job.Plan.Places(request.Step), _job.Clips);
        return batch;
    }

    private void Advance()
    {
        if (_held is null) Deliver();
    }

    private void Deliver()
    {
        while (_open.TryGetValue(_next, out Collator? next) && next.Unsettled == 0)
        {
            _held ??= next.Take();
            if (_held is not null)
            {
                int clips = _held.Size;                              // once written, the batch is the reader's
                if (!_job.Batches.TryWrite(_held))
                {
                    _job.Batches.WaitToWriteAsync().AsTask().PipeTo(Self, success: open => new RoomInChannel(open),
                        failure: _ => new RoomInChannel(false));
                    return;
                }
                _held = null;
                _job.Ledger.Deliver(clips);
            }
            _open.Remove(_next);
            Context.Parent.Tell(new ClipCoordinator.WindowFreed(_next));
            if (++_next == _job.EndStep) _job.Batches.TryComplete();
        }
    }
}
