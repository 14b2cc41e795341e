using System.Threading.Channels;
using Akka.Actor;
using Alpro.Data.Batches;
using Alpro.Data.Clips;
using Alpro.Data.Sampling;

namespace Alpro.Actors.Pipeline;

/// <summary>
/// Gathers clips, in whatever order they arrive, into the batches of the plan, and puts finished batches into the bounded channel
/// in the order of their steps. A full channel holds the batch here, not the actor: clips still find their places meanwhile.
/// </summary>
public sealed class BatchCollator : ReceiveActor
{
    /// <summary>Sent by a <see cref="ClipDecoder"/>: a finished clip, which is this actor's from then on.</summary>
    public sealed record ClipDecoded(Clip Clip);

    /// <summary>Sent by the <see cref="ClipCoordinator"/> in evaluation: this place stays empty, for its clip is unreadable.</summary>
    public sealed record PlaceEmpty(ClipRequest Request);

    private sealed record RoomInChannel(bool Open);

    private readonly IClipPlan _plan;
    private readonly ClipSettings _settings;
    private readonly ClipLedger _ledger;
    private readonly ChannelWriter<ClipBatch> _batches;
    private readonly long _endStep;
    private readonly Dictionary<long, Collator> _open = [];
    private long _next;
    private ClipBatch? _held;                                        // finished, and waiting for room in the channel

    /// <summary>A collator, child of the coordinator, for the steps from <paramref name="firstStep"/> up to <paramref name="endStep"/>.</summary>
    public BatchCollator(IClipPlan plan, ClipSettings settings, long firstStep, long endStep, ClipLedger ledger, ChannelWriter<ClipBatch> batches)
    {
        _plan = plan;
        _settings = settings;
        _next = firstStep;
        _endStep = endStep;
        _ledger = ledger;
        _batches = batches;
        Receive<ClipDecoded>(message => OnDecoded(message.Clip));
        Receive<PlaceEmpty>(message => OnEmpty(message.Request));
        Receive<RoomInChannel>(message =>
        {
            if (message.Open) Deliver();                             // else whoever read has gone, and this actor is about to
        });
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
            // Twice: its first decoder died, or was given up, after it had delivered. Or late: nobody waits for it any more.
            if (clip.Request.Step < _next || BatchOf(clip.Request).IsSettled(clip.Request.Slot)) _ledger.Duplicate();
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
            _open[request.Step] = batch = new Collator(request.Step, _plan.Places(request.Step), _settings);
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
                if (!_batches.TryWrite(_held))
                {
                    _batches.WaitToWriteAsync().AsTask().PipeTo(Self, success: open => new RoomInChannel(open), failure: _ => new RoomInChannel(false));
                    return;
                }
                _held = null;
                _ledger.Deliver(clips);
            }
            _open.Remove(_next);
            Context.Parent.Tell(new ClipCoordinator.WindowFreed(_next));
            if (++_next == _endStep) _batches.TryComplete();
        }
    }
}
