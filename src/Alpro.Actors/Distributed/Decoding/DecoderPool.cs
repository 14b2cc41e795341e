using Akka.Actor;
using Alpro.Actors.Insight;
using Alpro.Actors.Pipeline;
using Alpro.Data.Clips;
using Alpro.Data.Sampling;

namespace Alpro.Actors.Distributed.Decoding;

/// <summary>
/// The decoders of a decode node, one set for all trainers that it serves. To the decoders it is the coordinator. The clip of the earliest
/// step is made first, because the trainers of a run wait for the one that is behind; at the same step, their links take turns. What one
/// does not ask for goes to the others. The clips that are made and not sent yet are bounded for the node. A link may hold no more of them
/// than there is room left: one whose trainer takes nothing leaves room for all decoders to work for the others.
/// </summary>
internal sealed class DecoderPool : ReceiveActor, IWithTimers
{
    /// <summary>Sent by a <see cref="DecoderNodeLink"/> that has its connection.</summary>
    /// <param name="Outlet">Gets the link's clips.</param>
    /// <param name="Meter">Told what making them took.</param>
    public sealed record Join(IActorRef Outlet, DecodeMeter Meter);

    /// <summary>Sent by a <see cref="DecoderNodeLink"/> that has joined: make this clip. A decoder's death is answered.</summary>
    public sealed record Make(ClipRequest Request);

    /// <summary>Sent by a <see cref="DecoderNodeOutlet"/>, as its link: a clip has left the node.</summary>
    public sealed record Sent
    {
        public static readonly Sent Instance = new();
    }

    /// <summary>Told to a link: the decoder of this clip died.</summary>
    public sealed record DecoderDied(ClipRequest Request);

    /// <summary>Told to every link each second: what was done for it since.</summary>
    /// <param name="Decoders">Decoders that worked for it, or would have if it had asked.</param>
    /// <param name="Load">What they did.</param>
    public sealed record Worked(int Decoders, DecodeLoad Load);

    private sealed record TellWork
    {
        public static readonly TellWork Instance = new();
    }

    /// <summary>Clips that may be in hand for each decoder; one link may have half of them.</summary>
    private const int RoomPerDecoder = 4;

    private static readonly TimeSpan _tellEvery = TimeSpan.FromSeconds(1);

    private sealed class Served(IActorRef link, Join joined)
    {
        public IActorRef Link { get; } = link;

        public IActorRef Outlet { get; } = joined.Outlet;

        public DecodeMeter Meter { get; } = joined.Meter;

        /// <summary>What it asked for, the earliest first.</summary>
        public PriorityQueue<ClipRequest, (long Step, int Slot)> Waiting { get; } = new();

        /// <summary>Clips that are made, or being made, and have not left.</summary>
        public int Held { get; set; }

        public DecodeLoad Told { get; set; } = DecodeLoad.None;
    }

    private sealed record Working(Served For, ClipRequest Request);

    private readonly Func<IClipSource> _open;
    private readonly int _decoders, _computing;
    private readonly TimeProvider _time;
    private readonly DeathRate _deaths;
    private readonly Dictionary<IActorRef, Served> _served = [];
    private readonly List<Served> _turns = [];                       // the same; whoever had a turn last is the last
    private readonly Dictionary<IActorRef, DecodeMeter> _meters = [];
    private readonly Stack<IActorRef> _idle = new();
    private readonly Dictionary<IActorRef, Working> _working = [];
    private int _held, _waiting;
    private long _told;
    private Exception? _lastDeath;

    /// <summary>A pool without decoders: they start when the first clip is asked for.</summary>
    /// <param name="open">Opens a source of clips, one for each decoder.</param>
    /// <param name="settings">How many decoders there are, and how many may die.</param>
    /// <param name="time">The clock.</param>
    public DecoderPool(Func<IClipSource> open, ActorSettings settings, TimeProvider time)
    {
        (_open, _decoders, _computing, _time) = (open, settings.Decoders, settings.Computing ?? settings.Decoders, time);
        _deaths = new(settings.MaxDecoderDeathsPerMinute, TimeSpan.FromMinutes(1), time);
        Receive<Join>(message =>
        {
            var joined = new Served(Context.Watch(Sender), message);
            _served[Sender] = joined;
            _turns.Add(joined);
        });
        Receive<Make>(message => OnMake(message.Request));
        Receive<Sent>(_ => OnSent());
        Receive<ClipCoordinator.RequestClip>(_ => OnRequestClip());
        Receive<ClipCoordinator.ClipRejected>(OnRejected);
        Receive<TellWork>(_ => OnTellWork());
        Receive<Terminated>(message => OnTerminated(message.ActorRef));
        ActorMetrics.WatchQueue(Self, "grants", () => _waiting);
        ActorMetrics.WatchMailbox(Self, "pool");
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc/>
    protected override void PreStart()
    {
        _told = _time.GetTimestamp();
        Timers.StartPeriodicTimer(nameof(TellWork), TellWork.Instance, _tellEvery);
    }

    /// <inheritdoc/>
    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(error =>
    {
        _lastDeath = error;
        return Directive.Stop;                                       // a new one starts
    });

    private int Room => RoomPerDecoder * _decoders - _held;

    private void OnMake(ClipRequest request)
    {
        if (!_served.TryGetValue(Sender, out Served? served)) return;
        while (_meters.Count < _decoders) StartDecoder();
        served.Waiting.Enqueue(request, (request.Step, request.Slot));
        _waiting++;
        Dispatch();
    }

    private void OnSent()
    {
        if (_served.TryGetValue(Sender, out Served? served)) Release(served);
        Dispatch();
    }

    private void OnRequestClip()
    {
        if (_working.Remove(Sender, out Working? done)) Count(Sender, done.For);
        _idle.Push(Sender);
        Dispatch();
    }

    private void OnRejected(ClipCoordinator.ClipRejected message)
    {
        Working working = _working[Sender];
        Release(working.For);
        working.For.Link.Tell(message);
    }

    private void Dispatch()
    {
        while (_idle.Count > 0 && NextTurn() is { } next)
        {
            IActorRef decoder = _idle.Pop();
            ClipRequest request = next.Waiting.Dequeue();
            (next.Held, _held, _waiting) = (next.Held + 1, _held + 1, _waiting - 1);
            _working[decoder] = new(next, request);
            decoder.Tell(new ClipDecoder.Decode(request, next.Outlet));
        }
    }

    /// <summary>A node serves few trainers: they are looked through.</summary>
    private Served? NextTurn()
    {
        (Served? next, long earliest) = (null, long.MaxValue);
        foreach (Served served in _turns)
            if (served.Held < Room && served.Waiting.TryPeek(out _, out (long Step, int Slot) first) && first.Step < earliest)
                (next, earliest) = (served, first.Step);
        if (next is null) return null;
        _turns.Remove(next);
        _turns.Add(next);
        return next;
    }

    private void Release(Served served)
    {
        if (!_served.ContainsKey(served.Link)) return;               // what it held went with it
        served.Held--;
        _held--;
    }

    /// <summary>What a decoder has done since it was counted last was for this link.</summary>
    private void Count(IActorRef decoder, Served served)
    {
        DecodeMeter meter = _meters[decoder];
        served.Meter.Add(meter.Load);
        meter.Add(DecodeLoad.None - meter.Load);
    }

    private void OnTellWork()
    {
        double seconds = _time.GetElapsedTime(_told).TotalSeconds;
        _told = _time.GetTimestamp();
        (Served Served, DecodeLoad Load)[] done = [.. _served.Values.Select(served => (served, served.Meter.Load - served.Told))];
        double busy = done.Sum(served => served.Load.Busy);
        foreach ((Served served, DecodeLoad load) in done)
        {
            served.Told += load;
            int others = (int)Math.Round((busy - load.Busy) / seconds);
            served.Link.Tell(new Worked(Math.Max(1, _computing - others), load));
        }
    }

    private void OnTerminated(IActorRef actor)
    {
        if (_served.Remove(actor, out Served? gone))
        {
            (_held, _waiting) = (_held - gone.Held, _waiting - gone.Waiting.Count);
            _turns.Remove(gone);
            Dispatch();
            return;
        }
        if (_deaths.Exceeded(out int deaths)) throw new DecodersDyingException(deaths, _lastDeath);
        if (_working.Remove(actor, out Working? working))
        {
            Release(working.For);
            working.For.Link.Tell(new DecoderDied(working.Request));
        }
        _meters.Remove(actor);
        StartDecoder();
    }

    private void StartDecoder()
    {
        (IActorRef self, Func<IClipSource> open, DecodeMeter meter) = (Self, _open, new());
        _meters[Context.Watch(Context.ActorOf(
            Props.Create(() => new ClipDecoder(self, open, meter)).WithDispatcher("decode-dispatcher")))] = meter;
    }
}
