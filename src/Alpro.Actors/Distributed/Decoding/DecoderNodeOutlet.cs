using Akka.Actor;
using Alpro.Actors.Insight;
using Alpro.Actors.Pipeline;
using Alpro.Data.Clips;

namespace Alpro.Actors.Distributed.Decoding;

/// <summary>
/// Sends a decode node's finished clips, one after another, on a thread of its own, and waits while the training node takes no more. To the
/// node's decoders it is the collator.
/// </summary>
internal sealed class DecoderNodeOutlet : ReceiveActor
{
    /// <summary>An outlet, child of a <see cref="DecoderNodeLink"/>.</summary>
    /// <param name="sender">Sends them.</param>
    /// <param name="meter">Told what sending took.</param>
    public DecoderNodeOutlet(ClipSender sender, DecodeMeter meter)
    {
        Receive<BatchCollator.ClipDecoded>(message =>
        {
            using Clip clip = message.Clip;
            meter.Send(() => sender.Send(clip));
        });
        ActorMetrics.WatchMailbox(Self, "outlet");
    }
}
