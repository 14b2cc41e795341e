using Akka.Actor;
using Akka.Cluster;
using Alpro.Actors.Distributed.Membership;

namespace Alpro.Actors.Tests.Distributed.Membership;

/// <summary>Who goes on when nodes are lost.</summary>
public sealed class VoterMajorityTests
{
    private static UniqueAddress Node(int port) => new(new Address("akka.tcp", "alpro", "127.0.0.1", port), port);

    private static bool GoOn(int[] voters, int[] lost) => GoOn(voters.ToDictionary(Node, _ => MemberStatus.Up), lost);

    private static bool GoOn(IReadOnlyDictionary<UniqueAddress, MemberStatus> voters, int[] lost) =>
        VoterMajority.GoesOn(voters, lost.Select(Node).ToHashSet());

    [Theory]
    [InlineData(new[] { 1, 2, 3 }, new[] { 3 })]
    [InlineData(new[] { 1, 2, 3 }, new[] { 1 })]
    [InlineData(new[] { 4, 3, 2, 1 }, new[] { 3, 4 })]               // half, and the lowest address is here
    [InlineData(new[] { 1, 2 }, new[] { 2 })]
    [InlineData(new[] { 1 }, new[] { 7, 8, 9 })]                     // nodes that only serve
    [InlineData(new int[0], new[] { 7 })]
    public void Side_with_most_voters_goes_on(int[] voters, int[] lost) => Assert.True(GoOn(voters, lost));

    [Theory]
    [InlineData(new[] { 1, 2, 3 }, new[] { 1, 2 })]
    [InlineData(new[] { 1, 2, 3 }, new[] { 1, 2, 3 })]
    [InlineData(new[] { 1, 2, 3, 4 }, new[] { 1, 2 })]
    [InlineData(new[] { 1, 2 }, new[] { 1 })]
    [InlineData(new[] { 1 }, new[] { 1 })]
    public void Side_with_fewer_ends_itself(int[] voters, int[] lost) => Assert.False(GoOn(voters, lost));

    [Fact]
    public void Of_two_sides_exactly_one_goes_on()
    {
        int[] voters = [5, 2, 8, 1, 9, 4];
        for (int side = 0; side < 1 << voters.Length; side++)
        {
            int[] here = [.. voters.Where((_, index) => (side >> index & 1) == 1)], there = [.. voters.Except(here)];
            Assert.NotEqual(GoOn(voters, here), GoOn(voters, there));
        }
    }

    /// <summary>
    /// The cluster agrees on a step (whoever joins is up, whoever leaves is gone) before it is carried out. Each side may or may not have
    /// done so when the network parts.
    /// </summary>
    [Fact]
    public void Of_two_sides_at_most_one_goes_on_while_members_join_and_leave()
    {
        MemberStatus[] statuses = [MemberStatus.Up, MemberStatus.Joining, MemberStatus.WeaklyUp, MemberStatus.Leaving];
        int[] all = [1, 2, 3, 4, 5];
        for (int code = 0; code < Math.Pow(statuses.Length, all.Length); code++)
        {
            Dictionary<UniqueAddress, MemberStatus> before = all.ToDictionary(Node, node =>
                statuses[code / (int)Math.Pow(statuses.Length, node - 1) % statuses.Length]);
            if (!before.ContainsValue(MemberStatus.Up)) continue;
            foreach ((bool joined, bool left) in new[] { (true, false), (false, true), (true, true) })
            {
                Dictionary<UniqueAddress, MemberStatus> after = before.ToDictionary(voter => voter.Key, voter => voter.Value switch
                {
                    MemberStatus.Leaving when left => MemberStatus.Exiting,
                    MemberStatus.Joining or MemberStatus.WeaklyUp when joined => MemberStatus.Up,
                    _ => voter.Value,
                });
                for (int side = 1; side < (1 << all.Length) - 1; side++)
                {
                    int[] here = [.. all.Where(node => (side >> (node - 1) & 1) == 1)], there = [.. all.Except(here)];
                    Assert.False(
                        GoOn(before, there) && GoOn(after, here), $"{string.Join(", ", before.Values)}: {string.Join(", ", here)}");
                }
            }
        }
    }

    /// <summary>
    /// Two nodes that do not reach each other give each other up, and the network parts before both sides know of both. Each side would
    /// have the majority of those whom it has not given up.
    /// </summary>
    [Fact]
    public void Of_two_sides_at_most_one_goes_on_whomever_each_has_given_up()
    {
        int[] all = [1, 2, 3, 4, 5];
        foreach (int[] voters in new[] { all, all[..4] })
            for (int side = 1; side < (1 << voters.Length) - 1; side++)
            {
                int[] here = [.. voters.Where(node => (side >> (node - 1) & 1) == 1)], there = [.. voters.Except(here)];
                foreach (int givenUpHere in there)
                    foreach (int givenUpThere in here)
                        Assert.False(GoOn(WithoutOne(givenUpHere), there) && GoOn(WithoutOne(givenUpThere), here),
                            $"{string.Join(", ", here)} gave up {givenUpHere}, {string.Join(", ", there)} gave up {givenUpThere}");

                Dictionary<UniqueAddress, MemberStatus> WithoutOne(int down) =>
                    voters.ToDictionary(Node, node => node == down ? MemberStatus.Down : MemberStatus.Up);
            }
    }

    [Fact]
    public void Voter_that_was_given_up_counts_until_it_is_taken_out()
    {
        Dictionary<UniqueAddress, MemberStatus> voters = new[] { 1, 2, 3, 4 }.ToDictionary(Node, _ => MemberStatus.Up);
        voters[Node(1)] = MemberStatus.Down;
        Assert.False(GoOn(voters, [2]));
        voters.Remove(Node(1));
        Assert.True(GoOn(voters, [2]));
    }

    [Fact]
    public void Node_that_stood_still_while_others_came_up_ends_itself()
    {
        // Thawed, it still sees two of the others joining. They were up, and took it out.
        Dictionary<UniqueAddress, MemberStatus> voters = new()
        {
            [Node(1)] = MemberStatus.Up,
            [Node(2)] = MemberStatus.Up,
            [Node(3)] = MemberStatus.Joining,
            [Node(4)] = MemberStatus.Joining,
        };
        Assert.False(GoOn(voters, [2, 3, 4]));
        Assert.True(GoOn(voters, [2]));
    }
}
