using System.Diagnostics;
using Akka.Actor;
using Alpro.Actors.Distributed.Groups;
using Alpro.Actors.Hosting;
using Alpro.Training.Checkpoints;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Runs;

/// <summary>
/// Writes snapshots to disk while training goes on. A write that fails, as on a full disk, is tried again after growing waits. After too
/// many tries the run fails, and the last good checkpoint is as it was.
/// </summary>
internal sealed class CheckpointActor : ReceiveActor, IWithTimers
{
    /// <summary>Sent by the <see cref="TrainerActor"/>: write this, then give it back.</summary>
    public sealed record Write(Snapshot Snapshot);

    /// <summary>
    /// Sent by the <see cref="RunSupervisor"/>. The answer is <see cref="Flushed"/>, when all that was sent before is on disk.
    /// </summary>
    public sealed record Flush
    {
        public static readonly Flush Instance = new();
    }

    /// <summary>The answer to <see cref="Flush"/>: the last checkpoint written, if any was.</summary>
    public sealed record Flushed(string? Checkpoint);

    /// <summary>Told to the parent when a checkpoint cannot be written: the run fails. Later snapshots are given back unwritten.</summary>
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
        ActorMetrics.WatchMailbox(Self, "checkpoints");
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
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException
                && ++_failures < _settings.CheckpointTries)
            {
                ActorMetrics.CheckpointFailures.Add(1);
                TimeSpan wait = _settings.CheckpointBackOff * Math.Pow(2, _failures - 1);
                _log.CheckpointNotWritten(snapshot.State.Step, _failures, _settings.CheckpointTries, wait.TotalSeconds, exception.Message);
                Timers.StartSingleTimer(nameof(TryAgain), TryAgain.Instance, wait);
                return;
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                ActorMetrics.CheckpointFailures.Add(1);
                (_givenUp, _failures) = (true, 0);                   // it stays, or the trainer would wait for its snapshots for ever
                Context.Parent.Tell(new Failed(new RunFailedException(
                    $"the checkpoint of step {snapshot.State.Step} could not be written in {_settings.CheckpointTries} tries "
                    + $"(alpro.checkpoint.tries): {exception.Message}; make room, and go on with --resume", exception)));
            }
            catch (Exception exception) when (LostDevice.Passes(exception, _log, _run.DeviceLost))
            {
                throw;                                               // met here first: a GPU copies a snapshot in its own time
            }
        }
        foreach (IActorRef asker in _flushing) asker.Tell(new Flushed(_last?.Folder));
        _flushing.Clear();
    }

    private void Save(Snapshot snapshot)
    {
        // The others have newer checkpoints than a trainer that they gave up meanwhile: it must neither write among these, nor remove any.
        // A trainer that was not given up, but enters the later group, begins that with a checkpoint in place of this one
        // (Trainer.SaveIfLost).
        if (snapshot.State.Generation is > 0 and var own && _generations.Last() is var last && last > own)
        {
            _log.CheckpointOutdated(snapshot.State.Step, own, last);
            return;
        }
        long step = snapshot.State.Step, began = Stopwatch.GetTimestamp();
        using (Activity? span = ActorMetrics.Activities.StartActivity("alpro.checkpoint"))
        {
            span?.SetTag("step", step);
            _last = _store.Save(snapshot);                           // tried again, it finds what it wrote
        }
        TimeSpan took = Stopwatch.GetElapsedTime(began);
        ActorMetrics.CheckpointWritten(step, took);
        _log.CheckpointWritten(step, took.TotalSeconds);
        if (snapshot.Config.Training.ExportEvery is > 0 and var every && step % every == 0)
            CheckpointStore.Export(_last, _run.Folder.Export(step));
    }
}
