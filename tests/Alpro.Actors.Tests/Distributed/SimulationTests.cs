using Akka.Cluster;
using Alpro.Actors.Distributed.Membership;
using Alpro.Simulation;

namespace Alpro.Actors.Tests.Distributed;

/// <summary>Clusters in virtual time: the real actors of all nodes, over a network in memory, with faults from a seed.</summary>
public sealed class SimulationTests
{
    private static readonly SimulationSettings _alone = new() { Nodes = 3, Steps = 60 };

    private static readonly SimulationSettings _groups = new()
    {
        Nodes = 3,
        Trainers = 2,
        Coordinators = 2,
        Decoders = 2,
        Steps = 100,
        Faults = FaultSettings.Parse("all,count=4"),
    };

    private static readonly FaultSettings _comings =
        FaultSettings.Parse("kill,lost,freeze,pair,reset,leave,count=6,death=0.01,unreadable=0.01");

    private static void AssertSound(SimulationSettings settings, ulong seed)
    {
        Outcome outcome = Simulations.Of(settings, seed);
        if (outcome.Failure is null) return;
        IReadOnlyList<string> lines = Simulations.Of(settings, seed, keep: true).Lines;
        Assert.Fail($"seed {seed}: {outcome.Failure}{Environment.NewLine}{string.Join(Environment.NewLine, lines.TakeLast(40))}");
    }

    [Fact]
    public void Seed_gives_the_same_events_each_time_and_another_seed_others()
    {
        Outcome first = Simulations.Of(_groups, 1, keep: true), again = Simulations.Of(_groups, 1, keep: true);
        Assert.Equal(first.Lines, again.Lines);
        Assert.Equal(first.Hash, again.Hash);
        Assert.NotEqual(first.Hash, Simulations.Of(_groups, 2).Hash);
    }

    [Fact]
    public void Coordinator_that_trains_by_itself_is_fed_by_decode_nodes() => AssertSound(_alone, 1);

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Decode_nodes_that_come_and_go_lose_no_clip(ulong seed) => AssertSound(_alone with { Faults = _comings }, seed);

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Groups_go_on_after_every_fault_and_do_no_step_twice(ulong seed) => AssertSound(_groups, seed);

    // What seeds found, each of which failed before it was mended.

    [Theory]
    [InlineData(2465)]
    [InlineData(5102)]
    public void Decode_nodes_whose_voters_were_all_given_up_join_those_who_start_again(ulong seed) => AssertSound(_groups, seed);

    [Fact]
    public void First_rank_that_was_given_up_before_it_was_ready_writes_nothing_down() => AssertSound(_groups, 3582);

    [Fact]
    public void Trainer_that_did_not_hear_of_its_group_is_told_again() => AssertSound(_groups, 5165);

    [Fact]
    public void All_voters_that_give_themselves_up_start_again_with_their_decode_nodes() =>
        AssertSound(_groups with { Faults = FaultSettings.None, Script = GiveUp }, 1);

    private static void GiveUp(World world) => world.Time.After(TimeSpan.FromSeconds(10), () =>
    {
        foreach (SimulatedNode node in world.Nodes.Where(node => node.Role is NodeRole.Coordinator or NodeRole.Trainer))
            node.View.Down(node.Address);
    });

    /// <summary>
    /// A coordinator and a trainer lose each other. When one has given up the other, the network parts between them, before anybody else
    /// knows. So the other gives up the first. Each side then has two of three voters, if those do not count that it has given up.
    /// </summary>
    [Fact]
    public void Sides_that_gave_up_one_of_each_other_do_not_both_go_on()
    {
        bool parted = false;
        AssertSound(_groups with { Steps = 200, Faults = FaultSettings.None, Script = Begin }, 1);
        Assert.True(parted);

        void Begin(World world)
        {
            SimulatedNode coordinator = world.Nodes[0], trainer = world.Nodes[3];
            world.Cut([coordinator], [trainer], connected: false);
            Look();

            void Look()
            {
                if (HasGivenUp(coordinator, trainer) || HasGivenUp(trainer, coordinator)) Part();
                else world.Time.After(TimeSpan.FromMilliseconds(1), Look);
            }

            void Part()
            {
                parted = true;
                SimulatedNode[] others = [world.Nodes[1], trainer], here = [.. world.Nodes.Except(others)];
                world.Cut(here, others, connected: false);
                world.Time.After(TimeSpan.FromSeconds(20), () => world.Cut(here, others, connected: true));
                world.Time.After(TimeSpan.FromSeconds(60), () =>
                {
                    if (world.Alive.Any(node => node.View.Members.Count != world.Alive.Count)) world.Fail("there are two clusters");
                });
            }
        }

        static bool HasGivenUp(SimulatedNode one, SimulatedNode other) => one.View.Members[other].Status == MemberStatus.Down;
    }

    public static TheoryData<ulong> Seeds() => [.. Enumerable.Range(1, 12).Select(seed => (ulong)seed)];
}
