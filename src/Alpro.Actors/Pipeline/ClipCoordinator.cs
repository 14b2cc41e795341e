using Akka.Actor;
using Alpro.Data.Clips;
using Alpro.Data.Media;
using Alpro.Data.Sampling;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Pipeline;

/// <summary>
/// Hands out the plan's clips, in order, to whoever asks: decoders here or on other nodes. It grants only inside a window of
/// steps beyond the last delivered batch (<see cref="StepWindow"/>). A clip costs the same however many decoders there are. It remembers
/// who holds what, and gives a clip to another when its holder dies. What the decoders
/// make goes to its child, the <see cref="BatchCollator"/>. Restarting either would lose the order, so a fault in them ends the stream.
/// </summary>
internal sealed class ClipCoordinator : ReceiveActor, IWithTimers
{
    /// <summary>
    /// Sent by a <see cref="ClipDecoder"/> that is free: what it held before, it has delivered or reported as unreadable.
    /// </summary>
    public sealed record RequestClip
    {
        public static readonly RequestClip Instance = new();
    }

    /// <summary>Sent by a decoder that is about to end: what it held, it has delivered or reported as unreadable.</summary>
    public sealed record LeaveWork
    {
        public static readonly LeaveWork Instance = new();
    }

    /// <summary>Sent by a <see cref="ClipDecoder"/> before it asks for more: this clip cannot be made.</summary>
    public sealed record ClipRejected(Rejection Rejection);

    /// <summary>Sent by the <see cref="BatchCollator"/> when the batch of a step has gone into the channel: the window moves on.</summary>
    public sealed record WindowFreed(long Step);

    /// <summary>Sent to the parent when a decoder has not answered for too long: start another in its place.</summary>
    public sealed record DecoderAbandoned(IActorRef Decoder);

    private sealed record CheckLeases;

    private sealed record GiveOutAgain(ClipRequest Request);

    /// <summary>
    /// How long a clip waits that was lost more than once: where many nodes are lost together, it would pass from one to the next, and be
    /// taken for what killed them.
    /// </summary>
    private static readonly TimeSpan _pause = TimeSpan.FromSeconds(1);

    /// <summary>The bounds that end a run.</summary>
    /// <param name="MaxRejectedFraction">Share of the clips that may be unreadable.</param>
    /// <param name="Window">The latest clips, of which that share is taken.</param>
    public sealed record Bounds(double MaxRejectedFraction, long Window)
    {
        /// <summary>
        /// Clips of the window that may be unreadable: where that share of the rows is, chance hardly ever brings four standard deviations
        /// more together.
        /// </summary>
        public double Allowed => MaxRejectedFraction * Window + 4 * Math.Sqrt(MaxRejectedFraction * Window);
    }

    private sealed record Lease(ClipRequest Request, long Since);

    private readonly PipelineJob _job;
    private readonly ActorSettings _settings;
    private readonly IActorRef _collator;
    private readonly TimeProvider _time;
    private readonly ILogger _log = Context.System.Log();
    private readonly Dictionary<IActorRef, Lease> _leases = [];
    private readonly Dictionary<ClipRequest, int> _deaths = [];
    private readonly Dictionary<ClipRequest, long> _lost = [];
    private readonly Queue<ClipRequest> _returned = new();
    private readonly Queue<IActorRef> _idle = new();                // those that have ended since are passed over
    private readonly HashSet<IActorRef> _decoders = [];
    private long _step;
    private int _slot;
    private readonly StepWindow _window;
    private long _windowEnd;

    /// <summary>A coordinator of a <see cref="ClipPipeline"/>.</summary>
    public ClipCoordinator(PipelineJob job, ActorSettings settings, TimeProvider time)
    {
        (_job, _settings, _time, _step, _windowEnd) = (job, settings, time, job.FirstStep, job.FirstStep + settings.Window);
        var layout = new ClipLayout(job.Clips);
        long clipSize = layout.PixelBytes + sizeof(int) * layout.Numbers;
        _window = new(settings.Window, settings.WindowSize, clipSize * job.Plan.Places(job.FirstStep), time);
        _collator = Context.ActorOf(Props.Create(() => new BatchCollator(job)), "collator");
        Receive<RequestClip>(_ => OnRequestClip());
        Receive<LeaveWork>(_ =>
        {
            if (_leases.Remove(Sender, out Lease? finished)) OnFinished(finished);
        });
        Receive<ClipRejected>(message => OnRejected(message.Rejection));
        Receive<WindowFreed>(message => OnWindowFreed(message.Step));
        Receive<Terminated>(message => OnDecoderDied(message.ActorRef));
        Receive<CheckLeases>(_ => OnCheckLeases());
        Receive<GiveOutAgain>(message =>
        {
            _returned.Enqueue(message.Request);
            Grant();
        });
        ActorMetrics.WatchInHand(Self, () => job.Ledger.InHand);
        ActorMetrics.WatchQueue(Self, "decoders", () => _leases.Count);
        ActorMetrics.WatchMailbox(Self, "coordinator");
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc/>
    protected override void PreStart() => Timers.StartPeriodicTimer(nameof(CheckLeases), new CheckLeases(), _settings.LeaseTimeout / 4);

    /// <inheritdoc/>
    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(_ => Directive.Escalate);

    private void OnRequestClip()
    {
        if (_leases.Remove(Sender, out Lease? finished)) OnFinished(finished);
        if (_decoders.Add(Sender)) Context.Watch(Sender);
        _idle.Enqueue(Sender);
        Grant();
    }

    private void OnFinished(Lease finished)
    {
        ClipRequest request = finished.Request;
        _window.Clip(finished.Since);
        _deaths.Remove(request);
        if (!_lost.Remove(request, out long since)) return;
        TimeSpan after = _time.GetElapsedTime(since);
        _job.Ledger.Replace(after);
        _log.ClipMadeByAnother(request.Step, request.Slot, after.TotalMilliseconds);
    }

    private void OnRejected(Rejection rejection)
    {
        // A decoder that was given up as hung may still answer: its clip is somebody else's by now.
        if (_leases.TryGetValue(Sender, out Lease? lease) && lease.Request == rejection.Request) Reject(rejection);
    }

    private void OnWindowFreed(long step)
    {
        _window.Step();
        _windowEnd = Math.Max(_windowEnd, step + 1 + _window.Steps);
        Grant();
    }

    private void OnDecoderDied(IActorRef decoder)
    {
        _decoders.Remove(decoder);                                   // or it would be given a clip that it never makes
        if (!_leases.Remove(decoder, out Lease? lease)) return;
        ClipRequest request = lease.Request;
        int deaths = _deaths[request] = _deaths.GetValueOrDefault(request) + 1;
        if (deaths < _settings.AttemptsPerClip)
        {
            _job.Ledger.Redeliver();
            _lost.TryAdd(request, _time.GetTimestamp());
            if (deaths == 1) _returned.Enqueue(request);
            else Timers.StartSingleTimer(request, new GiveOutAgain(request), _pause);
        }
        else
        {
            _deaths.Remove(request);
            _lost.Remove(request);
            Reject(new(request, $"corpus {request.Corpus} row {request.Row}", RejectReason.DecoderDied,
                $"its decoder died {deaths} times"));
        }
        Grant();
    }

    private void OnCheckLeases()
    {
        foreach (IActorRef decoder in _leases.Where(lease => _time.GetElapsedTime(lease.Value.Since) > _settings.LeaseTimeout)
            .Select(lease => lease.Key).ToList())
        {
            Context.Unwatch(decoder);
            Context.Parent.Tell(new DecoderAbandoned(decoder));
            OnDecoderDied(decoder);
        }
    }

    private void Reject(Rejection rejection)
    {
        _job.Ledger.Reject(rejection);
        int rejected = _job.Ledger.RejectedAmong(_job.Bounds.Window);
        if (rejected > _job.Bounds.Allowed) throw new TooManyRejectedException(rejected, _job.Bounds, rejection);
        ClipRequest request = rejection.Request;
        if (!_job.Plan.ReplacesUnreadable)
        {
            _collator.Tell(new BatchCollator.PlaceEmpty(request));
            return;
        }
        _job.Ledger.Plan();
        _returned.Enqueue(_job.Plan.Request(request.Step, request.Slot, request.Attempt + 1));
    }

    private void Grant()
    {
        while (true)
        {
            while (_idle.TryPeek(out IActorRef? gone) && !_decoders.Contains(gone)) _idle.Dequeue();
            if (_idle.Count == 0 || Next() is not { } request) return;
            IActorRef decoder = _idle.Dequeue();
            _leases[decoder] = new(request, _time.GetTimestamp());
            decoder.Tell(new ClipDecoder.Decode(request, _collator));
        }
    }

    // What came back goes first: it belongs to the oldest steps, on which the trainer waits.
    private ClipRequest? Next()
    {
        if (_returned.TryDequeue(out ClipRequest? returned)) return returned;
        if (_step >= Math.Min(_job.EndStep, _windowEnd)) return null;
        ClipRequest request = _job.Plan.Request(_step, _slot);
        _job.Ledger.Plan();
        if (++_slot == _job.Plan.Places(_step)) (_step, _slot) = (_step + 1, 0);
        return request;
    }
}

/// <summary>More clips are unreadable than the configuration allows.</summary>
internal sealed class TooManyRejectedException(int rejected, ClipCoordinator.Bounds bounds, Rejection latest) : RunFailedException(
    $"{rejected} of the latest {bounds.Window} clips are unreadable, more than data.maxRejectedFraction = {bounds.MaxRejectedFraction} "
    + "allows; " +
    $"the last: {latest.Path}: {latest.Message}. The list is in unreadable.csv; 'alpro scan' checks a whole corpus.");
