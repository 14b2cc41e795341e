using Akka.Actor;
using Alpro.Actors.Insight;
using Alpro.Actors.Distributed.Transport;
using Alpro.Actors.Pipeline;
using Alpro.Data.Sampling;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Distributed.Decoding;

/// <summary>
/// The decode node's end of a link to one training node. It offers the node's decoders, connects, and has each granted clip made by the
/// <see cref="DecoderPool"/>, whose clips go out through its <see cref="DecoderNodeOutlet"/>. Whatever goes wrong with the link ends this
/// actor; the <see cref="DecodeSupervisor"/> starts the next, which offers itself anew.
/// </summary>
internal sealed class DecoderNodeLink : ReceiveActor, IWithTimers, IWithUnboundedStash
{
    /// <summary>Sent by the <see cref="TrainerGate"/>: bring clips there, and show this token.</summary>
    public sealed record Welcome(string Host, int Port, string Token) : IWireMessage;

    /// <summary>Sent by the <see cref="TrainerGate"/>: this node's clips would not be those of the run.</summary>
    public sealed record Refused(string Reason) : IWireMessage;

    /// <summary>Sent by a <see cref="TrainerLink"/>: make this clip.</summary>
    public sealed record Grant(ClipRequest Request) : IWireMessage;

    /// <summary>Sent by the <see cref="DecodeSupervisor"/>: others serve the trainer from now on. What was granted is still made.</summary>
    public sealed record Retire
    {
        public static readonly Retire Instance = new();
    }

    private sealed record OfferAgain
    {
        public static readonly OfferAgain Instance = new();
    }

    private sealed record Connected(Stream Stream);

    private sealed record Closed;

    /// <summary>Also the wait before the first offer: a link that breaks as soon as it is made keeps nobody busy.</summary>
    private static readonly TimeSpan _offerEvery = TimeSpan.FromMilliseconds(500);

    private readonly ActorSelection _gate;
    private readonly DecodeSupervisor.Work _work;
    private readonly IActorRef _pool;
    private readonly ILogger _log = Context.System.Log();
    private readonly CancellationTokenSource _stop = new();
    private IActorRef _link = ActorRefs.Nobody, _outlet = ActorRefs.Nobody;
    private Stream? _stream;
    private bool _retiring;

    /// <summary>A link to the training node at an address.</summary>
    /// <param name="trainer">The address.</param>
    /// <param name="work">What the decode node works with.</param>
    /// <param name="pool">Its decoders.</param>
    public DecoderNodeLink(Address trainer, DecodeSupervisor.Work work, IActorRef pool)
    {
        _gate = Context.ActorSelection(new RootActorPath(trainer) / "user" / TrainerGate.Name);
        (_work, _pool) = (work, pool);
        ActorMetrics.WatchMailbox(Self, "link");
        Become(Offering);
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc/>
    public IStash Stash { get; set; } = null!;

    /// <inheritdoc/>
    protected override void PreStart() => Timers.StartPeriodicTimer(nameof(OfferAgain), OfferAgain.Instance, _offerEvery, _offerEvery);

    /// <inheritdoc/>
    protected override void PostStop()
    {
        _stop.Cancel();
        _stream?.Dispose();
    }

    /// <inheritdoc/>
    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(_ => Directive.Escalate);

    private void Offering()
    {
        Receive<OfferAgain>(_ => _gate.Tell(new TrainerGate.Offer(_work.Settings.Decoders, _work.Data)));
        Receive<Refused>(message => Context.Parent.Forward(message));
        Receive<Welcome>(message =>
        {
            Timers.Cancel(nameof(OfferAgain));
            _work.Connect(message, _stop.Token)
                .PipeTo(Self, success: stream => new Connected(stream), failure: error => new Status.Failure(error));
            Become(Connecting);
        });
        Receive<Retire>(_ => Context.Stop(Self));
    }

    private void Connecting()
    {
        Receive<Connected>(message => OnConnected(message.Stream));
        Receive<Status.Failure>(message => throw message.Cause);
        Receive<OfferAgain>(static _ => { });
        ReceiveAny(_ => Stash.Stash());                              // grants may be here before the connection is
    }

    private void OnConnected(Stream stream)
    {
        _stream = stream;
        _log.LinkOpened(_gate.Anchor.Path.Address.Endpoint());
        // Nothing is sent this way: what can be read is that the other end has gone.
        stream.ReadAsync(new byte[1], _stop.Token).AsTask().PipeTo(Self, success: _ => new Closed(), failure: _ => new Closed());
        (ClipSender sender, DecodeMeter meter, IActorRef pool) = (new(_work.Wire(stream), new(_work.Clips)), new(), _pool);
        _outlet = Context.ActorOf(Props.Create(() => new DecoderNodeOutlet(sender, meter, pool)), "outlet");
        _pool.Tell(new DecoderPool.Join(_outlet, meter));
        Become(Serving);
        Stash.UnstashAll();
    }

    private void Serving()
    {
        Receive<Grant>(message =>
        {
            if (_link.IsNobody()) _link = Context.Watch(Sender);
            _pool.Tell(new DecoderPool.Make(message.Request));
        });
        Receive<ClipCoordinator.ClipRejected>(message => _link.Tell(new TrainerLink.Unreadable(message.Rejection)));
        Receive<DecoderPool.DecoderDied>(message => _link.Tell(new TrainerLink.DecoderDied(message.Request)));
        Receive<DecoderPool.Worked>(message => _link.Tell(new TrainerLink.Worked(message.Decoders, message.Load)));
        Receive<Retire>(_ =>
        {
            _retiring = true;
            if (_link.IsNobody()) Context.Stop(Self);
            else _link.Tell(TrainerLink.Retire.Instance);
        });
        Receive<Terminated>(_ => OnEnded("the training node ended the link"));
        Receive<Closed>(_ => OnEnded("the training node closed the connection"));
    }

    private void OnEnded(string how)
    {
        if (!_retiring) throw new IOException(how);
        Context.Stop(Self);
    }
}
