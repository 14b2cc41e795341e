using Akka.Actor;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using Alpro.Actors.Distributed.Groups;
using Alpro.Actors.Hosting;
using Alpro.Actors.Runs;
using Alpro.Data;
using Alpro.Model.Checkpoints;
using Alpro.Tests.Support.Events;
using Alpro.Tests.Support.Runs;
using Alpro.Training;
using Alpro.Training.Checkpoints;
using Alpro.Training.Collectives;
using Alpro.Training.Configuration;
using Alpro.Training.Records;

namespace Alpro.Actors.Tests.Runs;

/// <summary>When a trainer is started again, and when the run ends; the trainer is a probe's.</summary>
public sealed class RunSupervisorTests : TestKit, IClassFixture<SmallWorld>
{
    private static readonly TimeSpan _soon = TimeSpan.FromSeconds(20);

    private readonly RunHost _host;
    private readonly TemporaryFolder _out = new();
    private readonly EventCollector _said;
    private readonly TaskCompletionSource<RunResult> _finished = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TestProbe _trainer;
    private readonly IActorRef _supervisor;

    public RunSupervisorTests(SmallWorld world) : this(world, new EventCollector()) { }

    private RunSupervisorTests(SmallWorld world, EventCollector said) : this(world, said,
        RunHost.StartAsync(adjust: settings => settings with
    {
        Decoders = 0, SharesCores = false, MaxRestarts = 2, StopTimeout = TimeSpan.FromSeconds(5),
    }, log: said).GetAwaiter().GetResult()) { }

    private RunSupervisorTests(SmallWorld world, EventCollector said, RunHost host) : base(host.System)
    {
        (_host, _said) = (host, said);
        SmallRun.Write(_out.File("config.json"), world.Folder.Path, steps: 4);
        RunConfig config = ConfigLoader.Load(_out.File("config.json"));
        Directory.CreateDirectory(_out.File("run"));                 // whoever starts a run holds its folder before
        var run = new TrainingRun(config, new(_out.File("run")), Resume: false);
        _trainer = CreateTestProbe();
        (RunData data, TaskCompletionSource<RunResult> finished, IActorRef trainer) = (new(config, host.Settings), _finished, _trainer.Ref);
        _supervisor = Sys.ActorOf(Props.Create(() => new ProbedSupervisor(host, run, data, finished, trainer)));
    }

    /// <summary>A supervisor whose trainers hand all that they are told to a probe.</summary>
    private sealed class ProbedSupervisor(
        RunHost host, TrainingRun run, RunData data, TaskCompletionSource<RunResult> finished, IActorRef trainer)
        : RunSupervisor(host, run, data, [], finished)
    {
        protected override Props TrainerOf(TrainingRun attempt) => Props.Create(() => new Puppet(trainer));
    }

    private sealed class Puppet : ReceiveActor
    {
        public Puppet(IActorRef probe) => ReceiveAny(probe.Forward);
    }

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _host.DisposeAsync().AsTask().GetAwaiter().GetResult();
        _out.Dispose();
    }

    private static TrainState State(long step) => new() { Step = step, Settled = step, TotalSteps = 4, StepsPerEpoch = 6 };

    /// <summary>Waits for a trainer, which has built its model and wants batches.</summary>
    /// <returns>Whether it begins at the last checkpoint.</returns>
    private bool Begun()
    {
        var enter = _trainer.ExpectMsg<TrainerActor.Enter>(_soon);
        _supervisor.Tell(new TrainerActor.Ready(State(0), [], enter.Group));
        return enter.Resume;
    }

    private void Fail(Exception reason) => _supervisor.Tell(new TrainerActor.Failed(reason));

    private Task<RunResult> EndAsync() => _finished.Task.WaitAsync(_soon);

    private static NonFiniteLossException NotFinite(long step) => new(new()
    {
        Step = step, Epoch = 0, Corpus = 0, Clips = "", Loss = double.NaN, Terms = new Dictionary<string, TermRecord>(),
        LearningRate = 0, GradientNorm = 0,
    }, [], file: null);

    [Fact]
    public void Trainer_that_fails_in_a_way_that_may_pass_is_started_again_from_the_last_checkpoint()
    {
        Assert.False(Begun());
        Fail(new IOException("injected"));
        Assert.True(Begun());
        CollectedEvent restart = Assert.Single(_said.Of(nameof(ActorEvents.TrainerRestarted)));
        Assert.Equal((1, 2, "injected"), (restart.Fields["Restarts"], restart.Fields["MaxRestarts"], restart.Fields["Reason"]));
        Assert.False(_finished.Task.IsCompleted);
    }

    [Fact]
    public async Task Trainer_that_fails_more_often_than_is_allowed_ends_the_run_with_its_reason()
    {
        for (int time = 0; time < 3; time++)
        {
            Begun();
            Fail(new IOException($"injected {time}"));
        }
        Assert.Equal("injected 2", (await Assert.ThrowsAsync<IOException>(EndAsync)).Message);
    }

    [Fact]
    public async Task Trainer_that_fails_before_it_is_ready_ends_the_run()
    {
        _trainer.ExpectMsg<TrainerActor.Enter>(_soon);
        Fail(new IOException("injected"));
        await Assert.ThrowsAsync<IOException>(EndAsync);
    }

    [Fact]
    public async Task Time_without_a_group_goes_to_what_the_group_was_lost_for()
    {
        Begun();
        Lose(generation: 0);
        _supervisor.Tell(GroupMember.AwaitOthers.Instance);
        Enter(generation: 1);
        _supervisor.Tell(new GroupMember.Over(new CollectivesException(0, 1, "makes room for a larger group"), Grows: true));
        Lose(generation: 1);
        Enter(generation: 2);
        _supervisor.Tell(new TrainerActor.Finished(State(4)));
        await EndAsync();
        TimeAccount account = TimeAccount.Of(new RunFolder(_out.File("run")))!;
        Assert.Equal([TimeCause.Training, TimeCause.Checkpoint, TimeCause.StartUp, TimeCause.RankLost, TimeCause.GroupGrown,
            TimeCause.Paused], account.Parts.Keys);

        void Lose(long generation) => _supervisor.Tell(new TrainerActor.GroupLost(new CollectivesException(1, generation, "died"), 1));

        void Enter(long generation)
        {
            _supervisor.Tell(new GroupMember.Formed(new SoloGroup(generation), FromCheckpoint: false, ["a:1"], ["a:2"]));
            Begun();
        }
    }

    public static TheoryData<Exception> Lasting { get; } =
    [
        new ConfigException("config.json", []), new CheckpointException("weights", "injected"), new DataException("injected"),
        new RunFailedException("injected"),
    ];

    [Theory]
    [MemberData(nameof(Lasting), DisableDiscoveryEnumeration = true)]
    public async Task Fault_that_no_restart_mends_ends_the_run(Exception fault)
    {
        Begun();
        Fail(fault);
        Assert.Same(fault, await Assert.ThrowsAnyAsync<Exception>(EndAsync));
    }

    [Fact]
    public async Task Step_that_is_not_finite_twice_ends_the_run_and_another_step_does_not()
    {
        Begun();
        Fail(NotFinite(1));
        Begun();
        Fail(NotFinite(2));
        Begun();
        NonFiniteLossException again = NotFinite(2);
        Fail(again);
        Assert.Same(again, await Assert.ThrowsAsync<NonFiniteLossException>(EndAsync));
    }

    [Fact]
    public async Task Checkpoint_that_cannot_be_written_ends_the_run()
    {
        Begun();
        var full = new RunFailedException("injected");
        _supervisor.Tell(new CheckpointActor.Failed(full));
        Assert.Same(full, await Assert.ThrowsAsync<RunFailedException>(EndAsync));
    }

    [Fact]
    public async Task Run_that_is_told_to_stop_tells_its_trainer_and_ends_when_that_has_finished()
    {
        Begun();
        _supervisor.Tell(RunSupervisor.Stop.Instance);
        _trainer.ExpectMsg<RunSupervisor.Stop>(_soon);
        _supervisor.Tell(new TrainerActor.Finished(State(2)));
        RunResult result = await EndAsync();
        Assert.Equal((false, 2L, 0), (result.Completed, result.State.Step, result.Restarts));
    }

    [Fact]
    public async Task Trainer_that_fails_after_the_run_was_told_to_stop_is_not_started_again()
    {
        Begun();
        _supervisor.Tell(RunSupervisor.Stop.Instance);
        Fail(new IOException("injected"));
        await Assert.ThrowsAsync<IOException>(EndAsync);
    }

    [Fact]
    public async Task Run_is_complete_when_its_last_step_is_done()
    {
        Begun();
        Fail(new IOException("injected"));
        Begun();
        _supervisor.Tell(new TrainerActor.Finished(State(4)));
        RunResult result = await EndAsync();
        Assert.Equal((true, 1, 0), (result.Completed, result.Restarts, result.Rank));
    }
}
