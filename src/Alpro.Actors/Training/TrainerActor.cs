using System.Threading.Channels;
using Akka.Actor;
using Alpro.Actors.Cluster;
using Alpro.Data.Batches;
using Alpro.Model;
using Alpro.Model.Checkpoints;
using Alpro.Training;
using Alpro.Training.Collectives;
using TorchSharp;

namespace Alpro.Actors.Training;

/// <summary>
/// A thin shell round <see cref="Trainer"/>: gives it a thread of its own, the only one that touches the model's tensors, and turns
/// what happens there into messages. Its parent is the <see cref="RunSupervisor"/>.
/// </summary>
public sealed class TrainerActor : ReceiveActor
{
    /// <summary>Sent by the parent: train in this group, on these batches.</summary>
    /// <param name="Group">The group; the trainer's from then on.</param>
    /// <param name="Batches">The rank's batches.</param>
    /// <param name="Resume">Whether to begin at the last checkpoint, if that is further than what the trainer has.</param>
    public sealed record Enter(ICollectives Group, ChannelReader<ClipBatch> Batches, bool Resume);

    /// <summary>Told to the parent when the trainer is in its group, and its model built, restored or taken over: batches are wanted from this step on.</summary>
    public sealed record Ready(TrainState State, IReadOnlyList<LoadReport> Loaded, ICollectives Group);

    /// <summary>Told to the parent when the group is over before the run: the trainer waits for the next.</summary>
    /// <param name="Reason">Why.</param>
    /// <param name="Step">Steps behind its weights.</param>
    public sealed record GroupLost(CollectivesException Reason, long Step);

    /// <summary>Told to the parent when the run is over, or has stopped because it was asked to.</summary>
    public sealed record Finished(TrainState State);

    /// <summary>Told to the parent when the trainer cannot go on.</summary>
    public sealed record Failed(Exception Reason);

    private const int RecordsKept = 16;

    private readonly TrainingRun _run;
    private readonly TrainState _start;
    private readonly Channel<Enter> _groups = Channel.CreateUnbounded<Enter>();
    private readonly CancellationTokenSource _stop = new();
    private readonly TrainerPorts _ports;
    private readonly Generations _generations;
    private readonly Queue<StepRecord> _recent = new();
    private Thread? _thread;
    private RunLog? _log;
    private volatile Enter? _current;

    /// <summary>A trainer of a run, which waits for its group.</summary>
    /// <param name="run">The run.</param>
    /// <param name="start">Where it begins, which only the corpora know.</param>
    /// <param name="checkpoints">The <see cref="CheckpointActor"/>.</param>
    /// <param name="validate">Scores the model, on the trainer's thread; null where there is nothing to validate on.</param>
    public TrainerActor(TrainingRun run, TrainState start, IActorRef checkpoints, Func<AlproModel, TrainState, ValidationRecord>? validate)
    {
        (_run, _start, _generations) = (run, start, new(run.Folder));
        IActorRef self = Self, parent = Context.Parent;
        _ports = new()
        {
            Record = record =>
            {
                ThrowIfGivenUp(_current!.Group);
                self.Tell(record);
            },
            Checkpoint = snapshot =>
            {
                if (_current!.Group.Rank == 0) checkpoints.Tell(new CheckpointActor.Write(snapshot));
                else snapshot.Dispose();                             // the first rank writes what all of them have
            },
            Validate = validate,
            Validated = record => self.Tell(record),
            KeepForReplay = (batch, snapshot) => BatchReplay.Save(run.Folder, batch, snapshot, _current!.Group is { World: > 1, Rank: var rank } ? rank : null),
        };
        Receive<Enter>(message => _groups.Writer.TryWrite(message));
        Receive<Ready>(message =>
        {
            try
            {
                if (message.Group.Rank == 0) OpenLog(message.State);
                parent.Tell(message);
            }
            catch (ConfigException damaged)
            {
                parent.Tell(new Failed(damaged));                    // a person's to mend
            }
        });
        Receive<StepRecord>(record =>
        {
            _recent.Enqueue(record);
            if (_recent.Count > RecordsKept) _recent.Dequeue();
            if (_log is null) return;                                // the first rank writes it down for all
            _log.Write(record);
            run.Stepped(record);
        });
        Receive<ValidationRecord>(record =>
        {
            if (_log is null) return;                                // the first rank writes it down for all
            _log.Write(record);
            run.Validated(record);
        });
        Receive<GroupLost>(message =>
        {
            _log?.Dispose();
            _log = null;
            parent.Tell(message);
        });
        Receive<Finished>(message => parent.Tell(message));
        Receive<Failed>(message => parent.Tell(message));
        Receive<RunSupervisor.Stop>(_ => _stop.Cancel());
    }

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
        _current?.Group.Abort(new OperationCanceledException("this trainer ends"));   // or all ranks would stop with it
        _stop.Cancel();
        _thread?.Join();                                             // a process that ends under a thread in native code crashes
        _log?.Dispose();
    }

    /// <summary>Writes the run down from here on, with the last steps that the first rank before this one died too soon to write.</summary>
    private void OpenLog(TrainState state)
    {
        _log = new RunLog(_run.Folder, state.Step, state.Settled);
        if (_recent.Count == 0) return;
        long written = RunLog.Last<StepRecord>(RunLog.StepsFile(_run.Folder))?.Step ?? -1;
        foreach (StepRecord record in _recent.Where(record => record.Step > written && record.Step < state.Step)) _log.Write(record);
    }

    private void Train(IActorRef self)
    {
        try
        {
            for (Enter? enter = WaitForGroup(); enter is not null;)
                enter = TrainFrom(enter.Resume ? _run.Store().Latest() : null, enter, self);
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            return;                                                  // told to end while it waited for a group
        }
#pragma warning disable CA1031 // The top of a thread: whatever fails becomes a message, and the supervisor decides.
        catch (Exception reason)
#pragma warning restore CA1031
        {
            self.Tell(new Failed(reason is ChannelClosedException { InnerException: { } cause } ? cause : reason));
        }
    }

    private Enter WaitForGroup() => _groups.Reader.ReadAsync(_stop.Token).AsTask().GetAwaiter().GetResult();

    /// <summary>Trains from a checkpoint, or from the beginning, in one group after another.</summary>
    /// <returns>The group for which the trainer has to begin at a later checkpoint; null when the run has ended.</returns>
    private Enter? TrainFrom(Checkpoint? resume, Enter enter, IActorRef self)
    {
        if (resume is not null)
            foreach (RunDifference change in RunDifference.Between(resume.Config, _run.Config).Where(change => !change.ChangesMeaning))
                _run.Warn($"changed since the checkpoint: {change.Path} was {change.Before} and is {change.Now}");
        using AlproModel model = RunModel.Create(_run.Config, RunModel.DefaultDevice);
        IReadOnlyList<LoadReport> loaded = resume is null ? RunModel.Initialize(model, _run.Config) : [];
        using var trainer = new Trainer(_run.Config, model, _ports, _start, resume);
        while (Train(trainer, enter, loaded, self) is { } lost)
        {
            self.Tell(new GroupLost(lost, trainer.State.Step));
            enter = WaitForGroup();
            long step = trainer.State.Step;
            if (enter.Resume && _run.Store().Steps() is [.., long saved] && saved > step && _run.Store().Latest()?.State.Step > step) return enter;
        }
        return null;
    }

    /// <summary>
    /// A process that was frozen, or cut off, and then given up by the others does not know: the first rank of its group asks the run's folder
    /// before it writes a step down. Groups lie in one folder, so no two of them go on; without its first rank none does.
    /// </summary>
    private void ThrowIfGivenUp(ICollectives group)
    {
        if (group.Generation == 0 || group.Rank > 0) return;         // it trains alone, or another asks
        long last = _generations.Last();
        if (last > group.Generation) throw new CollectivesException(group.Rank, group.Generation, $"was given up while it was away: generation {last} has formed");
    }

    /// <summary>Trains in a group until the run has ended, or the group: then why.</summary>
    private CollectivesException? Train(Trainer trainer, Enter enter, IReadOnlyList<LoadReport> loaded, IActorRef self)
    {
        _current = enter;
        try
        {
            TrainState state;
            using (ICollectives group = enter.Group is RingCollectives ring ? NcclCollectives.On(RunModel.DefaultDevice, ring) : enter.Group)
            {
                trainer.Join(group);
                self.Tell(new Ready(trainer.State, loaded, group));
                state = trainer.Run(enter.Batches, _stop.Token);
            }
            self.Tell(new Finished(state));                          // after it has left, for then it is aborted
            return null;
        }
        catch (CollectivesException lost)
        {
            return lost;
        }
        catch (ChannelClosedException closed) when (closed.InnerException is CollectivesException lost)
        {
            return lost;                                             // told so while it waited for a batch
        }
    }
}
