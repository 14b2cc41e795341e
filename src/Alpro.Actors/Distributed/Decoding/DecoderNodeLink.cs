using Akka.Actor;
using Alpro.Actors.Insight;
using Alpro.Actors.Distributed.Transport;
using Alpro.Actors.Pipeline;
using Alpro.Data.Clips;
using Alpro.Data.Sampling;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Distributed.Decoding;

/// <summary>
/// The decode node's end of a link to one training node. It offers the node's decoders, connects, and hands each granted clip to a free
/// decoder. To its decoders it is the coordinator, and its <see cref="DecoderNodeOutlet"/> is the collator. Whatever goes wrong with the
/// link ends this actor; the <see cref="DecodeSupervisor"/> starts the next, which offers itself anew.
/// </summary>
internal sealed class DecoderNodeLink : ReceiveActor, IWithTimers
{
    /// <summary>Sent by the <see cref="TrainerGate"/>: bring clips there, and show this token.</summary>
    public sealed record Welcome(string Host, int Port, string Token) : IWireMessage;

    /// <summary>Sent by the <see cref="TrainerGate"/>: this node's clips would not be those of the run.</summary>
    public sealed record Refused(string Reason) : IWireMessage;

    /// <summary>Sent by a <see cref="TrainerLink"/>: make this clip.</summary>
    public sealed record Grant(ClipRequest Request) : IWireMessage;

    /// <summary>Time to say what the decoders have done.</summary>
    private sealed record TellWork
    {
        public static readonly TellWork Instance = new();
    }

    private sealed record OfferAgain
    {
        public static readonly OfferAgain Instance = new();
    }

    private sealed record Connected(Stream Stream);

    private sealed record Closed;

    /// <summary>Also the wait before the first offer: a link that breaks as soon as it is made keeps nobody busy.</summary>
    private static readonly TimeSpan _offerEvery = TimeSpan.FromMilliseconds(500);

    private static readonly TimeSpan _tellEvery = TimeSpan.FromSeconds(1);

    private readonly ActorSelection _gate;
    private readonly DecodeSupervisor.Work _work;
    private readonly ILogger _log = Context.System.Log();
    private readonly CancellationTokenSource _stop = new();
    private readonly DeathRate _deaths;
    private readonly Queue<ClipRequest> _waiting = new();
    private readonly List<IActorRef> _idle = [];
    private readonly Dictionary<IActorRef, ClipRequest> _busy = [];
    private IActorRef _link = ActorRefs.Nobody, _outlet = ActorRefs.Nobody;
    private readonly DecodeMeter _meter = new();
    private DecodeLoad _told = DecodeLoad.None;
    private Stream? _stream;
    private Exception? _lastDeath;

    /// <summary>A link to the training node at an address.</summary>
    public DecoderNodeLink(Address trainer, DecodeSupervisor.Work work)
    {
        _gate = Context.ActorSelection(new RootActorPath(trainer) / "user" / TrainerGate.Name);
        _work = work;
        _deaths = new(work.Settings.MaxDecoderDeathsPerMinute, TimeSpan.FromMinutes(1), TimeProvider.System);
        ActorMetrics.WatchQueue(Self, "grants", () => _waiting.Count);
        ActorMetrics.WatchMailbox(Self, "link");
        Become(Offering);
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc/>
    protected override void PreStart() => Timers.StartPeriodicTimer(nameof(OfferAgain), OfferAgain.Instance, _offerEvery, _offerEvery);

    /// <inheritdoc/>
    protected override void PostStop()
    {
        _stop.Cancel();
        _stream?.Dispose();
    }

    /// <inheritdoc/>
    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(error =>
    {
        if (Sender.Equals(_outlet)) return Directive.Escalate;
        _lastDeath = error;
        return Directive.Stop;                                       // a decoder: a new one starts
    });

    private void Offering()
    {
        Receive<OfferAgain>(_ => _gate.Tell(new TrainerGate.Offer(_work.Settings.Decoders, _work.Data)));
        Receive<Refused>(message => Context.Parent.Forward(message));
        Receive<Welcome>(message =>
        {
            Timers.Cancel(nameof(OfferAgain));
            DataPlane.ConnectAsync(message.Host, message.Port, message.Token, _work.Certificates, _stop.Token)
                .PipeTo(Self, success: stream => new Connected(stream), failure: error => new Status.Failure(error));
            Become(Serving);
        });
    }

    private void Serving()
    {
        Receive<Connected>(message => OnConnected(message.Stream));
        Receive<Grant>(message =>
        {
            if (_link.IsNobody())
            {
                _link = Context.Watch(Sender);
                Timers.StartPeriodicTimer(nameof(TellWork), TellWork.Instance, _tellEvery, _tellEvery);
            }
            _waiting.Enqueue(message.Request);
            Dispatch();
        });
        Receive<ClipCoordinator.ClipRejected>(message => _link.Tell(new TrainerLink.Unreadable(message.Rejection)));
        Receive<ClipCoordinator.RequestClip>(_ =>
        {
            _busy.Remove(Sender);
            _idle.Add(Sender);
            Dispatch();
        });
        Receive<TellWork>(_ =>
        {
            DecodeLoad load = _meter.Load;
            _link.Tell(new TrainerLink.Worked(_work.Settings.Computing ?? _work.Settings.Decoders, load - _told));
            _told = load;
        });
        Receive<Terminated>(message => OnTerminated(message.ActorRef));
        Receive<Status.Failure>(message => throw message.Cause);
        Receive<Closed>(_ => throw new IOException("the training node closed the connection"));
    }

    private void OnConnected(Stream stream)
    {
        _stream = stream;
        _log.LinkOpened(_gate.Anchor.Path.Address.Endpoint());
        // Nothing is sent this way: what can be read is that the other end has gone.
        stream.ReadAsync(new byte[1], _stop.Token).AsTask().PipeTo(Self, success: _ => new Closed(), failure: _ => new Closed());
        (ClipSender sender, DecodeMeter meter) = (new(_work.Wire(stream), new(_work.Clips)), _meter);
        _outlet = Context.ActorOf(Props.Create(() => new DecoderNodeOutlet(sender, meter)).WithDispatcher("decode-dispatcher"), "outlet");
        for (int decoder = 0; decoder < _work.Settings.Decoders; decoder++) StartDecoder();
    }

    private void StartDecoder()
    {
        (IActorRef self, Func<IClipSource> open, DecodeMeter meter) = (Self, _work.Open, _meter);
        Context.Watch(Context.ActorOf(Props.Create(() => new ClipDecoder(self, open, meter)).WithDispatcher("decode-dispatcher")));
    }

    private void Dispatch()
    {
        while (_idle.Count > 0 && _waiting.TryDequeue(out ClipRequest? request))
        {
            IActorRef decoder = _idle[^1];
            _idle.RemoveAt(_idle.Count - 1);
            _busy[decoder] = request;
            decoder.Tell(new ClipDecoder.Decode(request, _outlet));
        }
    }

    private void OnTerminated(IActorRef actor)
    {
        if (actor.Equals(_link)) throw new IOException("the training node ended the link");
        if (_deaths.Exceeded(out int deaths)) throw new DecodersDyingException(deaths, _lastDeath);
        _idle.Remove(actor);
        if (_busy.Remove(actor, out ClipRequest? request)) _link.Tell(new TrainerLink.DecoderDied(request));
        StartDecoder();
    }
}
