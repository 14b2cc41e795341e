using Akka.Actor;
using Akka.Cluster;
using Alpro.Actors.Distributed.Membership;

namespace Alpro.Actors.Tests.Distributed.Membership;

/// <summary>Who goes on when nodes are lost.</summary>
public sealed class VoterMajorityTests
{
    private static UniqueAddress Node(int port) => new(new Address("akka.tcp", "alpro", "127.0.0.1", port), port);

    private static bool GoOn(int[] voters, int[] lost) => VoterMajority.GoesOn(voters.Select(Node), lost.Select(Node).ToHashSet());

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
}
