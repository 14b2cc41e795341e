using System.Diagnostics;
using System.Threading.Channels;
using Akka.Actor;
using Alpro.Actors.Distributed.Decoding;
using Alpro.Actors.Distributed.Groups;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Hosting;
using Alpro.Actors.Insight;
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
using Alpro.Training.Tasks;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Runs;

/// <summary>
/// The top of a training run. It starts an attempt: a trainer, the stream that feeds it, and the channel between them. When the trainer
/// fails in a way that may pass, the supervisor ends the attempt and starts the next one from the last good checkpoint. The steps since are
/// done again exactly, so a restart costs time and changes nothing.
/// </summary>
internal class RunSupervisor : ReceiveActor, IWithTimers
{
    /// <summary>
    /// Sent by the <see cref="RunHost"/> when the run is asked to stop, and on to the trainer: end the step, write a checkpoint.
    /// </summary>
    public sealed record Stop
    {
        public static readonly Stop Instance = new();
    }

    /// <summary>The most clips of which <c>data.maxRejectedFraction</c> is taken: a folder that has gone ends the run in minutes.</summary>
    private const long LatestClips = 10_000;

    /// <summary>A trainer, and what feeds it.</summary>
    private sealed record Attempt(int Number, IActorRef Trainer, bool Resume)
    {
        public Channel<ClipBatch> Batches { get; init; } = null!;

        public ICollectives? Group { get; init; }

        public int TrainersHere { get; init; } = 1;

        public IReadOnlyList<string> Ranks { get; init; } = [];

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
    private readonly RunMonitor _monitor;
    private readonly BatchPictures _pictures;
    private readonly IActorRef _checkpoints;
    private readonly long _began = Stopwatch.GetTimestamp();
    private readonly IActorRef _member = ActorRefs.Nobody;
    private Attempt _attempt = null!;
    private readonly DeathRate _deaths;
    private int _streams;
    private long _notFinite = -1;                                    // the step that was not finite in the last attempt
    private bool _stopping, _grows;                                  // whether the group ends for a larger one

    /// <summary>A run over data that is open; the supervisor disposes it.</summary>
    public RunSupervisor(RunHost host, TrainingRun run, RunData data, IReadOnlyList<RunData> validation,
        TaskCompletionSource<RunResult> finished)
    {
        (_host, _run, _finished, _data, _validation) = (host, run, finished, data, validation);
        _plan = data.Plan();
        TrainingConfig training = run.Config.Training;
        _start = new()
        {
            TotalSteps = training.Steps ?? training.Epochs!.Value * _plan.StepsPerEpoch,
            StepsPerEpoch = _plan.StepsPerEpoch,
            Data = data.Contents(),
        };
        _deaths = new(host.Settings.MaxRestarts, TimeSpan.FromHours(1), host.Time);
        _unreadable = new(run.Unreadable, [.. data.Corpora.Select(corpus => corpus.Name)], append: run.Resume, _log);
        _ledger = new(_unreadable.Add);
        var common = new Measurements
        {
            Seconds = 0,
            Steps = [],
            BatchSize = training.BatchSize,
            Window = host.Settings.Window,
            Isolated = host.Settings.IsolateDecoders,
            Cores = host.Processors,
            TorchThreads = run.Config.TorchThreads,
            Unreadable = run.Unreadable,
        };
        _monitor = new(TimeProvider.System, run.Began, common, () => _ledger.Loads)
        {
            Origin = new(Environment.MachineName, RunModel.DeviceName, typeof(RunModel).Assembly.GetName().Version!.ToString(3), run.Began),
            QueueRoom = host.Settings.Prefetch,
            InHand = () => _ledger.InHand,
            Roster = host.Roster,
        };
        _pictures = new(data.Tokenizer, data.Answers, [.. data.Corpora.Select(corpus => corpus.Name)], TimeProvider.System);
        _checkpoints = Context.ActorOf(Props.Create(() => new CheckpointActor(run, host.Settings)), "checkpoints");
        Context.Watch(_checkpoints);
        if (host.Node is { Role: NodeRole.Trainer } node)
        {
            ICluster cluster = host.Cluster!;
            IRingPort port = new RingPort(node, _log.RingConnectionRefused);
            _member = Context.ActorOf(Props.Create(() => new GroupMember(cluster, port)), "member");
        }
        Receive<GroupMember.Formed>(message => EnterGroup(message.Group, message.FromCheckpoint, message.Here,
            message.Nodes));
        Receive<GroupMember.AwaitOthers>(_ =>
        {
            if (_attempt.Group is null) _monitor.Timeline.Turn(TimeCause.Paused);
        });
        Receive<GroupMember.Over>(message =>
        {
            if (_attempt.Group?.Generation != message.Reason.Generation) return;
            _grows = message.Grows;
            _attempt.Batches.Writer.TryComplete(message.Reason);
        });
        Receive<TrainerActor.GroupLost>(OnGroupLost);
        Receive<TrainerActor.Ready>(OnReady);
        Receive<TrainerActor.Finished>(message => OnFinished(message.State));
        Receive<TrainerActor.Failed>(message => OnFailed(message.Reason));
        Receive<Stop>(_ => OnStop());
        Receive<GroupMember.StopRun>(_ => OnStop());
        Receive<CheckpointActor.Failed>(message => EndAttempt(_ => Fail(message.Reason)));
        Receive<Status.Failure>(message => EndAttempt(_ => Fail(message.Cause)));
        ActorMetrics.WatchQueue(Self, "batches", () => _attempt?.Batches?.Reader.Count ?? 0);
        ActorMetrics.WatchMailbox(Self, "run");
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc/>
    protected override void PreStart() => StartAttempt(1, _run);

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

    /// <summary>The trainer of an attempt; tests have others.</summary>
    protected virtual Props TrainerOf(TrainingRun run)
    {
        (TrainState start, ActorSettings settings, IActorRef checkpoints, RunMonitor monitor) =
            (_start, _host.Settings, _checkpoints, _monitor);
        Func<AlproModel, TrainState, ValidationRecord>? validate = _validation.Count == 0 ? null : Validate;
        BatchPictures pictures = _pictures;
        return Props.Create(() => new TrainerActor(run, start, settings, checkpoints, validate, monitor, pictures));
    }

    private void StartAttempt(int number, TrainingRun run)
    {
        _attempt = new(number, Context.ActorOf(TrainerOf(run), $"trainer-{number}"), run.Resume);
        if (_member.IsNobody()) EnterGroup(new SoloGroup(), resume: false, here: 1, ranks: []);
        else _member.Tell(new GroupMember.Free(Step: 0));
    }

    private void EnterGroup(ICollectives group, bool resume, int here, IReadOnlyList<string> ranks)
    {
        _attempt = _attempt with
        {
            Batches = Channel.CreateBounded<ClipBatch>(new BoundedChannelOptions(_host.Settings.Prefetch)
            {
                SingleReader = true,
                FullMode = BoundedChannelFullMode.Wait,
            }),
            Group = group,
            TrainersHere = here,
            Ranks = ranks,
        };
        _attempt.Trainer.Tell(new TrainerActor.Enter(group, _attempt.Batches.Reader, resume || _attempt.Resume));
    }

    /// <summary>The trainer keeps its model, and goes on in the next group where the furthest of that stands.</summary>
    private void OnGroupLost(TrainerActor.GroupLost message)
    {
        _log.GroupLost(message.Reason.Message);
        _monitor.Timeline.Turn(_grows ? TimeCause.GroupGrown : TimeCause.RankLost);
        _grows = false;
        if (Context.Child(PipelineName) is { } pipeline) Context.Stop(pipeline);
        _attempt = _attempt with { Group = null };
        if (_stopping) Fail(new OperationCanceledException("stopped while it waited for other trainers"));
        else _member.Tell(new GroupMember.Free(message.Step));
    }

    private void OnReady(TrainerActor.Ready message)
    {
        _attempt = _attempt with { First = message.State };
        ActorMetrics.GroupFormed(message.State.Generation, message.Group.World);
        if (_monitor.Begin(message.State, _attempt.Ranks) is var (cause, time))
        {
            ActorMetrics.Recovered(cause == TimeCause.Restart ? "restart" : "group", time);
            _log.TrainingRecovered(message.State.Step, TimeAccount.Name(cause), time.TotalSeconds);
        }
        _streams++;
        _ledger.TakeBack();
        _run.Started(message.State, message.Loaded);
        var bounds = new ClipCoordinator.Bounds(_run.Config.Data.MaxRejectedFraction,
            Math.Min(LatestClips, _start.StepsPerEpoch * _plan.BatchSize));
        ClipSettings clips = _run.Config.ClipForTraining();
        IClipPlan share = message.Group.World == 1 ? _plan : new RankShare(_plan, message.Group.Rank, message.Group.World,
            _run.Config.Training.Accumulation);
        var job = new PipelineJob(share, clips, message.State.Step, _start.TotalSteps, bounds, _ledger, _attempt.Batches.Writer);
        IActorRef pipeline = _host.StartPipeline(Context, PipelineName, _data, job, _host.Settings.DecodersBeside(_attempt.TrainersHere));
        if (!_host.Gate.IsNobody()) _host.Gate.Tell(new TrainerGate.Serve(pipeline, clips, _data.Numbers, _data.Describe(), _ledger));
        if (_stopping) _attempt.Trainer.Tell(Stop.Instance);
    }

    private string PipelineName => $"clips-{_streams}";

    private void OnFinished(TrainState state)
    {
        _attempt = _attempt with { Last = state };
        _monitor.Timeline.Turn(TimeCause.Checkpoint);                // until the last is written
        EndAttempt(checkpoint => Complete(checkpoint));
    }

    private void OnFailed(Exception reason)
    {
        _monitor.Timeline.Turn(TimeCause.Restart);
        bool mayPass = reason is not (ConfigException or CheckpointException or DataException or RunFailedException)
            && DeviceFaults.Of(reason) == DeviceFault.None;          // the same step would fill the memory again; a lost device stays lost
        if (reason is NonFiniteLossException { Record.Step: var step })
        {
            mayPass = step != _notFinite;                            // the same batch on the same weights: it always will be
            _notFinite = step;
        }
        if (!mayPass || _stopping || _attempt.First is null || _deaths.Exceeded(out int deaths))
        {
            EndAttempt(_ => Fail(reason));
            return;
        }
        _log.TrainerRestarted(deaths, _host.Settings.MaxRestarts, reason.Message);
        EndAttempt(_ => StartAttempt(_attempt.Number + 1, _run with { Resume = true }));
    }

    /// <summary>
    /// Stops the attempt's actors, waits until they have and until its checkpoints are on disk, and goes on. A decoder may be stuck in the
    /// system for ever, on a network share that is gone: its stream is not waited for without end.
    /// </summary>
    private void EndAttempt(Action<string?> then)
    {
        Timers.StartSingleTimer(nameof(StreamOverdue), StreamOverdue.Instance, _host.Settings.StopTimeout);
        var waiting = new HashSet<IActorRef> { Context.Watch(_attempt.Trainer) };
        Context.Stop(_attempt.Trainer);
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
            ReceiveAny(_ => { });                                    // the last words of an attempt that is over
        });

        void Ended(IActorRef actor)
        {
            if (!waiting.Remove(actor) || waiting.Count > 0) return;
            while (_attempt.Batches is { } batches && batches.Reader.TryRead(out ClipBatch? left)) left.Dispose();
            _checkpoints.Tell(CheckpointActor.Flush.Instance);
        }
    }

    private void Complete(string? checkpoint)
    {
        if (!_member.IsNobody()) TellEnded(completed: _attempt.Last!.Step == _attempt.Last.TotalSteps);
        if (_attempt.Group!.Rank == 0) CloseTimeline();
        (TrainState first, TrainState last) = (_attempt.First!, _attempt.Last!);
        long tail = _plan.TailBefore(last.Step) - _plan.TailBefore(first.Step);
        _finished.TrySetResult(new(last.Step == last.TotalSteps, first.Step, last, _ledger.Totals(tail), _attempt.Number - 1,
            checkpoint ?? _run.Store(_log).Latest()?.Folder, Stopwatch.GetElapsedTime(_began).TotalSeconds)
        {
            Accounts = RunAccounts.Of(last, _plan),
            Rank = _attempt.Group!.Rank,
            Unreadable = _run.Unreadable,
        });
        Context.Stop(Self);
    }

    /// <summary>The records are closed when the last checkpoint is written, and that took time too.</summary>
    private void CloseTimeline()
    {
        try
        {
            _monitor.Timeline.Turn(TimeCause.Checkpoint);
            DateTimeOffset written = RunLog.Last<Stretch>(_run.Folder.Timeline)?.Ended ?? DateTimeOffset.MinValue;
            foreach (Stretch stretch in _monitor.Timeline.Take(written)) RunLog.AppendTime(_run.Folder, stretch);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            _log.StatusNotWritten(exception.Message);
        }
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
        if (_attempt.Group is null) Fail(new OperationCanceledException("stopped while it waited for other trainers"));
        else _attempt.Trainer.Tell(Stop.Instance);
    }

    /// <summary>Where there is no keeper to hear it, one that comes finds that the trainers have gone, and how far the run is.</summary>
    private void TellEnded(bool completed) =>
        GroupKeeper.Find(Context.System, _host.Cluster!)?.Tell(new GroupKeeper.Ended(completed), Self);

    /// <summary>
    /// Scores the model on the validation corpora, of which the first decides which step is best; called on the trainer's thread.
    /// </summary>
    private ValidationRecord Validate(AlproModel model, TrainState state)
    {
        _log.ValidationStarted(state.Step);
        _run.Validating(state.Step);
        ValidationRecord[] records = [.. _validation.Select(data => Validate(model, state, data))];
        _log.ValidationEnded(state.Step);
        var others = _validation.Zip(records).Skip(1)
            .SelectMany(other => other.Second.Figures.Select(
            figure => KeyValuePair.Create($"{other.First.Corpora[0].Name}/{figure.Key}", figure.Value)));
        return records[0] with
        {
            Figures = new Dictionary<string, double>(records[0].Figures.Concat(others)),
            Seconds = records.Sum(record => record.Seconds),
        };
    }

    private ValidationRecord Validate(AlproModel model, TrainState state, RunData data)
    {
        RunConfig config = _run.Config;
        long began = Stopwatch.GetTimestamp();
        if (DownstreamTask.Find(config.Task) is { } task)
        {
            try
            {
                EvaluationSet set = data.EvaluationSet();
                return task.Score(model, new EvaluationPlan(data.Corpora[0].Name, config, set),
                    _host.Videos(config, data, set)).ToRecord(state.Step, Stopwatch.GetElapsedTime(began).TotalSeconds);
            }
            catch (Exception exception) when (DeviceFaults.Of(exception) == DeviceFault.OutOfMemory)
            {
                throw DeviceMemoryException.OfEvaluation(exception, config);
            }
        }
        return PretrainValidator.Validate(model, state.Step, config.Training.Precision, _host.Read(
            data, [.. Enumerable.Range(0, (int)data.ValidationRows).Select(row => (long)row)], config.ClipForValidation(),
            config.Training.BatchSize, new ClipLedger()));
    }
}
