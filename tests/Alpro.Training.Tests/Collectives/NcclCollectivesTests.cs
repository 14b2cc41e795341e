using Alpro.Model.Arithmetic;
using Alpro.Training.Collectives;
using Alpro.Training.Configuration;
using static TorchSharp.torch;

namespace Alpro.Training.Tests.Collectives;

public sealed class NcclCollectivesTests
{
    /// <summary>Several segments of the stand-in, and no whole number of them.</summary>
    private const int Length = 200_003;

    [CompilerFact]
    public void Results_are_those_of_the_ring()
    {
        foreach (int world in new[] { 1, 2, 3 })
        {
            float[][] ring = Outcome(world, static group => group), nccl = Outcome(world, NcclStandIn.Waiting);
            Assert.Equal(ring, nccl);                                // whole numbers: the order of a sum does not matter
        }
        Assert.Equal(0, NcclStandIn.Misuses);

        static float[][] Outcome(int world, Func<ICollectives, ICollectives> over)
        {
            ICollectives[] ranks = world == 1 ? [new SoloGroup(1)] : TestRing.Form(world);
            return TestRing.OnThreads(world, rank =>
            {
                using ICollectives group = over(ranks[rank]);
                Tensor sum = arange(Length, dtype: ScalarType.Float32).remainder(tensor(97f)).mul(tensor(rank + 1f));
                Tensor wide = sum.to(ScalarType.Float64), given = sum.clone();
                group.AllReduce(sum);
                group.AllReduce(wide);
                Tensor all = group.AllGather(given.view(-1, 1));
                group.Broadcast(given, world - 1);
                Assert.Equal(group.World > 1, group.Any(rank == 1));
                return cat([sum, wide.to(ScalarType.Float32), all.view(-1), given], 0).data<float>().ToArray();
            });
        }
    }

    [CompilerFact]
    public void Training_is_that_of_the_ring_bit_for_bit()
    {
        RunConfig config = GroupTraining.Config();
        GroupTraining.Outcome[] ring = GroupTraining.Train(config, 2), nccl = GroupTraining.Train(config, 2, NcclStandIn.Waiting);
        Assert.Equal(ring.Select(rank => rank.Weights), nccl.Select(rank => rank.Weights));
        Assert.Equal(ring[0].Records.Select(record => record.Loss), nccl[0].Records.Select(record => record.Loss));
        Assert.Equal(0, NcclStandIn.Misuses);
    }

    [CompilerFact]
    public void Abort_at_any_time_ends_what_is_under_way_and_frees_nothing_that_is_used()
    {
        for (int round = 0; round < 200; round++)
        {
            using var group = NcclStandIn.Over(new SoloGroup(round));
            using Tensor own = ones(Length);
            var aborter = new Thread(() =>
            {
                Thread.SpinWait(500 * round);
                group.Abort(new InvalidOperationException("enough"));
            });
            aborter.Start();
            var failure = Assert.Throws<CollectivesException>(() => Reduce(group, own, times: int.MaxValue));
            NcclStandIn.Synchronize();
            aborter.Join();
            Assert.Equal($"rank 0 ended the group: enough; generation {round} is over", failure.Message);
        }
        Assert.Equal(0, NcclStandIn.Misuses);
    }

    private static void Reduce(NcclCollectives group, Tensor own, int times)
    {
        for (int i = 0; i < times; i++) group.AllReduce(own);
    }

    [CompilerFact]
    public void Group_that_is_over_already_is_not_entered()
    {
        ICollectives[] ranks = TestRing.Form(2);
        ranks[0].Abort(new InvalidOperationException("out of memory"));
        var failure = Assert.Throws<CollectivesException>(() => NcclStandIn.Over(ranks[0]));
        Assert.Equal("rank 0 ended the group: out of memory; generation 1 is over", failure.Message);
        ranks[1].Dispose();
    }

    [CompilerFact]
    public void Rank_that_leaves_before_an_operation_is_not_waited_for_in_it()
    {
        ICollectives[] ranks = TestRing.Form(3);
        using var begun = new CountdownEvent(2);
        string[] ends = TestRing.OnThreads(3, rank =>
        {
            using NcclCollectives group = NcclStandIn.Over(ranks[rank]);
            using Tensor own = ones(Length);
            group.AllReduce(own);
            NcclStandIn.Synchronize();
            if (rank == 0)
            {
                begun.Wait();
                return "left";
            }
            group.AllReduce(own);
            begun.Signal();
            NcclStandIn.Synchronize();                               // for ever, without rank 0
            return Assert.Throws<CollectivesException>(group.ThrowIfOver).Message;
        });
        Assert.Equal("left", ends[0]);
        Assert.All(ends[1..], end => Assert.StartsWith("rank 0 ", end, StringComparison.Ordinal));
        Assert.Equal(0, NcclStandIn.Misuses);
    }

    [CompilerFact]
    public async Task Rank_that_dies_between_or_in_operations_is_named_and_the_others_form_the_next_group()
    {
        RankProcess[] ranks = await RankProcess.StartAsync(4, faulty: 2, "die-in-operation:2");
        try
        {
            RankProcess[] first = ranks[..3], second = [ranks[0], ranks[3], ranks[1]], third = [ranks[1], ranks[0]];
            RankProcess.TellToJoin(1, first);
            Assert.Equal(["joined", "joined", "joined"], await RankProcess.AnswersAsync(first));
            Assert.Equal(["6 to 6", "6 to 6", "6 to 6"], await RankProcess.AskAsync($"reduce {Length}", first));
            string[] ends = await RankProcess.AskAsync($"reduce {Length}", first);
            Assert.Equal("dead", ends[2]);
            Assert.All(ends[..2], end => Assert.StartsWith("over: rank 2 is lost", end, StringComparison.Ordinal));

            RankProcess.TellToJoin(2, second);
            Assert.Equal(["joined", "joined", "joined"], await RankProcess.AnswersAsync(second));
            Assert.Equal(["6 to 6", "6 to 6", "6 to 6"], await RankProcess.AskAsync($"reduce {Length}", second));
            ranks[3].Kill();
            ends = await RankProcess.AskAsync($"reduce {Length}", third);
            Assert.All(ends, end => Assert.StartsWith("over: rank 1 is lost", end, StringComparison.Ordinal));

            RankProcess.TellToJoin(3, third);
            Assert.Equal(["joined", "joined"], await RankProcess.AnswersAsync(third));
            Assert.Equal(["3 to 3", "3 to 3"], await RankProcess.AskAsync($"reduce {Length}", third));
            Assert.Equal(["left, 0 misuses", "left, 0 misuses"], await RankProcess.AskAsync("leave", third));
        }
        finally
        {
            foreach (RankProcess rank in ranks) rank.Dispose();
        }
    }

    [CompilerFact]
    public async Task Rank_that_dies_or_hangs_or_fails_while_the_others_wait_for_it_to_begin_is_got_rid_of()
    {
        foreach ((string fault, string reason) in new[]
        {
            ("die-in-init:1", "rank 1 is lost"), ("hang-in-init:1", "rank 1 is lost"), ("fail-in-init:1", "rank 1 is lost, says rank 1"),
        })
        {
            RankProcess[] ranks = await RankProcess.StartAsync(2, faulty: 1, fault);
            try
            {
                RankProcess.TellToJoin(1, ranks);
                Task<string> end = ranks[0].AnswerAsync();
                if (fault.StartsWith("hang", StringComparison.Ordinal))
                {
                    Assert.Equal("hangs", await ranks[1].AnswerAsync());
                    await Assert.ThrowsAsync<TimeoutException>(() => end.WaitAsync(TimeSpan.FromSeconds(1)));
                    ranks[1].Kill();
                }
                Assert.StartsWith($"over: {reason}", await end, StringComparison.Ordinal);
            }
            finally
            {
                foreach (RankProcess rank in ranks) rank.Dispose();
            }
        }
    }

    [CompilerFact]
    public async Task Error_that_NCCL_meets_in_an_operation_ends_the_group_on_all_ranks()
    {
        // At once where the call fails; within moments where the call was good, and the device then waits for what does not come.
        foreach (string fault in new[] { "fail-in-operation:1", "break-in-operation:1" })
        {
            RankProcess[] ranks = await RankProcess.StartAsync(2, faulty: 1, fault);
            try
            {
                RankProcess.TellToJoin(1, ranks);
                Assert.Equal(["joined", "joined"], await RankProcess.AnswersAsync(ranks));
                string[] ends = await RankProcess.AskAsync($"reduce {Length}", ranks);
                Assert.StartsWith("over: rank 1 is lost, says rank 1", ends[0], StringComparison.Ordinal);
                Assert.StartsWith("over: rank 1 met an error of NCCL: ", ends[1], StringComparison.Ordinal);
            }
            finally
            {
                foreach (RankProcess rank in ranks) rank.Dispose();
            }
        }
    }
}
