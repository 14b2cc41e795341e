using Akka.Actor;
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
    public DecoderNodeOutlet(ClipSender sender)
    {
        Receive<BatchCollator.ClipDecoded>(message =>
        {
            using Clip clip = message.Clip;
            sender.Send(clip);
        });
        ActorMetrics.WatchMailbox(Self, "outlet");
    }
}
