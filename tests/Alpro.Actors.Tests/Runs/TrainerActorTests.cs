using System.Text.Json;
using System.Threading.Channels;
using Akka.Actor;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using Alpro.Actors.Distributed.Groups;
using Alpro.Actors.Hosting;
using Alpro.Actors.Insight;
using Alpro.Actors.Runs;
using Alpro.Actors.Tests.Pipeline;
using Alpro.Data.Batches;
using Alpro.Model;
using Alpro.Training;
using Alpro.Training.Checkpoints;
using Alpro.Training.Collectives;
using Alpro.Training.Configuration;
using Alpro.Training.Records;
using Alpro.Training.Tests;
using static TorchSharp.torch;

namespace Alpro.Actors.Tests.Runs;

/// <summary>What a trainer tells its parent, and what it writes down.</summary>
public sealed class TrainerActorTests : TestKit
{
    private static readonly TimeSpan _soon = TimeSpan.FromSeconds(20);

    private readonly TemporaryFolder _out = new();
    private readonly RunConfig _config = TinyRun.Config();
    private readonly TestProbe _parent, _checkpoints;

    public TrainerActorTests()
    {
        Directory.CreateDirectory(Folder.Path);                      // whoever starts a run holds its folder before
        _parent = CreateTestProbe();
        _checkpoints = CreateTestProbe();
    }

    /// <summary>Gives snapshots back, and tells a probe of what they were.</summary>
    private sealed class Writer : ReceiveActor
    {
        public Writer(IActorRef probe) => Receive<CheckpointActor.Write>(message =>
        {
            probe.Tell(new Saved(message.Snapshot.State.Step, message.Snapshot.State.Generation));
            message.Snapshot.Dispose();
        });
    }

    private sealed record Saved(long Step, long Generation);

    private RunFolder Folder => new(_out.File("run"));

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _out.Dispose();
    }

    private IActorRef Trainer(RunConfig? config = null, Action<StepRecord>? stepped = null)
    {
        RunConfig used = config ?? _config;
        var run = new TrainingRun(used, Folder, Resume: false) { Stepped = stepped ?? (static _ => { }) };
        IActorRef probe = _checkpoints.Ref, checkpoints = Sys.ActorOf(Props.Create(() => new Writer(probe)));
        (TrainState start, ActorSettings settings) = (TinyRun.Start(used), TestClips.Running);
        var monitor = new RunMonitor(TimeProvider.System, run.Began, new() { Seconds = 0, Steps = [], BatchSize = 4 }, static () => []);
        return _parent.ChildActorOf(Props.Create(() => new TrainerActor(run, start, settings, checkpoints, null, monitor, null)));
    }

    private static TrainerActor.Enter Enter(ICollectives group, ChannelReader<ClipBatch> batches) => new(group, batches, Resume: false);

    private StepRecord[] Records() => [.. RunLog.Read<StepRecord>(Folder.Steps)];

    private TrainerActor.Failed Failed() => _parent.ExpectMsg<TrainerActor.Failed>(_soon);

    [Fact]
    public void Run_is_ready_at_its_first_step_and_finished_when_all_are_written_down()
    {
        Trainer().Tell(Enter(new SoloGroup(), TinyRun.Batches(_config)));
        Assert.Equal(0, _parent.ExpectMsg<TrainerActor.Ready>(_soon).State.Step);
        Assert.Equal(6, _parent.ExpectMsg<TrainerActor.Finished>(_soon).State.Step);
        Assert.Equal([0L, 1, 2, 3, 4, 5], Records().Select(record => record.Step));
        Assert.Equal(ConfigLoader.ToJson(_config), File.ReadAllText(Folder.Config));
        for (int step = 2; step <= 6; step += 2) Assert.Equal(step, _checkpoints.ExpectMsg<Saved>().Step);
    }

    [Fact]
    public void Loss_that_is_not_finite_is_told_with_the_batch_that_gave_it()
    {
        RunConfig wild = _config with { Optimizer = _config.Optimizer with { LearningRate = 1e38 } };
        Trainer(wild).Tell(Enter(new SoloGroup(), TinyRun.Batches(wild)));
        _parent.ExpectMsg<TrainerActor.Ready>(_soon);
        var reason = Assert.IsType<NonFiniteLossException>(Failed().Reason);
        string kept = Folder.Replay(reason.Record.Step, rank: null);
        Assert.True(File.Exists(kept), kept);
        Assert.Contains(kept, reason.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Batch_channel_that_closes_before_the_last_step_is_told_with_its_reason()
    {
        var batches = Channel.CreateUnbounded<ClipBatch>();
        batches.Writer.TryWrite(TinyRun.Batch(_config, 0));
        batches.Writer.Complete(new IOException("injected"));
        Trainer().Tell(Enter(new SoloGroup(), batches.Reader));
        _parent.ExpectMsg<TrainerActor.Ready>(_soon);
        Assert.Equal("injected", Assert.IsType<IOException>(Failed().Reason).Message);
        Assert.Equal([0L], Records().Select(record => record.Step));
    }

    [Fact]
    public void Trainer_whose_group_is_over_goes_on_in_the_next_with_the_weights_that_it_has()
    {
        var batches = Channel.CreateUnbounded<ClipBatch>();
        for (int step = 0; step < 2; step++) batches.Writer.TryWrite(TinyRun.Batch(_config, step));
        var over = new CollectivesException(peer: 0, generation: 1, "makes room for a larger group");
        IActorRef trainer = Trainer(stepped: record =>
        {
            if (record.Step == 1) batches.Writer.Complete(over);     // as the member of the groups does
        });
        trainer.Tell(Enter(new SoloGroup(1), batches.Reader));
        _parent.ExpectMsg<TrainerActor.Ready>(_soon);
        var lost = _parent.ExpectMsg<TrainerActor.GroupLost>(_soon);
        Assert.Equal((over, 2L), (lost.Reason, lost.Step));
        trainer.Tell(Enter(new SoloGroup(2), TinyRun.Batches(_config, from: 2)));
        Assert.Equal(2, _parent.ExpectMsg<TrainerActor.Ready>(_soon).State.Step);
        Assert.Equal(2, _parent.ExpectMsg<TrainerActor.Finished>(_soon).State.Generation);
        Assert.Equal([0L, 1, 2, 3, 4, 5], Records().Select(record => record.Step));
    }

    /// <summary>A group of this trainer and a furthest one, which dies when it has sent its weights and not its moments.</summary>
    private sealed class DyingSource(RunConfig config) : ICollectives
    {
        private readonly byte[] _standing = JsonSerializer.SerializeToUtf8Bytes(
            new { Config = config, State = TinyRun.Start(config) with { Step = 3, Settled = 3 } }, ConfigLoader.Json);
        private int _broadcasts;

        public int Rank => 1;

        public int World => 2;

        public long Generation => 1;

        public Tensor AllGather(Tensor own) => cat([own.shape[0] == 2 ? tensor([3L, 3L]) : tensor([0L]), own]);

        public void Broadcast(Tensor sent, int source)
        {
            Assert.Equal(0, source);
            switch (++_broadcasts)
            {
                case 1: sent.fill_(_standing.Length); break;
                case 2: sent.copy_(tensor(_standing)); break;
                case 3: sent.fill_(7); break;                        // the weights
                default: throw new CollectivesException(0, Generation, "has died");
            }
        }

        public void AllReduce(Tensor tensor) => throw new NotSupportedException();

        public void ThrowIfOver() { }

        public void Abort(Exception reason) { }

        public void Dispose() { }
    }

    [Fact]
    public void Trainer_whose_weights_came_without_their_moments_begins_anew()
    {
        RunConfig config = _config with { Training = _config.Training with { GroupSize = 2 } };
        IActorRef trainer = Trainer(config);
        trainer.Tell(Enter(new DyingSource(config), TinyRun.Batches(config)));
        Assert.Equal(0, _parent.ExpectMsg<TrainerActor.GroupLost>(_soon).Step);
        trainer.Tell(Enter(new SoloGroup(2), TinyRun.Batches(config)));
        Assert.Equal(0, _parent.ExpectMsg<TrainerActor.Ready>(_soon).State.Step);
        _parent.ExpectMsg<TrainerActor.Finished>(_soon);

        List<StepRecord> undisturbed = [];
        using AlproModel model = RunModel.Create(config, CPU);
        RunModel.Initialize(model, config);
        using Trainer alone = TinyRun.Trainer(config, new() { Record = undisturbed.Add }, model: model);
        alone.Run(TinyRun.Batches(config));
        Assert.Equal(undisturbed.Select(record => record.Loss), Records().Select(record => record.Loss));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Checkpoint_that_the_next_group_came_before_is_made_good_by_that_group(bool written)
    {
        RunConfig config = _config with { Training = _config.Training with { CheckpointEvery = 1, Steps = 2 } };
        IActorRef trainer = Trainer(config);
        EnterFor(generation: 1, step: 0);
        Assert.Equal(new Saved(1, 1), _checkpoints.ExpectMsg<Saved>(_soon));   // and lost: the writer finds that another group has formed
        _parent.FishForMessage<TrainerActor.GroupLost>(static _ => true, _soon);
        if (written) Directory.CreateDirectory(new CheckpointStore(Folder.Checkpoints).FolderOf(1));
        EnterFor(generation: 2, step: 1);
        if (!written) Assert.Equal(new Saved(1, 2), _checkpoints.ExpectMsg<Saved>(_soon));
        Assert.Equal(new Saved(2, 2), _checkpoints.ExpectMsg<Saved>(_soon));
        _parent.FishForMessage<TrainerActor.Finished>(static _ => true, _soon);

        void EnterFor(long generation, long step)
        {
            var channel = Channel.CreateUnbounded<ClipBatch>();
            channel.Writer.TryWrite(TinyRun.Batch(config, step));
            channel.Writer.Complete(new CollectivesException(1, generation, "makes room for a larger group"));
            trainer.Tell(Enter(new SoloGroup(generation), channel.Reader));
        }
    }

    [Fact]
    public void Trainer_that_was_given_up_while_it_was_away_writes_no_step_down()
    {
        var generations = new Generations(Folder);
        for (int number = 0; number < 2; number++) generations.Next();
        Trainer().Tell(Enter(new SoloGroup(1), TinyRun.Batches(_config)));
        var lost = _parent.ExpectMsg<TrainerActor.GroupLost>(_soon);
        Assert.Contains("generation 2 has formed", lost.Reason.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(Folder.Steps));
    }

    [Fact]
    public void Trainer_that_was_given_up_before_it_was_ready_writes_no_earlier_step_down()
    {
        IActorRef trainer = Trainer();
        var batches = Channel.CreateUnbounded<ClipBatch>();
        batches.Writer.TryWrite(TinyRun.Batch(_config, 0));
        batches.Writer.Complete(new CollectivesException(1, 1, "makes room for a larger group"));
        trainer.Tell(Enter(new SoloGroup(1), batches.Reader));
        _parent.FishForMessage<TrainerActor.GroupLost>(static _ => true, _soon);
        var generations = new Generations(Folder);
        for (int number = 0; number < 3; number++) generations.Next();
        File.Delete(Folder.Steps);                                   // the third group has begun before that step
        trainer.Tell(Enter(new SoloGroup(2), TinyRun.Batches(_config)));
        _parent.FishForMessage<TrainerActor.GroupLost>(
            static lost => lost.Reason.Message.Contains("generation 3 has formed", StringComparison.Ordinal), _soon);
        Assert.False(File.Exists(Folder.Steps));
    }

    [Fact]
    public void Records_that_are_damaged_are_told_as_bad_input_before_the_first_step()
    {
        File.WriteAllText(Folder.Steps, "no record\n");
        var none = Channel.CreateUnbounded<ClipBatch>();
        none.Writer.Complete();
        Trainer().Tell(Enter(new SoloGroup(), none.Reader));
        Assert.Contains("is no record of a run", Assert.IsType<ConfigException>(Failed().Reason).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Trainer_that_is_told_to_stop_while_it_waits_for_a_group_ends()
    {
        Trainer().Tell(RunSupervisor.Stop.Instance);
        Assert.IsType<OperationCanceledException>(Failed().Reason);
    }

    [Fact]
    public void Run_that_is_told_to_stop_ends_after_its_step_with_a_checkpoint()
    {
        var batches = Channel.CreateUnbounded<ClipBatch>();
        batches.Writer.TryWrite(TinyRun.Batch(_config, 0));
        IActorRef trainer = Trainer();
        trainer.Tell(Enter(new SoloGroup(), batches.Reader));
        _parent.ExpectMsg<TrainerActor.Ready>(_soon);
        trainer.Tell(RunSupervisor.Stop.Instance);
        long step = _parent.ExpectMsg<TrainerActor.Finished>(_soon).State.Step;
        Assert.InRange(step, 0, 1);
        if (step > 0) Assert.Equal(step, _checkpoints.ExpectMsg<Saved>().Step);
    }
}
