using Akka.Actor;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using Alpro.Actors.Cluster;
using Alpro.Training;

namespace Alpro.Actors.Tests.Cluster;

/// <summary>Who trains with whom, and when.</summary>
public sealed class GroupKeeperTests : TestKit, IClassFixture<TrainingRunTests.World>
{
    private static readonly TimeSpan _soon = TimeSpan.FromSeconds(20), _while = TimeSpan.FromSeconds(2);

    private readonly string _world;
    private readonly TaskCompletionSource<bool> _ended = new();

    public GroupKeeperTests(TrainingRunTests.World world) => _world = world.Folder.Path;

    private IActorRef Keeper(int least, string groupSize = "2", bool resume = false)
    {
        using var folder = new TemporaryFolder();
        TrainingRunTests.Write(folder.File("config.json"), _world, steps: 10);
        RunConfig config = ConfigLoader.Load(folder.File("config.json"), [$"training.groupSize={groupSize}"]);
        Action<string> say = static _ => { };
        TaskCompletionSource<bool> ended = _ended;
        return Sys.ActorOf(Props.Create(() => new GroupKeeper(config, least, resume, say, ended, TimeProvider.System)));
    }

    private static void Report(IActorRef keeper, TestProbe trainer, string endpoint, long generation = 0, bool inGroup = false) =>
        keeper.Tell(new GroupKeeper.Report(endpoint, generation, inGroup), trainer.Ref);

    private static GroupMember.Form Formed(TestProbe trainer) => trainer.ExpectMsg<GroupMember.Form>(_soon);

    [Fact]
    public void Below_the_least_number_of_trainers_it_waits()
    {
        IActorRef keeper = Keeper(least: 2);
        TestProbe a = CreateTestProbe(), b = CreateTestProbe();
        Report(keeper, b, "b:1");
        b.ExpectNoMsg(_while);
        Report(keeper, a, "a:1");
        Report(keeper, b, "b:1");
        GroupMember.Form first = Formed(a), second = Formed(b);
        Assert.Equal((1, 0, false), (first.Generation, first.Rank, first.FromCheckpoint));
        Assert.Equal((1, 1, false), (second.Generation, second.Rank, second.FromCheckpoint));
        Assert.Equal(["a:1", "b:1"], second.Endpoints);
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
        Report(keeper, b, "b:1", 1, inGroup: false);                 // a is silent
        GroupMember.Form next = Formed(b);
        Assert.Equal((2, 0, false), (next.Generation, next.Rank, next.FromCheckpoint));
        Assert.Equal(["b:1"], next.Endpoints);
        a.ExpectNoMsg(TimeSpan.Zero);
    }

    [Fact]
    public void Trainer_that_has_fallen_silent_is_not_waited_for()
    {
        IActorRef keeper = Keeper(least: 1);
        TestProbe a = CreateTestProbe(), b = CreateTestProbe();
        Report(keeper, a, "a:1");
        Formed(a);
        Report(keeper, b, "b:1");                                    // and never again
        b.ExpectNoMsg(_while);
        Report(keeper, a, "a:1", 1, inGroup: true);
        Report(keeper, a, "a:1", 1, inGroup: false);
        Assert.Equal(["a:1"], a.FishForMessage<GroupMember.Form>(static _ => true, _soon).Endpoints);
    }

    [Fact]
    public void Newcomer_is_taken_in_at_the_next_generation()
    {
        IActorRef keeper = Keeper(least: 1);
        TestProbe a = CreateTestProbe(), b = CreateTestProbe();
        Report(keeper, a, "a:1");
        Formed(a);
        Report(keeper, a, "a:1", 1, inGroup: true);
        Report(keeper, b, "b:1");
        Assert.Equal(1, a.ExpectMsg<GroupMember.Disband>(_soon).Generation);
        Report(keeper, a, "a:1", 1, inGroup: false);
        Report(keeper, b, "b:1");
        Assert.Equal((2, 2), (a.FishForMessage<GroupMember.Form>(static _ => true, _soon).Generation, Formed(b).Endpoints.Count));
    }

    [Fact]
    public void Trainers_that_could_not_share_a_step_are_kept_in_reserve()
    {
        IActorRef keeper = Keeper(least: 1, groupSize: "4");         // a step is one group
        TestProbe a = CreateTestProbe(), b = CreateTestProbe();
        Report(keeper, a, "a:1");
        Report(keeper, b, "b:1");
        Assert.Single(Formed(a).Endpoints);
        Report(keeper, a, "a:1", 1, inGroup: true);
        b.ExpectNoMsg(_while);
        a.ExpectNoMsg(TimeSpan.Zero);
        Sys.Stop(a.Ref);
        Report(keeper, b, "b:1");
        Assert.True(Formed(b).FromCheckpoint);                       // it has no weights, and nobody else has
    }

    [Fact]
    public void Keeper_that_is_new_learns_from_the_trainers_which_group_there_is()
    {
        IActorRef keeper = Keeper(least: 1);
        TestProbe a = CreateTestProbe(), b = CreateTestProbe();
        Report(keeper, a, "a:1", 7, inGroup: true);
        a.ExpectNoMsg(_while);
        Report(keeper, b, "b:1");
        Assert.Equal(7, a.ExpectMsg<GroupMember.Disband>(_soon).Generation);
        Report(keeper, a, "a:1", 7, inGroup: false);
        Report(keeper, b, "b:1");
        Assert.Equal(8, Formed(b).Generation);
    }

    [Fact]
    public async Task End_of_the_run_is_that_of_all_its_trainers()
    {
        IActorRef keeper = Keeper(least: 1);
        TestProbe a = CreateTestProbe();
        Report(keeper, a, "a:1");
        Formed(a);
        keeper.Tell(GroupKeeper.Stop.Instance);
        a.ExpectMsg<GroupMember.StopRun>(_soon);
        keeper.Tell(new GroupKeeper.Ended(Completed: false), a.Ref);
        Assert.False(await _ended.Task.WaitAsync(_soon));
    }
}
