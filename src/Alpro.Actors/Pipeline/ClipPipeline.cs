using System.Threading.Channels;
using Akka.Actor;
using Alpro.Data.Batches;
using Alpro.Data.Clips;

namespace Alpro.Actors.Pipeline;

/// <summary>
/// The stream from a plan to a bounded channel of batches: one <see cref="ClipCoordinator"/> with its collator, and the decoders,
/// which it replaces when they die. A fault of the stream itself closes the channel with the exception, so that whoever reads
/// sees it where the batch was expected.
/// </summary>
public sealed class ClipPipeline : ReceiveActor
{
    private readonly Props _coordinator;
    private readonly Func<IClipSource> _open;
    private readonly ActorSettings _settings;
    private readonly ChannelWriter<ClipBatch> _batches;
    private readonly DeathRate _deaths;
    private IActorRef _clips = ActorRefs.Nobody;
    private Exception? _lastDeath;
    private int _started;

    /// <summary>A pipeline whose coordinator is made from <paramref name="coordinator"/> and whose decoders open a source each.</summary>
    public ClipPipeline(Props coordinator, Func<IClipSource> open, ActorSettings settings, ChannelWriter<ClipBatch> batches, TimeProvider time)
    {
        _coordinator = coordinator;
        _open = open;
        _settings = settings;
        _batches = batches;
        _deaths = new(settings.MaxDecoderDeathsPerMinute, TimeSpan.FromMinutes(1), time);
        Receive<Terminated>(_ => OnDecoderDied());
        Receive<ClipCoordinator.DecoderAbandoned>(message =>
        {
            Context.Stop(message.Decoder);
            if (!message.Decoder.Path.Parent.Equals(Self.Path)) return;  // another node's: whoever keeps it there sees to it
            Context.Unwatch(message.Decoder);
            OnDecoderDied();
        });
        // Decoders of other nodes know this door alone.
        Receive<ClipCoordinator.RequestClip>(message => _clips.Forward(message));
        Receive<ClipCoordinator.ClipRejected>(message => _clips.Forward(message));
    }

    /// <inheritdoc/>
    protected override void PreStart()
    {
        _clips = Context.ActorOf(_coordinator, "coordinator");
        for (int decoder = 0; decoder < _settings.Decoders; decoder++) StartDecoder();
    }

    /// <inheritdoc/>
    protected override void PostStop() => _batches.TryComplete();

    /// <inheritdoc/>
    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(error =>
    {
        if (!Sender.Equals(_clips))
        {
            _lastDeath = error;
            return Directive.Stop;                                   // a decoder: its clip goes to another, a new one starts
        }
        _batches.TryComplete(error);
        Context.Stop(Self);
        return Directive.Stop;
    });

    private void OnDecoderDied()
    {
        if (_deaths.Exceeded(out int deaths))
        {
            _batches.TryComplete(new DecodersDyingException(deaths, _lastDeath));
            Context.Stop(Self);
            return;
        }
        StartDecoder();
    }

    private void StartDecoder()
    {
        IActorRef coordinator = _clips;
        Func<IClipSource> open = _open;
        Context.Watch(Context.ActorOf(Props.Create(() => new ClipDecoder(coordinator, open)).WithDispatcher("decode-dispatcher"), $"decoder-{_started++}"));
    }
}

/// <summary>Decoders die faster than is worth replacing them.</summary>
public sealed class DecodersDyingException(int deaths, Exception? cause) : RunFailedException(
    $"{deaths} decoders died within a minute (alpro.max-decoder-deaths-per-minute), the last of {cause?.Message ?? "a hang"}. " +
    "A crash in native code can be kept away from the run with alpro.isolation = process.", cause);
