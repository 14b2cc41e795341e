using System.Text;
using System.Threading.Channels;
using Akka.Actor;
using Alpro.Actors.Distributed.Groups;
using Alpro.Actors.Hosting;
using Alpro.Actors.Insight;
using Alpro.Data.Batches;
using Alpro.Model;
using Alpro.Model.Checkpoints;
using Alpro.Training;
using Alpro.Training.Checkpoints;
using Alpro.Training.Collectives;
using Alpro.Training.Configuration;
using Alpro.Training.Devices;
using Alpro.Training.Records;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Runs;

/// <summary>
/// A thin shell round <see cref="Trainer"/>. It gives the trainer a thread of its own, the only one that touches the model's tensors. It
/// turns what happens there into messages. Its parent is the <see cref="RunSupervisor"/>.
/// </summary>
internal sealed class TrainerActor : ReceiveActor, IWithTimers
{
    /// <summary>Sent by the parent: train in this group, on these batches.</summary>
    /// <param name="Group">The group; the trainer's from then on.</param>
    /// <param name="Batches">The rank's batches.</param>
    /// <param name="Resume">Whether to begin at the last checkpoint, if that is further than what the trainer has.</param>
    public sealed record Enter(ICollectives Group, ChannelReader<ClipBatch> Batches, bool Resume);

    /// <summary>
    /// Told to the parent when the trainer is in its group and has its model, which it built, restored or took over. It wants the batches
    /// from this step on.
    /// </summary>
    public sealed record Ready(TrainState State, IReadOnlyList<LoadReport> Loaded, ICollectives Group);

    /// <summary>Told to the parent when the group is over before the run: the trainer waits for the next.</summary>
    /// <param name="Reason">Why.</param>
    /// <param name="Step">Steps behind its weights.</param>
    public sealed record GroupLost(CollectivesException Reason, long Step);

    /// <summary>Told to the parent when the run is over, or has stopped because it was asked to.</summary>
    public sealed record Finished(TrainState State);

    /// <summary>Told to the parent when the trainer cannot go on.</summary>
    public sealed record Failed(Exception Reason);

    private sealed record WriteAgain
    {
        public static readonly WriteAgain Instance = new();
    }

    /// <summary>Records that the next first rank may have to write; and records that may wait in memory for a disk that is full.</summary>
    private const int RecordsKept = 16, MostWaiting = 10_000;

    private static readonly TimeSpan _longestWait = TimeSpan.FromSeconds(30);

    private readonly ILogger _log = Context.System.Log();
    private readonly TrainingRun _run;
    private readonly TrainState _start;
    private readonly Channel<Enter> _groups = Channel.CreateUnbounded<Enter>();
    private readonly CancellationTokenSource _stop = new();
    private readonly TrainerPorts _ports;
    private readonly Generations _generations;
    private readonly Queue<StepRecord> _recent = new();
    private readonly ActorSettings _settings;
    private readonly RunMonitor _monitor;
    private readonly IActorRef _parent = Context.Parent;
    private Thread? _thread;
    private RunLog? _records;
    private int _failures, _lastTries;
    private object? _lastWord;                                       // told when all records are written
    private volatile Enter? _current;
    private long _generation;                                        // the run's last, when the trainer entered its group

    /// <summary>A trainer of a run, which waits for its group.</summary>
    /// <param name="run">The run.</param>
    /// <param name="start">Where it begins, which only the corpora know.</param>
    /// <param name="settings">How it is carried out.</param>
    /// <param name="checkpoints">The <see cref="CheckpointActor"/>.</param>
    /// <param name="validate">Scores the model, on the trainer's thread; null where there is nothing to validate on.</param>
    /// <param name="monitor">Measures what goes on.</param>
    /// <param name="pictures">Makes pictures of the newest batch; null for none.</param>
    public TrainerActor(TrainingRun run, TrainState start, ActorSettings settings, IActorRef checkpoints,
        Func<AlproModel, TrainState, ValidationRecord>? validate, RunMonitor monitor, BatchPictures? pictures)
    {
        (_run, _start, _settings, _generations, _monitor) = (run, start, settings, new(run.Folder), monitor);
        IActorRef self = Self;
        _ports = new()
        {
            Record = record =>
            {
                ThrowIfGivenUp(_current!.Group);
                monitor.Timeline.Step(record);
                self.Tell(record);
            },
            Spent = monitor.Spend,
            Seen = batch => pictures?.Offer(batch, sample => self.Tell(sample)),
            Checkpoint = snapshot =>
            {
                if (_current!.Group.Rank == 0) checkpoints.Tell(new CheckpointActor.Write(snapshot));
                else snapshot.Dispose();                             // the first rank writes what all of them have
            },
            Validate = validate,
            Validated = record => self.Tell(record),
            KeepForReplay = (batch, snapshot) => BatchReplay.Save(run.Folder, batch, snapshot,
            _current!.Group is { World: > 1, Rank: var rank } ? rank : null),
        };
        Receive<Enter>(message => _groups.Writer.TryWrite(message));
        Receive<Ready>(message =>
        {
            try
            {
                if (message.Group.Rank == 0) OpenLog(message.State);
                _parent.Tell(message);
            }
            catch (ConfigException exception)
            {
                Leave(new Failed(exception));                         // a person's to mend
            }
        });
        Receive<StepRecord>(record =>
        {
            _recent.Enqueue(record);
            if (_recent.Count > RecordsKept) _recent.Dequeue();
            run.Trained(record);
            if (_records is null) return;                                // the first rank writes it down for all
            _records.Add(record);
            monitor.Add(record);
            if (_failures == 0) WriteDown();
            if (monitor.IsDue()) Judge();
            run.Stepped(record);
        });
        Receive<ValidationRecord>(record =>
        {
            if (_records is null) return;                                // the first rank writes it down for all
            _records.Add(record);
            if (_failures == 0) WriteDown();
            run.Validated(record);
        });
        Receive<BatchSample>(sample =>
        {
            run.Pictured(sample);
            if (_records is null) return;
            _records.Add(sample);
            if (_failures == 0) WriteDown();
            WriteNewest(() => sample.Write(run.Folder));
        });
        Receive<GroupLost>(Leave);
        Receive<Finished>(Leave);
        Receive<Failed>(Leave);
        Receive<WriteAgain>(_ => WriteDown());
        Receive<RunSupervisor.Stop>(_ => _stop.Cancel());
        ActorMetrics.WatchMailbox(Self, "trainer");
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc/>
    protected override void PreStart()
    {
        IActorRef self = Self;
        _thread = new(() => Train(self), maxStackSize: 16 << 20) { Name = "trainer", IsBackground = true };
        _thread.Start();
    }

    /// <inheritdoc/>
    protected override void PostStop()
    {
        // Without this, all ranks of the group would stop with this one.
        if (_current is { Group: { Generation: > 0 } group }) group.Abort(new OperationCanceledException("this trainer ends"));
        _stop.Cancel();
        _thread?.Join();                                             // a process that ends under a thread in native code crashes
        _records?.Dispose();
    }

    /// <summary>
    /// Begins to write the run down: the settings under which it was accepted, then each step. The first rank before this one may have died
    /// before it wrote its last steps, so these are written too.
    /// </summary>
    private void OpenLog(TrainState state)
    {
        (string file, byte[] config) = (_run.Folder.Config, Encoding.UTF8.GetBytes(ConfigLoader.ToJson(_run.Config)));
        if (!File.Exists(file) || !File.ReadAllBytes(file).AsSpan().SequenceEqual(config))
            WholeFile.Write(file, stream => stream.Write(config));
        _records = new RunLog(_run.Folder, state.Step, state.Settled);
        if (_recent.Count == 0) return;
        long written = RunLog.Last<StepRecord>(_run.Folder.Steps)?.Step ?? -1;
        foreach (StepRecord record in _recent.Where(record => record.Step > written && record.Step < state.Step)) _records.Add(record);
        WriteDown();
    }

    /// <summary>
    /// Writes down what has been recorded. A write that fails, as on a full disk, is tried again after growing waits while training goes
    /// on, and the records wait in memory. It fails the run when too many wait, or at the end after as many tries as a checkpoint has.
    /// </summary>
    private void WriteDown()
    {
        try
        {
            foreach (Stretch stretch in _monitor.Timeline.Take(_records!.LastTime)) _records.Add(stretch);
            _records.Flush();
            if (_failures > 0) _log.RecordsWritten();
            _failures = 0;
            if (_lastWord is null) return;
            _records.Dispose();
            _records = null;
            _parent.Tell(_lastWord);
            _lastWord = null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException
            && _records!.Waiting < MostWaiting && (_lastWord is null || ++_lastTries < _settings.CheckpointTries))
        {
            double seconds = Math.Min(_longestWait.TotalSeconds, _settings.CheckpointBackOff.TotalSeconds * Math.Pow(2, _failures++));
            _log.RecordsNotWritten(_records.Waiting, _failures, seconds, exception.Message);
            Timers.StartSingleTimer(nameof(WriteAgain), WriteAgain.Instance, TimeSpan.FromSeconds(seconds));
        }
    }

    /// <summary>Tells the parent that a group or the run is over when all of it is written down.</summary>
    private void Leave(object lastWord)
    {
        if (_records is null) _parent.Tell(lastWord);
        else
        {
            (_lastWord, _lastTries) = (lastWord, 0);
            Judge();
            WriteDown();
        }
    }

    /// <summary>Says how the run is doing.</summary>
    private void Judge()
    {
        if (_monitor.Status() is not { } status) return;
        _run.Judged(status);
        WriteNewest(() => status.Write(_run.Folder));
    }

    /// <summary>Writes down what the next replaces. On a disk that is full nobody hears of it, and nothing else is lost.</summary>
    private void WriteNewest(Action write)
    {
        try
        {
            write();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            _log.StatusNotWritten(exception.Message);
        }
    }

    private void Train(IActorRef self)
    {
        try
        {
            for (Enter? enter = WaitForGroup(); enter is not null;)
                enter = TrainFrom(enter.Resume ? _run.Store(_log).Latest() : null, enter, self);
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            self.Tell(new Failed(new OperationCanceledException("stopped before the first step")));  // while it waited for a group
        }
#pragma warning disable CA1031 // The top of a thread: whatever fails becomes a message, and the supervisor decides.
        catch (Exception exception) when (LostDevice.Passes(exception, _log, _run.DeviceLost))
#pragma warning restore CA1031
        {
            Exception cause = exception is ChannelClosedException { InnerException: { } inner } ? inner : exception;
            self.Tell(new Failed(DeviceMemoryException.Of(cause, _run.Config, _current?.Group.World ?? 1)));
        }
    }

    private Enter WaitForGroup() => _groups.Reader.ReadAsync(_stop.Token).AsTask().GetAwaiter().GetResult();

    /// <summary>Trains from a checkpoint, or from the beginning, in one group after another.</summary>
    /// <returns>The group for which the trainer has to begin anew, or at a later checkpoint; null when the run has ended.</returns>
    private Enter? TrainFrom(Checkpoint? resume, Enter enter, IActorRef self)
    {
        if (resume is not null)
            foreach (RunDifference change in RunDifference.Between(resume.Config, _run.Config).Where(change => !change.ChangesMeaning))
                _log.SettingChanged(change.Path, change.Before, change.Now);
        using AlproModel model = RunModel.Create(_run.Config, RunModel.DefaultDevice);
        IReadOnlyList<LoadReport> loaded = resume is null ? RunModel.Initialize(model, _run.Config) : [];
        using var trainer = new Trainer(_run.Config, model, _ports, _start, resume);
        while (Train(trainer, enter, loaded, self) is { } lost)
        {
            self.Tell(new GroupLost(lost, trainer.State.Step));
            enter = WaitForGroup();
            if (trainer.IsTorn) return enter;
            long step = trainer.State.Step;
            CheckpointStore store = _run.Store(_log);
            if (enter.Resume && store.Steps() is [.., long saved] && saved > step && store.Latest()?.State.Step > step) return enter;
        }
        return null;
    }

    /// <summary>
    /// A process that was frozen or cut off does not know that the others have given it up. Therefore the first rank of each group asks the
    /// run's folder before it writes anything down. All groups share the folder, and none goes on without its first rank, so one at most
    /// goes on.
    /// </summary>
    private void ThrowIfGivenUp(ICollectives group)
    {
        if (group.Rank > 0) return;                                  // another asks
        long last = _generations.Last();
        if (last <= _generation) return;
        if (group.Generation > 0)
            throw new CollectivesException(group.Rank, group.Generation, $"was given up while it was away: generation {last} has formed");
        throw new RunFailedException(
            $"{_run.Folder}: another process has gone on with this run while this one was away, which ends; what it did since is not "
            + "written down");
    }

    /// <summary>Trains in a group until the run has ended, or the group: then why.</summary>
    private CollectivesException? Train(Trainer trainer, Enter enter, IReadOnlyList<LoadReport> loaded, IActorRef self)
    {
        _current = enter;
        _generation = enter.Group.Generation > 0 ? enter.Group.Generation : _generations.Next();     // who trains alone takes a number too
        try
        {
            TrainState state;
            using (ICollectives group = enter.Group is RingCollectives ring ? NcclCollectives.On(RunModel.DefaultDevice, ring)
                : enter.Group)
            {
                trainer.Join(group);
                ThrowIfGivenUp(group);                               // before it writes down what the first rank before did not
                if (group is { Rank: 0, Generation: > 0 }) trainer.SaveIfLost(_run.Store().Steps() is [.., long written] ? written : 0);
                self.Tell(new Ready(trainer.State, loaded, group));
                state = trainer.Run(enter.Batches, _stop.Token);
            }
            self.Tell(new Finished(state));                          // after it has left, for then it is aborted
            return null;
        }
        catch (CollectivesException exception)
        {
            return exception;
        }
        catch (ChannelClosedException exception) when (exception.InnerException is CollectivesException lost)
        {
            return lost;                                             // told so while it waited for a batch
        }
    }
}
