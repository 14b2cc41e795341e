using System.Globalization;
using System.IO.Hashing;
using System.Text.Json;
using Akka.Actor;
using Alpro.Actors;
using Alpro.Actors.Distributed.Decoding;
using Alpro.Actors.Distributed.Groups;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Pipeline;
using Alpro.Data.Batches;
using Alpro.Data.Clips;
using Alpro.Data.Sampling;
using Alpro.Training.Checkpoints;
using Alpro.Training.Collectives;
using Alpro.Training.Configuration;

namespace Alpro.Simulation;

/// <summary>The clips of a simulated run: a row for every place.</summary>
internal sealed class SimulatedPlan(int batchSize) : IClipPlan
{
    /// <summary>What the rows begin with that stand in for others.</summary>
    private const long StandIns = 1L << 40;

    /// <inheritdoc/>
    public bool ReplacesUnreadable => true;

    /// <inheritdoc/>
    public int Places(long step) => batchSize;

    /// <inheritdoc/>
    public ClipRequest Request(long step, int slot, int attempt = 0)
    {
        long row = attempt * StandIns + step * batchSize + slot;
        return new(step, slot, attempt, Corpus: 0, row, Seed: (ulong)row);
    }
}

/// <summary>
/// Stands for RunSupervisor, TrainerActor and Trainer: it enters groups with a real <see cref="GroupMember"/>, feeds itself from a real
/// <see cref="ClipPipeline"/>, and takes a while for each step, which all ranks end together. Weights are a number: the steps behind them.
/// </summary>
internal sealed class SimulatedTrainer : ReceiveActor, IWithTimers
{
    private sealed record Entered(ICollectives Group, long Step);

    private sealed record BatchThere(ICollectives Group);

    private sealed record Computed(ICollectives Group, ClipBatch Batch);

    private sealed record StepDone(ICollectives Group);

    private sealed record Saved(ICollectives Group, long Step);

    /// <summary>The operation in which the furthest rank gives its weights; steps are operations of their numbers.</summary>
    private const long Sharing = -1;

    private readonly World _world;
    private readonly SimulatedNode _node;
    private readonly ActorSettings _settings;
    private readonly IClipPlan _plan;
    private readonly IActorRef _member = ActorRefs.Nobody;
    private readonly ClipLedger _ledger = new();
    private ICollectives? _group;
    private IClipPlan _share = null!;
    private BatchChannel? _batches;
    private IActorRef? _pipeline;
    private int _streams;
    private bool _finishing;

    /// <summary>A trainer, whose node trains alone where it is a coordinator.</summary>
    public SimulatedTrainer(World world, SimulatedNode node, ActorSettings settings)
    {
        (_world, _node, _settings, _plan) = (world, node, settings, new SimulatedPlan(world.Settings.BatchSize));
        node.Trainer = this;
        if (node.Role == NodeRole.Trainer)
        {
            (ICluster cluster, IRingPort port) = (node.View, new Rings.Port(world, node));
            _member = Context.ActorOf(Props.Create(() => new GroupMember(cluster, port)), "member");
        }
        Receive<GroupMember.Formed>(message => OnFormed(message.Group, message.FromCheckpoint));
        Receive<GroupMember.Over>(message =>
        {
            // Behind the last step it has left the group already.
            if (_group?.Generation == message.Reason.Generation && Step < world.Settings.Steps) OnGroupLost();
        });
        Receive<GroupMember.AwaitOthers>(static _ => { });
        Receive<GroupMember.StopRun>(_ =>
        {
            // Behind the last step it ends when its checkpoint is written, as TrainerActor does.
            if (_group is null || Step < world.Settings.Steps) Finish(completed: false);
        });
        Receive<Entered>(message =>
        {
            if (message.Group == _group) OnEntered(message.Step);
        });
        Receive<BatchThere>(message =>
        {
            if (message.Group == _group) OnBatch();
        });
        Receive<Computed>(message =>
        {
            message.Batch.Dispose();
            if (message.Group == _group) Operate(Step, Step, world.Settings.SumTime, _ => new StepDone(message.Group));
        });
        Receive<StepDone>(message =>
        {
            if (message.Group == _group) OnStepDone();
        });
        Receive<Saved>(message => OnSaved(message));
    }

    /// <summary>Steps behind its weights; 0 where it has none.</summary>
    public long Step { get; private set; }

    /// <summary>The group that it is in; 0 for none.</summary>
    public long Generation => _group?.Generation ?? 0;

    /// <summary>Clips that were given out and have neither come nor been found unreadable.</summary>
    public long InHand => _ledger.InHand;

    /// <summary>What became of its clips.</summary>
    public LedgerTotals Totals => _ledger.Totals(0);

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc/>
    protected override void PreStart()
    {
        if (_member.IsNobody()) OnFormed(new SoloGroup(), fromCheckpoint: false);
        else _member.Tell(new GroupMember.Free(0));
    }

    /// <inheritdoc/>
    protected override void PostStop() => _node.Trainer = null;

    private void OnFormed(ICollectives group, bool fromCheckpoint)
    {
        _group = group;
        if (fromCheckpoint && _world.Run!.Store().Steps() is [.., long saved] && saved > Step) Step = saved;
        Operate(Sharing, Step, _world.Settings.ShareTime, step => new Entered(group, step));
    }

    /// <summary>Does something with all ranks, and then tells itself.</summary>
    private void Operate(long number, long value, TimeSpan takes, Func<long, object> then)
    {
        IActorRef self = Self;
        if (_group is Rings.Member ring) ring.Arrive(number, value, takes, result => self.Tell(then(result)));
        else Timers.StartSingleTimer("operation", then(value), takes);
    }

    private void OnEntered(long step)
    {
        Step = step;
        if (WasGivenUp()) return;
        if (_group!.Rank == 0) _world.OnFirst(Step);
        _ledger.TakeBack();
        if (Step == _world.Settings.Steps)
        {
            Save();                                                  // the first rank before may have died before it did
            return;
        }
        _share = _group!.World == 1 ? _plan : new RankShare(_plan, _group.Rank, _group.World);
        _batches = new(_settings.Prefetch);
        var job = new PipelineJob(_share, World.Clips, Step, _world.Settings.Steps, new(1, 1000), _ledger, _batches);
        (ActorSettings settings, VirtualTime time) = (_settings, _world.Time);
        Func<IClipSource> none = static () => throw new InvalidOperationException("a trainer has no decoders here");
        _pipeline = Context.ActorOf(Props.Create(() => new ClipPipeline(job, none, settings, time)), $"clips-{_streams++}");
        _node.Child(TrainerGate.Name)!.Tell(
            new TrainerGate.Serve(_pipeline, World.Clips, new(Tokens: 10, Answers: 1), World.Data, _ledger));
        _world.OnEntered(_node, _group.Generation, Step);
        AwaitBatch();
    }

    private void AwaitBatch()
    {
        (IActorRef self, ICollectives group) = (Self, _group!);
        _batches!.WhenThere(() => self.Tell(new BatchThere(group)));
    }

    private void OnBatch()
    {
        if (!_batches!.TryRead(out ClipBatch? batch))
        {
            _world.Fail($"{_node.Name}: the batches ended before step {Step}");
            return;
        }
        if (batch.Step != Step) _world.Fail($"{_node.Name}: the batch of step {batch.Step} came where {Step} was due");
        for (int slot = 0; slot < batch.Size; slot++)
            if (batch.Keys[slot] != _world.ExpectedRow(_share, Step, slot).ToString(CultureInfo.InvariantCulture))
                _world.Fail($"{_node.Name}: step {Step}, place {slot}: the clip of row {batch.Keys[slot]} is there");
        Timers.StartSingleTimer("compute", new Computed(_group!, batch),
            _world.Settings.StepTime * (0.9 + 0.2 * _world.Chance.Uniform(Question.Step, (ulong)_node.Number, (ulong)Step)));
    }

    private void OnStepDone()
    {
        Step++;
        if (WasGivenUp()) return;
        if (_group!.Rank == 0) _world.OnStep(_node, _group.Generation, Step - 1);
        if (Step == _world.Settings.Steps || Step % _world.Settings.CheckpointEvery == 0) Save();
        if (Step < _world.Settings.Steps) AwaitBatch();
    }

    /// <summary>As TrainerActor.ThrowIfGivenUp.</summary>
    private bool WasGivenUp()
    {
        if (_group is not { Rank: 0, Generation: > 0 and var own } || _world.Generations!.Last() <= own) return false;
        _group.Abort(new CollectivesException(0, own, "was given up while it was away"));
        OnGroupLost();
        return true;
    }

    private void Save()
    {
        // The first rank writes what all of them have; at the end it waits for that.
        Timers.StartSingleTimer($"save {Step}", new Saved(_group!, Step), _group!.Rank == 0 ? _world.Settings.SaveTime : TimeSpan.Zero);
    }

    private void OnSaved(Saved saved)
    {
        // As CheckpointActor.Save.
        if (_world.Run is { } run && saved.Group.Rank == 0
            && (saved.Group.Generation == 0 || _world.Generations!.Last() <= saved.Group.Generation))
            WriteCheckpoint(run.Store(), saved.Step);
        if (saved.Step < _world.Settings.Steps || saved.Group != _group) return;
        if (Totals.InHand != 0) _world.Fail($"{_node.Name}: {Totals.InHand} clips are neither delivered nor rejected");
        Finish(completed: true);
    }

    /// <summary>What the keeper reads of a checkpoint.</summary>
    private void WriteCheckpoint(CheckpointStore store, long step)
    {
        string folder = store.FolderOf(step);
        if (Directory.Exists(folder)) return;
        string aside = Directory.CreateDirectory(Path.Combine(_world.Run!.Folder.Path, "aside")).FullName;
        long steps = _world.Settings.Steps;
        TrainState state = new() { Step = step, Settled = step, TotalSteps = steps, StepsPerEpoch = steps };
        var checksums = new List<string>();
        foreach ((string name, byte[] bytes) in new[]
        {
            (Checkpoint.WeightsName, Array.Empty<byte>()), (Checkpoint.MomentsName, Array.Empty<byte>()),
            (Checkpoint.StateName, JsonSerializer.SerializeToUtf8Bytes(new { State = state, _world.Run!.Config }, ConfigLoader.Json)),
        })
        {
            File.WriteAllBytes(Path.Combine(aside, name), bytes);
            checksums.Add($"{Convert.ToHexStringLower(XxHash128.Hash(bytes))}  {name}");
        }
        File.WriteAllLines(Path.Combine(aside, Checkpoint.ChecksumsName), checksums);
        Directory.CreateDirectory(store.Folder);
        Directory.Move(aside, folder);
        _world.Log.Add(_node, "checkpoint", "", step);
    }

    private void OnGroupLost()
    {
        EndStream();
        _group = null;
        if (_finishing) return;
        _member.Tell(new GroupMember.Free(Step));
    }

    private void EndStream()
    {
        Timers.Cancel("compute");
        Timers.Cancel("operation");
        if (_pipeline is not null) Context.Stop(_pipeline);
        _pipeline = null;
        while (_batches is not null && _batches.TryRead(out ClipBatch? left)) left.Dispose();
    }

    private void Finish(bool completed)
    {
        if (_finishing) return;
        _finishing = true;
        EndStream();
        if (_member.IsNobody())
        {
            _world.IsDone = true;
            return;
        }
        GroupKeeper.Find(Context.System, _node.View)?.Tell(new GroupKeeper.Ended(completed), Self);
        _world.Leave(_node);
    }
}
