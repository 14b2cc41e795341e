using Akka.Actor;
using Alpro.Actors.Insight;
using Alpro.Data.Clips;
using Alpro.Data.Media;
using Alpro.Data.Sampling;

namespace Alpro.Actors.Pipeline;

/// <summary>
/// Makes one clip after another: read, crop, augment and tokenize are one call on this actor's own thread. An unreadable file is
/// reported as a fact; any other failure stops the actor, whose clip is then given to another.
/// </summary>
internal sealed class ClipDecoder : ReceiveActor
{
    /// <summary>Sent by the <see cref="ClipCoordinator"/> in answer to a request for work: what to make, and who gets it.</summary>
    public sealed record Decode(ClipRequest Request, IActorRef Collator);

    private readonly IActorRef _coordinator;
    private readonly Func<IClipSource> _open;
    private IClipSource? _source;

    /// <summary>A decoder that opens its source when it starts.</summary>
    /// <param name="coordinator">Who hands out clips.</param>
    /// <param name="open">Opens the source.</param>
    /// <param name="meter">Told what each clip took.</param>
    public ClipDecoder(IActorRef coordinator, Func<IClipSource> open, DecodeMeter meter)
    {
        _coordinator = coordinator;
        _open = open;
        Receive<Decode>(message =>
        {
            try
            {
                message.Collator.Tell(new BatchCollator.ClipDecoded(meter.Clip(_source!, message.Request)));
            }
            catch (UnreadableClipException exception)
            {
                coordinator.Tell(new ClipCoordinator.ClipRejected(new(message.Request, exception.Path, exception.Reason,
                    exception.Finding)));
            }
            coordinator.Tell(ClipCoordinator.RequestClip.Instance);
        });
        ActorMetrics.WatchMailbox(Self, "decoder");
    }

    /// <inheritdoc/>
    protected override void PreStart()
    {
        _source = _open();
        _coordinator.Tell(ClipCoordinator.RequestClip.Instance);
    }

    /// <inheritdoc/>
    protected override void PostStop() => _source?.Dispose();
}
