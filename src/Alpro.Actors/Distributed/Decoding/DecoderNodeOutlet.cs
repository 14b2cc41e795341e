using Akka.Actor;
using Alpro.Actors.Insight;
using Alpro.Actors.Pipeline;
using Alpro.Data.Clips;

namespace Alpro.Actors.Distributed.Decoding;

/// <summary>
/// Sends the clips of one link, one after another, and waits while the training node takes no more; no thread waits meanwhile. To the
/// node's decoders it is the collator.
/// </summary>
internal sealed class DecoderNodeOutlet : ReceiveActor
{
    private sealed record Gone
    {
        public static readonly Gone Instance = new();
    }

    private readonly ClipSender _sender;
    private readonly DecodeMeter _meter;
    private readonly IActorRef _pool;
    private readonly Queue<Clip> _waiting = new();
    private bool _sending;

    /// <summary>An outlet, child of a <see cref="DecoderNodeLink"/>.</summary>
    /// <param name="sender">Sends the clips.</param>
    /// <param name="meter">Told what sending took.</param>
    /// <param name="pool">Told, in the link's name, that a clip has left.</param>
    public DecoderNodeOutlet(ClipSender sender, DecodeMeter meter, IActorRef pool)
    {
        (_sender, _meter, _pool) = (sender, meter, pool);
        Receive<BatchCollator.ClipDecoded>(message =>
        {
            _waiting.Enqueue(message.Clip);
            if (!_sending) SendAll();
        });
        Receive<Gone>(_ =>
        {
            TellSent();
            SendAll();
        });
        Receive<Status.Failure>(message => throw message.Cause);
        ActorMetrics.WatchMailbox(Self, "outlet");
    }

    /// <inheritdoc/>
    protected override void PostStop()
    {
        foreach (Clip clip in _waiting) clip.Dispose();
    }

    private void SendAll()
    {
        _sending = false;
        while (_waiting.TryDequeue(out Clip? clip))
        {
            Task sent = _meter.SendAsync(() => SendAsync(clip));
            if (!sent.IsCompletedSuccessfully)
            {
                _sending = true;
                sent.PipeTo(Self, success: static () => Gone.Instance);
                return;
            }
            TellSent();
        }
    }

    private void TellSent() => _pool.Tell(DecoderPool.Sent.Instance, Context.Parent);

    private async Task SendAsync(Clip clip)
    {
        using (clip) await _sender.SendAsync(clip);                  // given back even where the actor ends meanwhile
    }
}
