using System.Diagnostics;
using System.Threading.Channels;
using Akka.Actor;
using Alpro.Actors.Distributed.Decoding;
using Alpro.Actors.Distributed.Groups;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Evaluation;
using Alpro.Actors.Hosting;
using Alpro.Actors.Pipeline;
using Alpro.Data;
using Alpro.Data.Batches;
using Alpro.Data.Clips;
using Alpro.Data.Sampling;
using Alpro.Model;
using Alpro.Model.Checkpoints;
using Alpro.Training;
using Alpro.Training.Checkpoints;
using Alpro.Training.Collectives;
using Alpro.Training.Configuration;
using Alpro.Training.Devices;
using Alpro.Training.Evaluation;
using Alpro.Training.Records;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Runs;

/// <summary>
/// The top of a training run. It starts a generation - a trainer, the stream that feeds it, the channel between them - and, when the
/// trainer fails in a way that may pass, ends it whole and starts the next from the last good checkpoint. The steps since are done
/// again exactly, so a restart costs time and changes nothing.
/// </summary>
public sealed class RunSupervisor : ReceiveActor, IWithTimers
{
    /// <summary>Sent by the <see cref="RunHost"/> when the run is asked to stop, and on to the trainer: end the step, write a checkpoint.</summary>
    public sealed record Stop
    {
        /// <summary>The one instance.</summary>
        public static readonly Stop Instance = new();
    }

    /// <summary>The most clips of which <c>data.maxRejectedFraction</c> is taken: a folder that has gone ends the run in minutes.</summary>
    private const long LatestClips = 10_000;

    /// <summary>A trainer, and what feeds it.</summary>
    private sealed record Generation(int Number, IActorRef Trainer, bool Resume)
    {
        public Channel<ClipBatch> Batches { get; init; } = null!;

        public ICollectives? Group { get; init; }

        public int TrainersHere { get; init; } = 1;

        public TrainState? First { get; init; }

        public TrainState? Last { get; init; }
    }

    /// <summary>Sent to itself when the stream should long have ended.</summary>
    private sealed record StreamOverdue
    {
        public static readonly StreamOverdue Instance = new();
    }

    private readonly ILogger _log = Context.System.Log();
    private readonly RunHost _host;
    private readonly TrainingRun _run;
    private readonly TaskCompletionSource<RunResult> _finished;
    private readonly RunData _data;
    private readonly IReadOnlyList<RunData> _validation;
    private readonly SamplingPlan _plan;
    private readonly TrainState _start;
    private readonly RejectionList _unreadable;
    private readonly ClipLedger _ledger;
    private readonly IActorRef _checkpoints;
    private readonly long _began = Stopwatch.GetTimestamp();
    private readonly IActorRef _member = ActorRefs.Nobody;
    private Generation _generation = null!;
    private readonly DeathRate _deaths;
    private int _streams;
    private long _notFinite = -1;                                    // the step at which the last attempt was not a number
    private bool _stopping;

    /// <summary>A run over data that is open; the supervisor disposes it.</summary>
    public RunSupervisor(RunHost host, TrainingRun run, RunData data, IReadOnlyList<RunData> validation, TaskCompletionSource<RunResult> finished)
    {
        (_host, _run, _finished, _data, _validation) = (host, run, finished, data, validation);
        _plan = data.Plan();
        TrainingConfig training = run.Config.Training;
        _start = new() { TotalSteps = training.Steps ?? training.Epochs!.Value * _plan.StepsPerEpoch, StepsPerEpoch = _plan.StepsPerEpoch, Data = data.Contents() };
        _deaths = new(host.Settings.MaxRestarts, TimeSpan.FromHours(1), host.Time);
        _unreadable = new(run.Unreadable, [.. data.Corpora.Select(corpus => corpus.Name)], append: run.Resume, _log);
        _ledger = new(_unreadable.Add);
        _checkpoints = Context.ActorOf(Props.Create(() => new CheckpointActor(run, host.Settings)), "checkpoints");
        Context.Watch(_checkpoints);
        if (host.Node is { Role: NodeRole.Trainer } node) _member = Context.ActorOf(Props.Create(() => new GroupMember(node)), "member");
        Receive<GroupMember.Formed>(message => EnterGroup(message.Group, message.FromCheckpoint, message.Here));
        Receive<GroupMember.Over>(message =>
        {
            if (_generation.Group?.Generation == message.Reason.Generation) _generation.Batches.Writer.TryComplete(message.Reason);
        });
        Receive<TrainerActor.GroupLost>(OnGroupLost);
        Receive<TrainerActor.Ready>(OnReady);
        Receive<TrainerActor.Finished>(message => OnFinished(message.State));
        Receive<TrainerActor.Failed>(message => OnFailed(message.Reason));
        Receive<Stop>(_ => OnStop());
        Receive<GroupMember.StopRun>(_ => OnStop());
        Receive<CheckpointActor.Failed>(message => EndGeneration(_ => Fail(message.Reason)));
        Receive<Status.Failure>(message => EndGeneration(_ => Fail(message.Cause)));
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc/>
    protected override void PreStart() => StartGeneration(1, _run);

    /// <inheritdoc/>
    protected override void PostStop()
    {
        _data.Dispose();
        foreach (RunData validation in _validation) validation.Dispose();
        _unreadable.Dispose();
        _finished.TrySetCanceled();
    }

    /// <inheritdoc/>
    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(error =>
    {
        Self.Tell(new Status.Failure(error));                        // a trainer's shell, the stream or the checkpoints: a bug, or the disk
        return Directive.Stop;
    });

    private void StartGeneration(int number, TrainingRun run)
    {
        (TrainState start, ActorSettings settings, IActorRef checkpoints) = (_start, _host.Settings, _checkpoints);
        Func<AlproModel, TrainState, ValidationRecord>? validate = _validation.Count == 0 ? null : Validate;
        _generation = new(number, Context.ActorOf(Props.Create(() => new TrainerActor(run, start, settings, checkpoints, validate)), $"trainer-{number}"), run.Resume);
        if (_member.IsNobody()) EnterGroup(SingleCollectives.Instance, resume: false, here: 1);
        else _member.Tell(new GroupMember.Free(Step: 0));
    }

    private void EnterGroup(ICollectives group, bool resume, int here)
    {
        _generation = _generation with
        {
            Batches = Channel.CreateBounded<ClipBatch>(new BoundedChannelOptions(_host.Settings.Prefetch) { SingleReader = true, FullMode = BoundedChannelFullMode.Wait }),
            Group = group,
            TrainersHere = here,
        };
        _generation.Trainer.Tell(new TrainerActor.Enter(group, _generation.Batches.Reader, resume || _generation.Resume));
    }

    /// <summary>The trainer keeps its model, and goes on in the next group where the furthest of that stands.</summary>
    private void OnGroupLost(TrainerActor.GroupLost message)
    {
        _log.GroupLost(message.Reason.Message);
        if (Context.Child(PipelineName) is { } pipeline) Context.Stop(pipeline);
        _generation = _generation with { Group = null };
        if (_stopping) Fail(new OperationCanceledException("stopped while it waited for other trainers"));
        else _member.Tell(new GroupMember.Free(message.Step));
    }

    private void OnReady(TrainerActor.Ready message)
    {
        _generation = _generation with { First = message.State };
        _streams++;
        _ledger.TakeBack();
        _run.Started(message.State, message.Loaded);
        var bounds = new ClipCoordinator.Bounds(_run.Config.Data.MaxRejectedFraction, Math.Min(LatestClips, _start.StepsPerEpoch * _plan.BatchSize));
        ClipSettings clips = _run.Config.Data.Clip;
        IClipPlan share = message.Group.World == 1 ? _plan : new RankShare(_plan, message.Group.Rank, message.Group.World, _run.Config.Training.Accumulation);
        IActorRef pipeline = _host.StartPipeline(Context, PipelineName, _host.Settings.DecodersBeside(_generation.TrainersHere), _data, share, clips, message.State.Step, _start.TotalSteps, bounds, _ledger, _generation.Batches.Writer);
        if (!_host.Gate.IsNobody()) _host.Gate.Tell(new DecoderGate.Serve(pipeline, clips, _data.Numbers, _data.Describe(), _ledger));
        if (_stopping) _generation.Trainer.Tell(Stop.Instance);
    }

    private string PipelineName => $"clips-{_streams}";

    private void OnFinished(TrainState state)
    {
        _generation = _generation with { Last = state };
        EndGeneration(checkpoint => Complete(checkpoint));
    }

    private void OnFailed(Exception reason)
    {
        bool mayPass = reason is not (ConfigException or CheckpointException or DataException or RunFailedException)
            && DeviceFaults.Of(reason) == DeviceFault.None;          // the same step would fill the memory again; a lost device stays lost
        if (reason is NonFiniteLossException { Record.Step: var step })
        {
            mayPass = step != _notFinite;                            // the same batch on the same weights: it always will be
            _notFinite = step;
        }
        if (!mayPass || _stopping || _generation.First is null || _deaths.Exceeded(out int deaths))
        {
            EndGeneration(_ => Fail(reason));
            return;
        }
        _log.TrainerRestarted(deaths, _host.Settings.MaxRestarts, reason.Message);
        EndGeneration(_ => StartGeneration(_generation.Number + 1, _run with { Resume = true }));
    }

    /// <summary>
    /// Stops the generation's actors, waits until they have and until its checkpoints are on disk, and goes on. A decoder may be stuck in the
    /// system for ever, on a network share that is gone: its stream is not waited for without end.
    /// </summary>
    private void EndGeneration(Action<string?> then)
    {
        Timers.StartSingleTimer(nameof(StreamOverdue), StreamOverdue.Instance, _host.Settings.StopTimeout);
        var waiting = new HashSet<IActorRef> { Context.Watch(_generation.Trainer) };
        Context.Stop(_generation.Trainer);
        if (Context.Child(PipelineName) is { } pipeline && !pipeline.IsNobody())
        {
            waiting.Add(Context.Watch(pipeline));
            Context.Stop(pipeline);
        }
        BecomeStacked(() =>
        {
            Receive<Terminated>(message =>
            {
                if (message.ActorRef.Equals(_checkpoints)) then(null);           // of a fault of its own, which has been told
                else Ended(message.ActorRef);
            });
            Receive<StreamOverdue>(_ =>
            {
                if (Context.Child(PipelineName) is not { } stuck || !waiting.Contains(stuck)) return;
                _log.DecodersStuck(_host.Settings.StopTimeout.TotalSeconds);
                Context.Unwatch(stuck);
                Ended(stuck);
            });
            Receive<CheckpointActor.Flushed>(message =>
            {
                Timers.Cancel(nameof(StreamOverdue));
                UnbecomeStacked();
                then(message.Checkpoint);
            });
            Receive<Stop>(_ => _stopping = true);
            Receive<CheckpointActor.Failed>(message => then = _ => Fail(message.Reason));
            Receive<Status.Failure>(message => then = _ => Fail(message.Cause));
            ReceiveAny(_ => { });                                    // the last words of a generation that is over
        });

        void Ended(IActorRef actor)
        {
            if (!waiting.Remove(actor) || waiting.Count > 0) return;
            while (_generation.Batches is { } batches && batches.Reader.TryRead(out ClipBatch? left)) left.Dispose();
            _checkpoints.Tell(CheckpointActor.Flush.Instance);
        }
    }

    private void Complete(string? checkpoint)
    {
        if (!_member.IsNobody()) TellEnded(completed: _generation.Last!.Step == _generation.Last.TotalSteps);
        (TrainState first, TrainState last) = (_generation.First!, _generation.Last!);
        long tail = _plan.TailBefore(last.Step) - _plan.TailBefore(first.Step);
        _finished.TrySetResult(new(last.Step == last.TotalSteps, first.Step, last, _ledger.Totals(tail), _generation.Number - 1,
            checkpoint ?? _run.Store(_log).Latest()?.Folder, Stopwatch.GetElapsedTime(_began).TotalSeconds) { Accounts = RunAccounts.Of(last, _plan), Rank = _generation.Group!.Rank });
        Context.Stop(Self);
    }

    private void Fail(Exception reason)
    {
        if (!_member.IsNobody() && reason is OperationCanceledException) TellEnded(completed: false);
        _finished.TrySetException(reason);
        Context.Stop(Self);
    }

    private void OnStop()
    {
        _stopping = true;
        if (_generation.Group is null) Fail(new OperationCanceledException("stopped while it waited for other trainers"));
        else _generation.Trainer.Tell(Stop.Instance);
    }

    /// <summary>Where there is no keeper to hear it, one that comes finds that the trainers have gone, and how far the run is.</summary>
    private void TellEnded(bool completed) => GroupKeeper.Find(Context.System)?.Tell(new GroupKeeper.Ended(completed), Self);

    /// <summary>Scores the model on the validation corpora, of which the first decides which step is best; called on the trainer's thread.</summary>
    private ValidationRecord Validate(AlproModel model, TrainState state)
    {
        _log.ValidationStarted(state.Step);
        ValidationRecord[] records = [.. _validation.Select(data => Validate(model, state, data))];
        _log.ValidationEnded(state.Step);
        var others = _validation.Zip(records).Skip(1).SelectMany(other => other.Second.Figures.Select(figure => KeyValuePair.Create($"{other.First.Corpora[0].Name}/{figure.Key}", figure.Value)));
        return records[0] with { Figures = new Dictionary<string, double>(records[0].Figures.Concat(others)), Seconds = records.Sum(record => record.Seconds) };
    }

    private ValidationRecord Validate(AlproModel model, TrainState state, RunData data)
    {
        RunConfig config = _run.Config;
        long began = Stopwatch.GetTimestamp();
        if (config.Task is LearningTask.Retrieval or LearningTask.QuestionAnswering)
        {
            try
            {
                return Downstream.Score(_host, config, data, model).ToRecord(state.Step, Stopwatch.GetElapsedTime(began).TotalSeconds);
            }
            catch (Exception error) when (DeviceFaults.Of(error) == DeviceFault.OutOfMemory)
            {
                throw DeviceMemoryException.OfEvaluation(error, config);
            }
        }
        return PretrainValidator.Validate(model, state.Step, config.Training.Precision, _host.Read(
            data, [.. Enumerable.Range(0, (int)data.ValidationRows).Select(row => (long)row)], config.Data.ClipForValidation(), config.Training.BatchSize, new ClipLedger()));
    }
}
