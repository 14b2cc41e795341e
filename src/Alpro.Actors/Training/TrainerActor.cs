using System.Threading.Channels;
using Akka.Actor;
using Alpro.Data.Batches;
using Alpro.Model;
using Alpro.Model.Checkpoints;
using Alpro.Training;
using TorchSharp;

namespace Alpro.Actors.Training;

/// <summary>
/// A thin shell round <see cref="Trainer"/>: gives it a thread of its own, the only one that touches the model's tensors, and turns
/// what happens there into messages. Its parent is the <see cref="RunSupervisor"/>.
/// </summary>
public sealed class TrainerActor : ReceiveActor
{
    /// <summary>Told to the parent when the model is built or restored: batches are wanted from this step on.</summary>
    public sealed record Ready(TrainState State, IReadOnlyList<LoadReport> Loaded);

    /// <summary>Told to the parent when the run is over, or has stopped because it was asked to.</summary>
    public sealed record Finished(TrainState State);

    /// <summary>Told to the parent when the trainer cannot go on.</summary>
    public sealed record Failed(Exception Reason);

    /// <summary>Steps and epochs of a run, which only the corpora know.</summary>
    public sealed record Length(long TotalSteps, long StepsPerEpoch);

    private readonly TrainingRun _run;
    private readonly Length _length;
    private readonly ChannelReader<ClipBatch> _batches;
    private readonly CancellationTokenSource _stop = new();
    private readonly TrainerPorts _ports;
    private RunLog? _log;

    /// <summary>A trainer of a run that reads its batches from a channel.</summary>
    /// <param name="run">The run.</param>
    /// <param name="length">Its steps.</param>
    /// <param name="batches">Its batches.</param>
    /// <param name="checkpoints">The <see cref="CheckpointActor"/>.</param>
    /// <param name="rejected">Clips rejected so far.</param>
    /// <param name="validate">Scores the model, on the trainer's thread; null where there is nothing to validate on.</param>
    public TrainerActor(TrainingRun run, Length length, ChannelReader<ClipBatch> batches, IActorRef checkpoints, Func<long> rejected,
        Func<AlproModel, TrainState, ValidationRecord>? validate)
    {
        (_run, _length, _batches) = (run, length, batches);
        IActorRef self = Self, parent = Context.Parent;
        _ports = new()
        {
            Record = record => self.Tell(record),
            Checkpoint = snapshot => checkpoints.Tell(new CheckpointActor.Write(snapshot)),
            Validate = validate,
            Validated = record => self.Tell(record),
            Rejected = rejected,
            KeepForReplay = (batch, snapshot) => BatchReplay.Save(run.Folder, batch, snapshot),
        };
        Receive<Ready>(message =>
        {
            _log = new RunLog(run.Folder, message.State.Step);
            parent.Tell(message);
        });
        Receive<StepRecord>(record =>
        {
            _log!.Write(record);
            run.Stepped(record);
        });
        Receive<ValidationRecord>(record =>
        {
            _log!.Write(record);
            run.Validated(record);
        });
        Receive<Finished>(message => parent.Tell(message));
        Receive<Failed>(message => parent.Tell(message));
        Receive<RunSupervisor.Stop>(_ => _stop.Cancel());
    }

    /// <inheritdoc/>
    protected override void PreStart()
    {
        IActorRef self = Self;
        new Thread(() => Train(self), maxStackSize: 16 << 20) { Name = "trainer", IsBackground = true }.Start();
    }

    /// <inheritdoc/>
    protected override void PostStop()
    {
        _stop.Cancel();
        _log?.Dispose();
    }

    private void Train(IActorRef self)
    {
        try
        {
            Checkpoint? resume = _run.Resume ? _run.Store().Latest() : null;
            if (resume is not null)
                foreach (RunDifference change in RunDifference.Between(resume.Config, _run.Config).Where(change => !change.ChangesMeaning))
                    _run.Warn($"changed since the checkpoint: {change.Path} was {change.Before} and is {change.Now}");
            using AlproModel model = RunModel.Create(_run.Config, RunModel.DefaultDevice);
            IReadOnlyList<LoadReport> loaded = resume is null ? RunModel.Initialize(model, _run.Config) : [];
            using var trainer = new Trainer(_run.Config, model, _ports, _length.TotalSteps, _length.StepsPerEpoch, resume);
            self.Tell(new Ready(trainer.State, loaded));
            self.Tell(new Finished(trainer.Run(_batches, _stop.Token)));
        }
#pragma warning disable CA1031 // The top of a thread: whatever fails becomes a message, and the supervisor decides.
        catch (Exception reason)
#pragma warning restore CA1031
        {
            self.Tell(new Failed(reason is ChannelClosedException { InnerException: { } cause } ? cause : reason));
        }
    }
}
