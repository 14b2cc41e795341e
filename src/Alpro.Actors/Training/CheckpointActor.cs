using Akka.Actor;
using Alpro.Training;

namespace Alpro.Actors.Training;

/// <summary>
/// Writes snapshots to disk while training goes on. What fails (a full disk, a folder that cannot be written) is tried again with
/// growing waits; after too many tries the run fails, with the last good checkpoint as it was.
/// </summary>
public sealed class CheckpointActor : ReceiveActor, IWithTimers, IWithUnboundedStash
{
    /// <summary>Sent by the <see cref="TrainerActor"/>: write this, then give it back.</summary>
    public sealed record Write(Snapshot Snapshot);

    /// <summary>Sent by the <see cref="RunSupervisor"/>, and answered with <see cref="Flushed"/> when all that was sent before is on disk.</summary>
    public sealed record Flush
    {
        /// <summary>The one instance.</summary>
        public static readonly Flush Instance = new();
    }

    /// <summary>The answer to <see cref="Flush"/>: the last checkpoint written, if any was.</summary>
    public sealed record Flushed(string? Checkpoint);

    private sealed record TryAgain(Snapshot Snapshot, int Tries);

    private readonly CheckpointStore _store;
    private readonly ActorSettings _settings;
    private readonly Action<string> _warn;
    private string? _last;

    /// <summary>A writer into a store.</summary>
    public CheckpointActor(CheckpointStore store, ActorSettings settings, Action<string> warn)
    {
        (_store, _settings, _warn) = (store, settings, warn);
        Become(Idle);
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc/>
    public IStash Stash { get; set; } = null!;

    private void Idle()
    {
        Receive<Write>(message => Save(message.Snapshot, tries: 1));
        Receive<Flush>(_ => Sender.Tell(new Flushed(_last)));
    }

    // Everything else waits, so that checkpoints are written in the order of their steps.
    private void Retrying()
    {
        Receive<TryAgain>(message =>
        {
            Become(Idle);
            Stash.UnstashAll();
            Save(message.Snapshot, message.Tries);
        });
        ReceiveAny(_ => Stash.Stash());
    }

    private void Save(Snapshot snapshot, int tries)
    {
        try
        {
            _last = _store.Save(snapshot);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException && tries < _settings.CheckpointTries)
        {
            TimeSpan wait = _settings.CheckpointBackOff * Math.Pow(2, tries - 1);
            _warn($"CHECKPOINT NOT WRITTEN at step {snapshot.State.Step} (try {tries} of {_settings.CheckpointTries}, again in {wait.TotalSeconds:0} s): {failure.Message}");
            Timers.StartSingleTimer(nameof(TryAgain), new TryAgain(snapshot, tries + 1), wait);
            Become(Retrying);
            return;
        }
        catch
        {
            snapshot.Dispose();                                      // or the trainer would wait for it for ever
            throw;
        }
        snapshot.Dispose();
    }
}
