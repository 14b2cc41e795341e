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
    private readonly ClipSender _sender;

    /// <summary>An outlet, child of a <see cref="DecoderNodeLink"/>.</summary>
    /// <param name="sender">Sends the clips.</param>
    /// <param name="meter">Told what sending took.</param>
    /// <param name="pool">Told, in the link's name, that a clip has left.</param>
    public DecoderNodeOutlet(ClipSender sender, DecodeMeter meter, IActorRef pool)
    {
        _sender = sender;
        IActorRef link = Context.Parent;
        ReceiveAsync<BatchCollator.ClipDecoded>(async message =>
        {
            await meter.SendAsync(() => SendAsync(message.Clip));
            pool.Tell(DecoderPool.Sent.Instance, link);
        });
        ActorMetrics.WatchMailbox(Self, "outlet");
    }

    private async Task SendAsync(Clip clip)
    {
        // Not in the actor's context: the clip is given back even where the actor ends meanwhile.
        using (clip) await _sender.SendAsync(clip).ConfigureAwait(false);
    }
}
