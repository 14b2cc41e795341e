using Akka.Actor;
using Alpro.Actors.Distributed.Groups;
using Alpro.Actors.Hosting;
using Alpro.Training.Checkpoints;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Runs;

/// <summary>
/// Writes snapshots to disk while training goes on. What fails (a full disk, a folder that cannot be written) is tried again with
/// growing waits; after too many tries the run fails, with the last good checkpoint as it was.
/// </summary>
public sealed class CheckpointActor : ReceiveActor, IWithTimers
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

    /// <summary>Told to the parent when a checkpoint cannot be written: the run fails. What is sent afterwards is given back, and not written.</summary>
    public sealed record Failed(Exception Reason);

    private sealed record TryAgain
    {
        public static readonly TryAgain Instance = new();
    }

    private readonly ILogger _log = Context.System.Log();
    private readonly TrainingRun _run;
    private readonly ActorSettings _settings;
    private readonly CheckpointStore _store;
    private readonly Generations _generations;
    private readonly Queue<Snapshot> _waiting = new();               // in the order of their steps; the first is being written
    private readonly List<IActorRef> _flushing = [];
    private int _failures;
    private Checkpoint? _last;
    private bool _givenUp;

    /// <summary>A writer of a run's checkpoints and exports.</summary>
    public CheckpointActor(TrainingRun run, ActorSettings settings)
    {
        (_run, _settings, _store, _generations) = (run, settings, run.Store(), new(run.Folder));
        Receive<Write>(message =>
        {
            _waiting.Enqueue(message.Snapshot);
            if (_failures == 0) SaveAll();
        });
        Receive<TryAgain>(_ => SaveAll());
        Receive<Flush>(_ =>
        {
            _flushing.Add(Sender);
            if (_failures == 0) SaveAll();
        });
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc/>
    protected override void PostStop()
    {
        foreach (Snapshot snapshot in _waiting) snapshot.Dispose();  // or the trainer would wait for them for ever
    }

    private void SaveAll()
    {
        for (; _waiting.TryPeek(out Snapshot? snapshot); _waiting.Dequeue().Dispose())
        {
            try
            {
                if (!_givenUp) Save(snapshot);
                _failures = 0;
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException && ++_failures < _settings.CheckpointTries)
            {
                TimeSpan wait = _settings.CheckpointBackOff * Math.Pow(2, _failures - 1);
                _log.CheckpointNotWritten(snapshot.State.Step, _failures, _settings.CheckpointTries, wait.TotalSeconds, failure.Message);
                Timers.StartSingleTimer(nameof(TryAgain), TryAgain.Instance, wait);
                return;
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                (_givenUp, _failures) = (true, 0);                   // it stays, or the trainer would wait for its snapshots for ever
                Context.Parent.Tell(new Failed(new RunFailedException(
                    $"the checkpoint of step {snapshot.State.Step} could not be written in {_settings.CheckpointTries} tries (alpro.checkpoint.tries): {failure.Message}; make room, and go on with --resume", failure)));
            }
            catch (Exception error) when (LostDevice.Passes(error, _log, _run.DeviceLost))
            {
                throw;                                               // met here first: a GPU copies a snapshot in its own time
            }
        }
        foreach (IActorRef asker in _flushing) asker.Tell(new Flushed(_last?.Folder));
        _flushing.Clear();
    }

    private void Save(Snapshot snapshot)
    {
        // Who was given up while this waited must not write among the others' checkpoints, nor remove what they keep; they have newer ones.
        // Where it was not given up, but enters the later group, that begins with a checkpoint in place of this one (Trainer.SaveIfLost).
        if (snapshot.State.Generation is > 0 and var own && _generations.Last() is var last && last > own)
        {
            _log.CheckpointOutdated(snapshot.State.Step, own, last);
            return;
        }
        _last = _store.Save(snapshot);                               // tried again, it finds what it wrote
        long step = snapshot.State.Step;
        if (snapshot.Config.Training.ExportEvery is > 0 and var every && step % every == 0)
            CheckpointStore.Export(_last, _run.Export($"{step}"));
    }
}
