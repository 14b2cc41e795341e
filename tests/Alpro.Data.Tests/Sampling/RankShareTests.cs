using Alpro.Data.Sampling;

namespace Alpro.Data.Tests.Sampling;

public sealed class RankShareTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 1)]
    [InlineData(4, 1)]
    [InlineData(2, 3)]
    [InlineData(4, 3)]
    public void Ranks_partition_every_part_of_every_step(int world, int parts)
    {
        var plan = new SamplingPlan([500, 300], batchSize: 24, seed: 5);
        for (long step = 0; step < 40; step++)
        {
            RankShare[] ranks = [.. Enumerable.Range(0, world).Select(rank => new RankShare(plan, rank, world, parts))];
            Assert.All(ranks, rank => Assert.Equal(24 / world, rank.Places(step)));
            for (int part = 0; part < parts; part++)
            {
                int own = 24 / world / parts;
                var wanted = Enumerable.Range(part * 24 / parts, 24 / parts).Select(slot => plan.Request(step, slot, attempt: 1));
                var found = ranks.SelectMany(rank => Enumerable.Range(part * own,
                    own).Select(slot => rank.Request(step, slot, attempt: 1)));
                Assert.Equal(wanted.Select(clip => (clip.Corpus, clip.Row, clip.Seed)),
                    found.Select(clip => (clip.Corpus, clip.Row, clip.Seed)));
            }
            Assert.All(ranks, rank => Assert.Equal(Enumerable.Range(0, 24 / world),
                Enumerable.Range(0, 24 / world).Select(slot => rank.Request(step, slot).Slot)));
        }
    }

    [Fact]
    public void Places_that_cannot_be_shared_out_are_refused() =>
        Assert.Equal("The 24 places of step 3 cannot be shared out to 5 ranks in 1 parts.",
            Assert.Throws<InvalidOperationException>(() => new RankShare(new SamplingPlan([500], 24, 5), 0, 5).Request(3, 0)).Message);
}
