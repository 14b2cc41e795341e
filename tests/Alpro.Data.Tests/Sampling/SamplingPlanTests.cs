using Alpro.Data.Sampling;

namespace Alpro.Data.Tests.Sampling;

public sealed class SamplingPlanTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(17)]
    [InlineData(256)]
    [InlineData(1000)]
    [InlineData(65537)]
    public void Permutation_visits_every_row_once(int count)
    {
        for (ulong seed = 0; seed < 5; seed++)
        {
            var permutation = new RowPermutation(count, seed);
            Assert.Equal(Enumerable.Range(0, count), Enumerable.Range(0, count).Select(i => (int)permutation[i]).Order());
        }
    }

    [Fact]
    public void Permutation_reaches_every_order_of_few_rows_about_equally_often()
    {
        var orders = new Dictionary<string, int>();
        for (ulong seed = 0; seed < 12_000; seed++)
        {
            var permutation = new RowPermutation(4, seed);
            string order = $"{permutation[0]}{permutation[1]}{permutation[2]}{permutation[3]}";
            orders[order] = orders.GetValueOrDefault(order) + 1;
        }
        Assert.Equal(24, orders.Count);
        Assert.All(orders.Values, times => Assert.InRange(times, 350, 650));
    }

    [Fact]
    public void Permutation_of_billions_of_rows_stays_inside_and_does_not_repeat()
    {
        var permutation = new RowPermutation(5_000_000_001, 42);
        var rows = new HashSet<long>();
        for (long position = 0; position < 20_000; position++)
            Assert.True(rows.Add(permutation[position * 250_000]) && permutation[position] is >= 0 and < 5_000_000_001);
    }

    [Fact]
    public void Permutation_leaves_no_trend_between_position_and_row()
    {
        const int Count = 10_000;
        var permutation = new RowPermutation(Count, 3);
        double covariance = Enumerable.Range(0, Count).Sum(i => (i - Count / 2.0) * (permutation[i] - Count / 2.0));
        Assert.InRange(covariance / (Math.Pow(Count, 3) / 12), -0.04, 0.04);
        Assert.InRange(Enumerable.Range(0, Count).Count(i => permutation[i] == i), 0, 8);
        Assert.InRange(Enumerable.Range(1, Count - 1).Count(i => permutation[i] == permutation[i - 1] + 1), 0, 8);
    }

    [Fact]
    public void An_epoch_visits_every_row_once_but_for_the_tail()
    {
        var plan = new SamplingPlan([103], batchSize: 8, seed: 7);
        Assert.Equal(12, plan.StepsPerEpoch);
        List<long> rows = [.. Rows(plan, 0, 12)];
        Assert.Equal(96, rows.Distinct().Count());
        Assert.All(rows, row => Assert.InRange(row, 0, 102));
        Assert.Equal(0, plan.TailBefore(11));
        Assert.Equal(7, plan.TailBefore(12));
        Assert.Equal(103, 12 * plan.BatchSize + plan.TailBefore(12));
    }

    [Fact]
    public void The_tail_is_another_one_each_epoch()
    {
        var plan = new SamplingPlan([103], batchSize: 8, seed: 7);
        var left = Enumerable.Range(0, 4).Select(
            epoch => Enumerable.Range(0, 103).Select(i => (long)i).Except(Rows(plan, 12 * epoch, 12)).ToHashSet()).ToList();
        Assert.All(left, rows => Assert.Equal(7, rows.Count));
        Assert.False(left[0].SetEquals(left[1]) || left[1].SetEquals(left[2]));
    }

    [Fact]
    public void Each_epoch_has_an_order_of_its_own()
    {
        var plan = new SamplingPlan([64], batchSize: 8, seed: 1);
        Assert.NotEqual(Rows(plan, 0, 8), Rows(plan, 8, 8));
        Assert.Equal(Rows(plan, 0, 8).Order(), Rows(plan, 8, 8).Order());
    }

    [Fact]
    public void Another_seed_is_another_order_and_the_same_seed_the_same()
    {
        List<ClipRequest> first = All(new SamplingPlan([500, 40], 8, 1), 50);
        Assert.Equal(first, All(new SamplingPlan([500, 40], 8, 1), 50));
        Assert.NotEqual(first.Select(r => r.Row), All(new SamplingPlan([500, 40], 8, 2), 50).Select(r => r.Row));
    }

    [Fact]
    public void Mixed_corpora_are_drawn_uniformly_and_each_keeps_its_own_epochs()
    {
        long[] sizes = [1000, 37, 80];
        var plan = new SamplingPlan(sizes, batchSize: 8, seed: 5);
        Assert.Equal(125 + 4 + 10, plan.StepsPerEpoch);
        const int Steps = 3000;
        var requests = All(plan, Steps);
        foreach (IGrouping<long, ClipRequest> step in requests.GroupBy(r => r.Step)) Assert.Single(step.Select(r => r.Corpus).Distinct());
        long tail = 0;
        for (int corpus = 0; corpus < 3; corpus++)
        {
            List<long> rows = [.. requests.Where(r => r.Corpus == corpus).Select(r => r.Row)];
            Assert.InRange(rows.Count / 8, Steps / 3 - 120, Steps / 3 + 120);
            int perEpoch = (int)(sizes[corpus] / 8 * 8);
            List<long[]> epochs = [.. rows.Chunk(perEpoch)];
            Assert.All(epochs, epoch => Assert.Equal(epoch.Length, epoch.Distinct().Count()));
            tail += epochs.Count(epoch => epoch.Length == perEpoch) * (sizes[corpus] - perEpoch);
        }
        Assert.Equal(tail, plan.TailBefore(Steps));
    }

    [Fact]
    public void Without_weights_corpora_are_drawn_as_they_always_were()
    {
        int[] drawn = [0, 0, 2, 0, 0, 0, 1, 2, 1, 0, 0, 0, 0, 1, 1, 0, 1, 0, 2, 0, 1, 2, 2, 1];
        foreach (double[]? weights in (double[]?[])[null, [1, 1, 1], [0.2, 0.2, 0.2]])
        {
            var plan = new SamplingPlan([1000, 37, 80], batchSize: 8, seed: 5, weights: weights);
            Assert.Equal(drawn, Enumerable.Range(0, drawn.Length).Select(step => plan.CorpusOf(step)));
        }
    }

    [Fact]
    public void Weights_share_out_the_steps_and_each_corpus_keeps_its_own_epochs()
    {
        const int Steps = 6000;
        long[] sizes = [1000, 37, 80];
        var plan = new SamplingPlan(sizes, batchSize: 8, seed: 5, weights: [6, 1, 3]);
        Assert.Equal(new SamplingPlan(sizes, batchSize: 8, seed: 5).StepsPerEpoch, plan.StepsPerEpoch);
        var requests = All(plan, Steps);
        (long tail, double[] shares) = (0, [0.6, 0.1, 0.3]);
        for (int corpus = 0; corpus < sizes.Length; corpus++)
        {
            List<long> rows = [.. requests.Where(r => r.Corpus == corpus).Select(r => r.Row)];
            Assert.InRange(rows.Count / 8.0 / Steps, shares[corpus] - 0.02, shares[corpus] + 0.02);
            int perEpoch = (int)(sizes[corpus] / 8 * 8);
            List<long[]> epochs = [.. rows.Chunk(perEpoch)];
            Assert.All(epochs, epoch => Assert.Equal(epoch.Length, epoch.Distinct().Count()));
            tail += epochs.Count(epoch => epoch.Length == perEpoch) * (sizes[corpus] - perEpoch);
        }
        Assert.Equal(tail, plan.TailBefore(Steps));
        var again = new SamplingPlan(sizes, batchSize: 8, seed: 5, weights: [0.6, 0.1, 0.3]);
        Assert.Equal(requests[^1], again.Request(Steps - 1, 7));
    }

    [Fact]
    public void A_plan_resumes_at_any_step_and_answers_in_any_order()
    {
        List<ClipRequest> straight = All(new SamplingPlan([300, 45], 5, 9), 400);
        var plan = new SamplingPlan([300, 45], 5, 9);
        var random = new SeededRandom(1);
        for (int i = 0; i < 300; i++)
        {
            ClipRequest expected = straight[random.NextInt32(straight.Count)];
            Assert.Equal(expected, plan.Request(expected.Step, expected.Slot));
        }
    }

    [Fact]
    public void Any_number_of_workers_gets_the_same_batches()
    {
        List<ClipRequest> straight = All(new SamplingPlan([300, 45], 6, 9), 200);
        foreach (int workers in (int[])[2, 3, 7])
        {
            var plan = new SamplingPlan([300, 45], 6, 9);
            var parts = new ClipRequest[straight.Count];
            Parallel.For(0, workers, worker =>
            {
                for (int i = worker; i < parts.Length; i += workers) parts[i] = plan.Request(i / 6, i % 6);
            });
            Assert.Equal(straight, parts);
        }
    }

    [Fact]
    public void Ranks_partition_the_batch()
    {
        var plan = new SamplingPlan([1000], batchSize: 12, seed: 3);
        var ranks = Enumerable.Range(0, 3).Select(rank => Enumerable.Range(rank * 4, 4).Select(slot => plan.Request(5, slot).Row).ToList())
            .ToList();
        Assert.Equal(12, ranks.SelectMany(rows => rows).Distinct().Count());
    }

    [Fact]
    public void A_replacement_comes_from_the_same_corpus_and_changes_nothing_else()
    {
        var plan = new SamplingPlan([300, 45], 6, 9);
        ClipRequest planned = plan.Request(17, 2), next = plan.Request(17, 3);
        ClipRequest first = plan.Request(17, 2, attempt: 1), second = plan.Request(17, 2, attempt: 2);
        Assert.Equal(planned.Corpus, first.Corpus);
        Assert.Equal(3, new[] { planned.Seed, first.Seed, second.Seed }.Distinct().Count());
        Assert.True(first.Row != planned.Row || second.Row != planned.Row);
        Assert.Equal(first, new SamplingPlan([300, 45], 6, 9).Request(17, 2, attempt: 1));
        Assert.Equal(next, plan.Request(17, 3));
    }

    [Fact]
    public void Seeds_of_requests_do_not_repeat()
    {
        List<ClipRequest> requests = All(new SamplingPlan([64], 8, 0), 2000);
        Assert.Equal(requests.Count, requests.Select(r => r.Seed).Distinct().Count());
    }

    [Fact]
    public void Empty_and_small_corpora_are_refused_all_at_once()
    {
        var error = Assert.Throws<DataException>(() => new SamplingPlan([0, 100, 7], 8, 0, ["webvid", "cc3m", "tiny"]));
        Assert.Equal("Nothing can be sampled: corpus webvid has no usable rows; corpus tiny has 7 usable rows, fewer than a batch of 8. "
            + "Use a smaller batch or a larger corpus.", error.Message);
        Assert.Throws<DataException>(() => new SamplingPlan([], 8, 0));
    }

    private static IEnumerable<long> Rows(SamplingPlan plan, long first, int steps) =>
        from step in Enumerable.Range(0, steps) from slot in Enumerable.Range(0, plan.BatchSize) select plan.Request(first + step,
        slot).Row;

    private static List<ClipRequest> All(SamplingPlan plan, int steps) =>
        [.. from step in Enumerable.Range(0, steps) from slot in Enumerable.Range(0, plan.BatchSize) select plan.Request(step, slot)];
}
