using Akka.Actor;
using Alpro.Actors.Insight;
using Alpro.Data.Clips;

namespace Alpro.Actors.Pipeline;

/// <summary>
/// The stream from a plan to a bounded channel of batches: one <see cref="ClipCoordinator"/> with its collator, and the decoders,
/// which it replaces when they die. A fault of the stream itself closes the channel with the exception, so that whoever reads
/// sees it where the batch was expected.
/// </summary>
internal sealed class ClipPipeline : ReceiveActor
{
    private readonly PipelineJob _job;
    private readonly Func<IClipSource> _open;
    private readonly ActorSettings _settings;
    private readonly TimeProvider _time;
    private readonly DeathRate _deaths;
    private IActorRef _clips = ActorRefs.Nobody;
    private Exception? _lastDeath;
    private int _started;

    /// <summary>A pipeline whose decoders open a source each.</summary>
    public ClipPipeline(PipelineJob job, Func<IClipSource> open, ActorSettings settings, TimeProvider time)
    {
        (_job, _open, _settings, _time) = (job, open, settings, time);
        _deaths = new(settings.MaxDecoderDeathsPerMinute, TimeSpan.FromMinutes(1), time);
        Receive<Terminated>(_ => OnDecoderDied());
        Receive<ClipCoordinator.DecoderAbandoned>(message =>
        {
            Context.Stop(message.Decoder);
            if (!message.Decoder.Path.Parent.Equals(Self.Path)) return;  // another node's, which sees to it
            Context.Unwatch(message.Decoder);
            OnDecoderDied();
        });
        // Decoders of other nodes know this door alone.
        Receive<ClipCoordinator.RequestClip>(message => _clips.Forward(message));
        Receive<ClipCoordinator.ClipRejected>(message => _clips.Forward(message));
        Receive<ClipCoordinator.LeaveWork>(message => _clips.Forward(message));
        ActorMetrics.WatchMailbox(Self, "pipeline");
    }

    /// <inheritdoc/>
    protected override void PreStart()
    {
        (PipelineJob job, ActorSettings settings, TimeProvider time) = (_job, _settings, _time);
        _clips = Context.ActorOf(Props.Create(() => new ClipCoordinator(job, settings, time)), "coordinator");
        _job.Ledger.Meter(Measurements.Here).Decoders = _settings.Computing ?? _settings.Decoders;
        for (int decoder = 0; decoder < _settings.Decoders; decoder++) StartDecoder();
    }

    /// <inheritdoc/>
    protected override void PostStop() => _job.Batches.TryComplete();

    /// <inheritdoc/>
    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(error =>
    {
        if (!Sender.Equals(_clips))
        {
            _lastDeath = error;
            return Directive.Stop;                                   // a decoder: its clip goes to another, a new one starts
        }
        _job.Batches.TryComplete(error);
        Context.Stop(Self);
        return Directive.Stop;
    });

    private void OnDecoderDied()
    {
        if (_deaths.Exceeded(out int deaths))
        {
            _job.Batches.TryComplete(new DecodersDyingException(deaths, _lastDeath));
            Context.Stop(Self);
            return;
        }
        StartDecoder();
    }

    private void StartDecoder()
    {
        IActorRef coordinator = _clips;
        (Func<IClipSource> open, DecodeMeter meter) = (_open, _job.Ledger.Meter(Measurements.Here));
        Context.Watch(Context.ActorOf(Props.Create(() => new ClipDecoder(coordinator, open, meter)).WithDispatcher("decode-dispatcher"),
            $"decoder-{_started++}"));
    }
}

/// <summary>Decoders die faster than is worth replacing them.</summary>
internal sealed class DecodersDyingException(int deaths, Exception? cause) : RunFailedException(
    $"{deaths} decoders died within a minute (alpro.max-decoder-deaths-per-minute), the last of {cause?.Message ?? "a hang"}. " +
    "A crash in native code can be kept away from the run with alpro.isolation = process.", cause);
