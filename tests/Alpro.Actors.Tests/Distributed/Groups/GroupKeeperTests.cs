using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Configuration;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using Alpro.Actors.Distributed.Groups;
using Alpro.Actors.Hosting;
using Alpro.Actors.Runs;
using Alpro.Tests.Support.Events;
using Alpro.Tests.Support.Runs;
using Alpro.Training.Configuration;
using Alpro.Training.Records;

namespace Alpro.Actors.Tests.Distributed.Groups;

/// <summary>Who trains with whom, and when.</summary>
public sealed class GroupKeeperTests : TestKit, IClassFixture<SmallWorld>
{
    private static readonly TimeSpan _soon = TimeSpan.FromSeconds(20), _silence = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan _while = TimeSpan.FromMilliseconds(1500);
    private static readonly TimeSpan _settle = TimeSpan.FromMilliseconds(300), _look = TimeSpan.FromMilliseconds(250);

    /// <summary>The time of the keeper, which passes when a test lets it.</summary>
    private sealed class SchedulerTime(TestScheduler scheduler) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => scheduler.Now;
    }

    private readonly TemporaryFolder _out = new();
    private readonly EventCollector _said;
    private readonly TaskCompletionSource<bool> _ended = new();
    private readonly CancellationTokenSource _stop = new();
    private volatile Address[] _trainers = [];
    private IActorRef _keeper = ActorRefs.Nobody;

    public GroupKeeperTests(SmallWorld world) : this(world, new EventCollector())
    {
    }

    private GroupKeeperTests(SmallWorld world, EventCollector said) : base(ActorSystemSetup.Create(
        BootstrapSetup.Create().WithConfig(ConfigurationFactory.ParseString(
            "akka.scheduler.implementation = \"Akka.TestKit.TestScheduler, Akka.TestKit\"").WithFallback(DefaultConfig)),
        new LogSetup(said)))
    {
        _said = said;
        SmallRun.Write(_out.File("config.json"), world.Folder.Path, steps: 2);
    }

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _stop.Dispose();
        _out.Dispose();
    }

    private TrainingRun Run(string groupSize) =>
        new(ConfigLoader.Load(_out.File("config.json"), [$"training.groupSize={groupSize}"]), new(_out.Path), true);

    private IActorRef Keeper(int least, string groupSize = "2")
    {
        (TrainingRun run, TaskCompletionSource<bool> ended, CancellationToken stop) = (Run(groupSize), _ended, _stop.Token);
        Func<IReadOnlyCollection<Address>> trainers = () => _trainers;
        TimeSpan settle = _settle;
        TimeProvider time = new SchedulerTime(Scheduler);
        return _keeper = Hears(Sys.ActorOf(Props.Create(() => new GroupKeeper(run, least, trainers, ended, time, settle, stop))));
    }

    private TestScheduler Scheduler => (TestScheduler)Sys.Scheduler;

    /// <summary>Waits until an actor has read all that it was told.</summary>
    private IActorRef Hears(IActorRef actor)
    {
        TestProbe asker = CreateTestProbe();
        actor.Tell(new Identify(actor), asker.Ref);
        asker.ExpectMsg<ActorIdentity>(_soon);
        return actor;
    }

    /// <summary>The keeper looks once more.</summary>
    private void Look()
    {
        Hears(_keeper);
        Scheduler.Advance(_look);
        Hears(_keeper);
    }

    private void Pass(TimeSpan time)
    {
        for (TimeSpan passed = TimeSpan.Zero; passed < time; passed += _look) Look();
    }

    /// <summary>The next that a trainer is told, before those are silent that have reported just now.</summary>
    private T Next<T>(TestProbe trainer)
    {
        for (int looks = 0; looks * _look < _silence && !trainer.HasMessages; looks++)
        {
            Look();
            Hears(trainer.Ref);
        }
        return trainer.ExpectMsg<T>(_soon);
    }

    /// <summary>A trainer is told nothing, however often the keeper looks in so long a time.</summary>
    private void IsToldNothing(TestProbe trainer, TimeSpan within)
    {
        Pass(within);
        Hears(trainer.Ref);
        trainer.ExpectNoMsg(TimeSpan.Zero);
    }

    private async Task<bool> EndAsync()
    {
        Pass(_silence);
        return await _ended.Task.WaitAsync(_soon);
    }

    /// <summary>As if so many groups had formed.</summary>
    private void GiveOut(int numbers)
    {
        var generations = new Generations(new(_out.Path));
        for (int number = 0; number < numbers; number++) generations.Next();
    }

    private void CheckpointAt(long step) => Directory.CreateDirectory(Run("2").Store().FolderOf(step));

    private static void Report(IActorRef keeper, TestProbe trainer, string endpoint, long generation = 0, bool inGroup = false,
        long step = 0) =>
        keeper.Tell(new GroupKeeper.Report(endpoint, generation, inGroup, step), trainer.Ref);

    private GroupMember.Form Formed(TestProbe trainer) => Next<GroupMember.Form>(trainer);

    [Fact]
    public void Below_the_least_number_of_trainers_it_waits()
    {
        IActorRef keeper = Keeper(least: 2);
        TestProbe a = CreateTestProbe(), b = CreateTestProbe();
        Report(keeper, b, "b:1");
        Next<GroupMember.AwaitOthers>(b);
        IsToldNothing(b, _while);
        CollectedEvent waiting = Assert.Single(_said.Of(nameof(ActorEvents.TrainersTooFew)));
        Assert.Equal((1, 2), (waiting.Fields["World"], waiting.Fields["Least"]));
        Report(keeper, a, "a:1");
        Report(keeper, b, "b:1");
        GroupMember.Form first = Formed(a), second = Formed(b);
        Assert.Equal((1, 0, false), (first.Generation, first.Rank, first.FromCheckpoint));
        Assert.Equal((1, 1, false), (second.Generation, second.Rank, second.FromCheckpoint));
        Assert.Equal(["a:1", "b:1"], second.Endpoints);
    }

    [Fact]
    public void Report_of_a_trainer_that_listens_nowhere_ends_nothing_but_itself()
    {
        IActorRef keeper = Keeper(least: 1);
        TestProbe strange = CreateTestProbe(), sound = CreateTestProbe();
        foreach (string endpoint in (string[])["nowhere", "host:", ":4253", "host:99999", "host:-1", "host:0"])
            Report(keeper, strange, endpoint);
        Report(keeper, sound, "a:1");
        Assert.Equal(["a:1"], Formed(sound).Endpoints);
        IsToldNothing(strange, TimeSpan.Zero);
    }

    [Fact]
    public void Survivors_go_on_without_the_lost_and_with_their_weights()
    {
        IActorRef keeper = Keeper(least: 1);
        TestProbe a = CreateTestProbe(), b = CreateTestProbe();
        Report(keeper, a, "a:1");
        Report(keeper, b, "b:1");
        Formed(a);
        Formed(b);
        Report(keeper, a, "a:1", 1, inGroup: true);
        Report(keeper, b, "b:1", 1, inGroup: true);
        Report(keeper, b, "b:1", 1, step: 9);                        // a is silent
        GroupMember.Form next = Formed(b);
        Assert.Equal((2, 0, false), (next.Generation, next.Rank, next.FromCheckpoint));
        Assert.Equal(["b:1"], next.Endpoints);
        IsToldNothing(a, TimeSpan.Zero);
    }

    [Fact]
    public void Member_that_did_not_hear_of_its_group_is_told_again()
    {
        IActorRef keeper = Keeper(least: 1);
        TestProbe a = CreateTestProbe();
        Report(keeper, a, "a:1");
        GroupMember.Form lost = Formed(a);                           // with a connection that broke
        Report(keeper, a, "a:1");
        Assert.Same(lost, Formed(a));
        Report(keeper, a, "a:1", 1, inGroup: true);
        IsToldNothing(a, _while);
    }

    [Fact]
    public void Trainer_that_has_fallen_silent_is_not_waited_for()
    {
        IActorRef keeper = Keeper(least: 1);
        TestProbe a = CreateTestProbe(), b = CreateTestProbe();
        Report(keeper, a, "a:1");
        Formed(a);
        Report(keeper, b, "b:1");                                    // and never again
        IsToldNothing(b, _silence);
        Report(keeper, a, "a:1", 1, inGroup: true);
        Report(keeper, a, "a:1", 1, step: 9);
        Pass(_settle);
        Assert.Equal(["a:1"], a.FishForMessage<GroupMember.Form>(static _ => true, _soon).Endpoints);
    }

    [Fact]
    public void Newcomer_is_taken_in_at_the_next_generation_behind_those_that_have_done_steps()
    {
        IActorRef keeper = Keeper(least: 1);
        TestProbe a = CreateTestProbe(), b = CreateTestProbe();
        Report(keeper, b, "b:1");
        Formed(b);
        Report(keeper, b, "b:1", 1, inGroup: true);
        Report(keeper, a, "a:1");
        Assert.Equal(1, Next<GroupMember.Disband>(b).Generation);
        Report(keeper, b, "b:1", 1, step: 9);
        Report(keeper, a, "a:1");
        GroupMember.Form first = Formed(b), second = Formed(a);
        Assert.Equal((2, 0), (first.Generation, first.Rank));
        Assert.Equal((2, 1), (second.Generation, second.Rank));
        Assert.Equal(["b:1", "a:1"], second.Endpoints);
    }

    [Fact]
    public void Trainers_that_could_not_share_a_step_are_kept_in_reserve()
    {
        IActorRef keeper = Keeper(least: 1, groupSize: "4");         // a step is one group
        CheckpointAt(5);
        TestProbe a = CreateTestProbe(), b = CreateTestProbe();
        Report(keeper, a, "a:1");
        Report(keeper, b, "b:1");
        Assert.Single(Formed(a).Endpoints);
        Report(keeper, a, "a:1", 1, inGroup: true);
        IsToldNothing(b, _while);
        IsToldNothing(a, TimeSpan.Zero);
        Report(keeper, b, "b:1");                                    // a is silent, and may go on with weights that b has not
        IsToldNothing(b, _while);
        Watch(a.Ref);
        Sys.Stop(a.Ref);
        ExpectTerminated(a.Ref, _soon);
        Report(keeper, b, "b:1");
        Assert.True(Formed(b).FromCheckpoint);                       // it has no weights, and nobody else has
    }

    [Fact]
    public void Keeper_that_is_new_learns_from_the_trainers_which_group_there_is()
    {
        GiveOut(7);
        IActorRef keeper = Keeper(least: 1);
        TestProbe a = CreateTestProbe(), b = CreateTestProbe();
        Report(keeper, a, "a:1", 7, inGroup: true);
        IsToldNothing(a, _while);
        Report(keeper, b, "b:1");
        Assert.Equal(7, Next<GroupMember.Disband>(a).Generation);
        Report(keeper, a, "a:1", 7, step: 9);
        Report(keeper, b, "b:1");
        Assert.Equal(8, Formed(b).Generation);
    }

    [Fact]
    public void Keeper_that_is_new_begins_no_group_before_it_has_heard_every_trainer_of_the_cluster()
    {
        CheckpointAt(5);
        Address unheard = Address.Parse("akka.tcp://alpro@127.0.0.1:4070");
        _trainers = [unheard];
        IActorRef keeper = Keeper(least: 1);
        TestProbe a = CreateTestProbe();
        Report(keeper, a, "a:1");
        IsToldNothing(a, _while);
        _trainers = [];                                              // given up by the cluster
        Report(keeper, a, "a:1");
        Assert.True(Formed(a).FromCheckpoint);
    }

    [Fact]
    public void Keeper_that_is_new_lets_survivors_of_the_last_group_go_on_at_once()
    {
        GiveOut(3);
        _trainers = [Address.Parse("akka.tcp://alpro@127.0.0.1:4070")];
        IActorRef keeper = Keeper(least: 1);
        TestProbe a = CreateTestProbe();
        Report(keeper, a, "a:1", 3, step: 9);
        Assert.Equal((4, false), Formed(a) is var form ? (form.Generation, form.FromCheckpoint) : default);
    }

    [Fact]
    public void Number_of_a_group_is_not_given_out_again_when_the_keeper_dies_before_anybody_reports_it()
    {
        IActorRef first = Keeper(least: 1);
        TestProbe a = CreateTestProbe();
        Report(first, a, "a:1");
        Assert.Equal(1, Formed(a).Generation);
        Sys.Stop(first);
        IActorRef second = Keeper(least: 1);
        Report(second, a, "a:1");
        Assert.Equal(2, Formed(a).Generation);
    }

    [Fact]
    public void Newest_weights_are_not_kept_in_reserve()
    {
        GiveOut(4);
        IActorRef keeper = Keeper(least: 1, groupSize: "4");
        TestProbe fresh = CreateTestProbe(), old = CreateTestProbe(), newest = CreateTestProbe();
        Report(keeper, fresh, "a:1");
        Report(keeper, old, "b:1", 2, step: 20);
        Report(keeper, newest, "c:1", 3, step: 40);
        Assert.Equal(["c:1"], Formed(newest).Endpoints);
    }

    [Theory]
    [InlineData(20, true)]
    [InlineData(60, false)]
    public void Checkpoint_that_is_further_than_the_trainers_is_begun_at(long step, bool fromCheckpoint)
    {
        GiveOut(4);
        CheckpointAt(50);
        IActorRef keeper = Keeper(least: 1);
        TestProbe a = CreateTestProbe();
        Report(keeper, a, "a:1", 2, step: step);
        Assert.Equal(fromCheckpoint, Formed(a).FromCheckpoint);
    }

    [Fact]
    public async Task Run_whose_trainers_ended_while_there_was_no_keeper_is_over()
    {
        await using (RunHost host = await RunHost.StartAsync(adjust: settings => settings with { Decoders = 1 }))
            await host.TrainAsync(Run("4"), CancellationToken.None);
        IActorRef keeper = Keeper(least: 1);
        Assert.True(await EndAsync());
        TestProbe late = CreateTestProbe();
        Report(keeper, late, "a:1");
        late.ExpectMsg<GroupMember.StopRun>(_soon);
    }

    [Fact]
    public async Task End_of_the_run_is_that_of_all_its_trainers()
    {
        IActorRef keeper = Keeper(least: 1);
        TestProbe a = CreateTestProbe();
        Report(keeper, a, "a:1");
        Formed(a);
        await _stop.CancelAsync();
        Next<GroupMember.StopRun>(a);
        keeper.Tell(new GroupKeeper.Ended(Completed: false), a.Ref);
        Assert.False(await EndAsync());
    }

    [Fact]
    public async Task Keeper_that_is_told_to_stop_before_it_has_heard_the_trainers_waits_for_them()
    {
        _trainers = [Address.Parse("akka.tcp://alpro@127.0.0.1:4070")];
        await _stop.CancelAsync();
        IActorRef keeper = Keeper(least: 1);
        TestProbe a = CreateTestProbe();
        Report(keeper, a, "a:1", 3, inGroup: true);
        Next<GroupMember.StopRun>(a);
        keeper.Tell(new GroupKeeper.Ended(Completed: false), a.Ref);
        Assert.False(_ended.Task.IsCompleted);
        _trainers = [];
        Assert.False(await EndAsync());
    }

    [Fact]
    public async Task Keeper_that_cannot_write_the_number_down_ends_with_the_reason()
    {
        Directory.CreateDirectory(_out.File("generation"));
        IActorRef keeper = Keeper(least: 1);
        Report(keeper, CreateTestProbe(), "a:1");
        Assert.Contains(_out.File("generation"), (await Assert.ThrowsAsync<IOException>(EndAsync)).Message, StringComparison.Ordinal);
    }
}
