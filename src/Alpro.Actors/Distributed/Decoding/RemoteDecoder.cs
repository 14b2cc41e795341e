using Akka.Actor;
using Alpro.Actors.Pipeline;
using Alpro.Data.Clips;

namespace Alpro.Actors.Distributed.Decoding;

/// <summary>
/// Stands at the training node for one clip in the hands of a decode node, and speaks to the <see cref="ClipCoordinator"/> as a
/// <see cref="ClipDecoder"/> does. It asks for the next clip when the last has arrived here, not when it was made over there. So the
/// coordinator still counts a clip lost on the way as held, and gives it to another when this actor stops.
/// </summary>
internal sealed class RemoteDecoder : ReceiveActor
{
    /// <summary>Told by the <see cref="TrainerLink"/>'s reading thread: the clip has come.</summary>
    public sealed record Arrived(Clip Clip);

    /// <summary>Told by the <see cref="TrainerLink"/>: end, with the clip that is on its way if there is one.</summary>
    public sealed record Leave
    {
        public static readonly Leave Instance = new();
    }

    private readonly IActorRef _pipeline;
    private IActorRef _collator = ActorRefs.Nobody;
    private bool _busy, _leaving;

    /// <summary>A stand-in, child of a <see cref="TrainerLink"/>, that works for a <see cref="ClipPipeline"/>.</summary>
    public RemoteDecoder(IActorRef pipeline)
    {
        _pipeline = pipeline;
        Receive<ClipDecoder.Decode>(message =>
        {
            (_collator, _busy) = (message.Collator, true);
            Context.Parent.Tell(new TrainerLink.Make(message.Request));
        });
        Receive<Arrived>(message =>
        {
            _collator.Tell(new BatchCollator.ClipDecoded(message.Clip));
            GoOn();
        });
        Receive<TrainerLink.Unreadable>(message =>
        {
            pipeline.Tell(new ClipCoordinator.ClipRejected(message.Rejection));
            GoOn();
        });
        Receive<Leave>(_ =>
        {
            _leaving = true;
            if (!_busy) Context.Stop(Self);
        });
    }

    /// <inheritdoc/>
    protected override void PreStart() => _pipeline.Tell(ClipCoordinator.RequestClip.Instance);

    private void GoOn()
    {
        _busy = false;
        _pipeline.Tell(_leaving ? ClipCoordinator.LeaveWork.Instance : ClipCoordinator.RequestClip.Instance);
        if (_leaving) Context.Stop(Self);
    }
}
