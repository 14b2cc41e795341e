using Alpro.Training.Collectives;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Training.Tests.Collectives;

public sealed class RingCollectivesTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Sums_are_those_of_arithmetic(int world)
    {
        int ranks = world * (world + 1) / 2;
        TestRing.Run(world, group =>
        {
            foreach (int length in new[] { 1, 3, 1001, 2_500_003 })   // less than the ranks, no multiple of them, several segments
                Assert.Equal([.. Enumerable.Range(0, length).Select(i => (double)(ranks * (i % 97)))], Sum(group, length));
            return 0;
        });

        static double[] Sum(ICollectives group, int length)
        {
            Tensor own = tensor([.. Enumerable.Range(0, length).Select(i => (double)((group.Rank + 1) * (i % 97)))]),
                single = own.to(ScalarType.Float32);
            group.AllReduce(own);
            group.AllReduce(single);
            // whole numbers: exact in both
            Assert.Equal(own.data<double>().ToArray(), single.to(ScalarType.Float64).data<double>().ToArray());
            return own.data<double>().ToArray();
        }
    }

    [Fact]
    public void Rounded_sums_are_the_same_bit_for_bit_on_every_rank()
    {
        float[][] sums = TestRing.Run(4, group =>
        {
            Tensor own = sin(arange(100_003, dtype: ScalarType.Float32).mul(tensor(group.Rank + 1f)));
            group.AllReduce(own);
            return own.data<float>().ToArray();
        });
        Assert.All(sums, sum => Assert.Equal(sums[0], sum));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Gathering_keeps_rank_order_and_any_rank_can_give_to_all(int world)
    {
        TestRing.Run(world, group =>
        {
            Tensor all = group.AllGather(tensor([10L * group.Rank, 10L * group.Rank + 1], [1, 2]));
            Assert.Equal([world, 2], all.shape);
            Assert.Equal([.. Enumerable.Range(0, world).SelectMany(rank => new[] { 10L * rank, 10L * rank + 1 })],
                all.data<long>().ToArray());
            for (int source = 0; source < world; source++)
            {
                Tensor given = group.Rank == source ? arange(700_001, dtype: ScalarType.Float32) : zeros(700_001);
                group.Broadcast(given, source);
                Assert.Equal(arange(700_001, dtype: ScalarType.Float32).data<float>().ToArray(), given.data<float>().ToArray());
            }
            Assert.True(group.Any(group.Rank == world - 1));
            Assert.False(group.Any(false));
            return 0;
        });
    }

    [Fact]
    public void Ranks_that_leave_in_order_disturb_no_one()
    {
        // Each leaves as soon as its own last operation is done, while others may still be in theirs.
        for (int round = 0; round < 20; round++)
            TestRing.Run(3, group =>
            {
                Tensor own = ones(1000);
                group.AllReduce(own);
                return own.sum().item<float>();
            });
    }

    [Fact]
    public void A_rank_that_is_slow_is_waited_for()
    {
        ICollectives[] ranks = TestRing.Form(3, _ => new() { Silence = TimeSpan.FromSeconds(1) });
        using var never = new ManualResetEventSlim();
        float[] sums = TestRing.OnThreads(3, rank =>
        {
            using ICollectives own = ranks[rank];
            if (rank == 1) never.Wait(2500);                         // computing, say: longer than a rank may be silent
            Tensor sum = ones(1);
            own.AllReduce(sum);
            return sum.item<float>();
        });
        Assert.Equal([3f, 3, 3], sums);
    }

    [Fact]
    public void Ranks_that_do_different_things_are_told_so()
    {
        ICollectives[] ranks = TestRing.Form(2);
        CollectivesException[] failures = TestRing.OnThreads(2, rank => Assert.Throws<CollectivesException>(() =>
        {
            if (rank == 0) ranks[0].AllReduce(zeros(8));
            else ranks[1].AllGather(zeros(8));
        }));
        Assert.Contains(failures, failure => failure.Message.Contains("(operation 1 of generation 1) where All", StringComparison.Ordinal));
        foreach (ICollectives rank in ranks) rank.Dispose();
    }

    [Fact]
    public void What_a_ring_cannot_sum_is_refused()
    {
        ICollectives[] ranks = TestRing.Form(2);
        using var scope = NewDisposeScope();
        Assert.Contains("not of Int64", Assert.Throws<ArgumentException>(() => ranks[0].AllReduce(zeros(2, ScalarType.Int64))).Message,
            StringComparison.Ordinal);
        Assert.Contains("contiguous", Assert.Throws<ArgumentException>(() => ranks[0].AllReduce(zeros(2, 2).t())).Message,
            StringComparison.Ordinal);
        foreach (ICollectives rank in ranks) rank.Dispose();
    }
}
