using System.Collections.Concurrent;
using Alpro.Model;
using Alpro.Training.Checkpoints;
using Alpro.Training.Collectives;
using Alpro.Training.Configuration;
using Alpro.Training.Records;
using static TorchSharp.torch;

namespace Alpro.Training.Tests.Collectives;

public sealed class GroupTrainingTests
{
    private const double Tolerance = 2e-6;

    [Theory]
    [InlineData(LearningTask.Pretrain, 1)]
    [InlineData(LearningTask.Pretrain, 2)]
    [InlineData(LearningTask.Prompter, 1)]
    [InlineData(LearningTask.Retrieval, 1)]
    [InlineData(LearningTask.QuestionAnswering, 1)]
    public void The_number_of_ranks_changes_no_loss(LearningTask task, int accumulation)
    {
        // Dropout and stochastic depth are on: the random numbers, too, must not depend on who computes what.
        RunConfig config = GroupTraining.Config(task, accumulation);
        GroupTraining.Outcome one = GroupTraining.Train(config, 1)[0];
        Assert.Equal(config.Training.Steps, one.Records.Select(record => record.Clips).Distinct().LongCount());
        Assert.True(one.State.Rejected > 0);
        foreach (int world in accumulation == 1 ? new[] { 2, 4 } : [2])
        {
            GroupTraining.Outcome[] ranks = GroupTraining.Train(config, world);
            Assert.All(ranks, rank =>
            {
                AssertSame(one.Records, rank.Records, Tolerance);
                Assert.Equal(ranks[0].Weights, rank.Weights);        // bit for bit among the ranks
                Assert.Equal((32, one.State.Rejected), (rank.State.Clips, rank.State.Rejected));
            });
            // Adam divides by small numbers
            Assert.All(one.Weights.Zip(ranks[0].Weights), pair => Assert.Equal(pair.First, pair.Second, 1e-4));
        }
    }

    [Fact]
    public void Groups_do_change_the_losses()
    {
        // What the test above would miss if a group were not used for anything.
        RunConfig config = GroupTraining.Config(steps: 1);
        StepRecord pairs = GroupTraining.Train(config, 1)[0].Records[0],
            fours = GroupTraining.Train(config with { Training = config.Training with { GroupSize = 4 } }, 1)[0].Records[0];
        Assert.NotEqual(pairs.Terms["vtm"].Loss, fours.Terms["vtm"].Loss, Tolerance);
    }

    [Fact]
    public void A_newcomer_takes_the_state_from_a_survivor_and_the_losses_go_on()
    {
        RunConfig config = GroupTraining.Config(steps: 6);
        GroupTraining.Outcome undisturbed = GroupTraining.Train(config, 2)[0];

        using var ring = new TestRing(2);
        var turn = new Lock();
        var records = new List<StepRecord>[] { [], [] };
        using var left = new ManualResetEventSlim();
        RingCollectives[] first = ring.Form();
        TestRing.OnThreads(3, thread =>
        {
            // Thread 0 survives; thread 1 is lost after step 2; thread 2 comes in its place, with a model that has learnt nothing.
            int rank = thread == 0 ? 0 : 1;
            turn.Enter();
            using AlproModel model = RunModel.Create(config with { Seed = config.Seed + (thread == 2 ? 1UL : 0) }, CPU);
            turn.Exit();
            using Trainer trainer = TinyRun.Trainer(config, new()
            {
                Record = record =>
                {
                    records[rank].Add(record);
                    if (thread == 1 && record.Step == 2) throw new LostException();
                },
            }, model: model);
            if (thread < 2)
            {
                using ICollectives group = new GroupTraining.InTurn(first[rank], turn);
                trainer.Join(group);
                if (thread == 1)
                {
                    Assert.Throws<LostException>(() => trainer.Run(GroupTraining.Batches(config, rank, 2)));
                    left.Set();
                    return 0;
                }
                Assert.Equal(1, Assert.Throws<CollectivesException>(() => trainer.Run(GroupTraining.Batches(config, rank, 2))).Peer);
                Assert.Equal(3, trainer.State.Step);
            }
            else
            {
                left.Wait();
            }
            using ICollectives second = new GroupTraining.InTurn(ring.Join(rank, generation: 2).GetAwaiter().GetResult(), turn);
            trainer.Join(second);
            Assert.Equal(3, trainer.State.Step);
            TrainState end = trainer.Run(GroupTraining.Batches(config, rank, 2, from: 3));
            Assert.Equal((6L, 6L, 48L, undisturbed.State.Rejected), (end.Step, end.Updates, end.Clips, end.Rejected));
            Assert.Equal(undisturbed.Weights, TinyRun.Weights(model));
            return 0;
        });
        Assert.All(records, rank => AssertSame(undisturbed.Records, rank, 0));
    }

    [Fact]
    public void The_furthest_rank_gives_its_state_to_the_others()
    {
        RunConfig config = GroupTraining.Config(steps: 3);
        ICollectives[] ranks = TestRing.Form(2);
        var turn = new Lock();
        (TrainState State, float[] Weights)[] joined = TestRing.OnThreads(2, rank =>
        {
            using ICollectives group = new GroupTraining.InTurn(ranks[rank], turn);
            using AlproModel model = RunModel.Create(config, CPU);
            using Trainer trainer = TinyRun.Trainer(config, new(), model: model);
            if (rank == 1) trainer.Run(TinyRun.Batches(config));
            trainer.Join(group);
            return (trainer.State, TinyRun.Weights(model));
        });
        Assert.Equal(3, joined[0].State.Step);
        Assert.Equal(joined[1].State, joined[0].State);
        Assert.Equal(joined[1].Weights, joined[0].Weights);
    }

    [Fact]
    public void What_one_rank_has_not_done_after_the_last_step_all_do_again()
    {
        RunConfig config = GroupTraining.Config(steps: 3);
        ICollectives[] ranks = TestRing.Form(2);
        var turn = new Lock();
        TrainState[] joined = TestRing.OnThreads(2, rank =>
        {
            using ICollectives group = new GroupTraining.InTurn(ranks[rank], turn);
            using Trainer trainer = TinyRun.Trainer(config, new());
            trainer.State = trainer.State with { Step = 3, Settled = 3 - rank };
            trainer.Join(group);
            return trainer.State;
        });
        Assert.All(joined, state => Assert.Equal((3L, 2L), (state.Step, state.Settled)));
    }

    [Fact]
    public void A_validation_outlives_the_group_that_ended_while_it_was_made()
    {
        RunConfig config = TinyRun.Config(LearningTask.Pretrain, batchSize: 12, steps: 4);
        config = config with { Training = config.Training with { GroupSize = 2, ValidateEvery = 2 } };
        using TestRing ring = new(2), larger = new(3);
        var turn = new Lock();
        RingCollectives[] first = ring.Form();
        var made = new ConcurrentQueue<(int Thread, long Step)>();
        using var come = new ManualResetEventSlim();
        TrainState[] ends = TestRing.OnThreads(3, thread =>
        {
            // Thread 2 comes while thread 0 validates, and is given the first number of a group of all three.
            turn.Enter();
            using AlproModel model = RunModel.Create(config, CPU);
            turn.Exit();
            var told = new List<(long, double)>();
            using Trainer trainer = TinyRun.Trainer(config, new()
            {
                Validate = (_, state) =>
                {
                    made.Enqueue((thread, state.Step));
                    if (state.Step == 2 && thread == 0)
                    {
                        come.Wait();
                        first[0].Abort(new CollectivesException(0, generation: 1, "makes room for a larger group"));
                    }
                    return new(state.Step, 10 * state.Step + thread, new Dictionary<string, double> { ["r1"] = thread }, 0);
                },
                Validated = record => told.Add((record.Step, record.Score)),
            }, model: model);
            if (thread == 2)
            {
                come.Set();
            }
            else
            {
                using ICollectives group = new GroupTraining.InTurn(first[thread], turn);
                trainer.Join(group);
                Assert.Throws<CollectivesException>(() => trainer.Run(GroupTraining.Batches(config, thread, 2)));
                Assert.Equal((2, 1), (trainer.State.Step, trainer.State.Settled));
            }
            int rank = (thread + 1) % 3;
            using ICollectives second = new GroupTraining.InTurn(larger.Join(rank, generation: 2).GetAwaiter().GetResult(), turn);
            trainer.Join(second);
            TrainState end = trainer.Run(GroupTraining.Batches(config, rank, 3, from: 2));
            Assert.Equal([(2L, 20), (4L, 42)], told);
            return end;
        });
        Assert.Equal([(0, 2L), (2, 4L)], made);
        Assert.All(ends, end => Assert.Equal((4, 4, 42.0, 4L), (end.Step, end.Settled, end.BestScore!.Value, end.BestStep!.Value)));
    }

    [Fact]
    public void A_loss_that_is_not_finite_on_one_rank_is_a_skipped_step_on_all()
    {
        RunConfig config = GroupTraining.Config(LearningTask.QuestionAnswering);
        config = config with { Training = config.Training with { OnNonFinite = NonFinitePolicy.Skip, MaxSkipped = 10 } };
        ICollectives[] ranks = TestRing.Form(2);
        var turn = new Lock();
        bool[][] skipped = TestRing.OnThreads(2, rank =>
        {
            using ICollectives group = new GroupTraining.InTurn(ranks[rank], turn);
            var records = new List<StepRecord>();
            using var model = (AlproForQuestionAnswering)RunModel.Create(config, CPU);
            using Trainer trainer = TinyRun.Trainer(config, new()
            {
                Record = record =>
                {
                    records.Add(record);
                    if (rank == 1 && record.Step is 0 or 1) Set(model, record.Step == 0 ? float.NaN : 0);
                },
            }, model: model);
            trainer.Join(group);
            trainer.Run(GroupTraining.Batches(config, rank, 2));
            return (bool[])[.. records.Select(record => record.Skipped)];
        });
        Assert.All(skipped, rank => Assert.Equal([false, true, false, false], rank));

        static void Set(AlproForQuestionAnswering model, float value)
        {
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            foreach (var parameter in model.classifier.parameters()) parameter.fill_(value);
        }
    }

    [Fact]
    public void Ranks_stop_together()
    {
        RunConfig config = GroupTraining.Config(LearningTask.Prompter, steps: 50);
        ICollectives[] ranks = TestRing.Form(2);
        var turn = new Lock();
        long[] steps = TestRing.OnThreads(2, rank =>
        {
            using ICollectives group = new GroupTraining.InTurn(ranks[rank], turn);
            using var stop = new CancellationTokenSource();
            using Trainer trainer = TinyRun.Trainer(config,
                new() { Record = record => { if (rank == 1 && record.Step == 2) stop.Cancel(); } });
            trainer.Join(group);
            return trainer.Run(GroupTraining.Batches(config, rank, 2), stop.Token).Step;
        });
        Assert.Equal([3L, 3], steps);
    }

    [Fact]
    public void Ranks_with_other_settings_or_clips_that_cannot_be_shared_out_are_refused()
    {
        RunConfig config = GroupTraining.Config();
        Assert.Equal("3 ranks: 1 problem" + Environment.NewLine + "  training.groupSize: is 2; expected a size of which 3 ranks have "
            + "equally many groups of the 8 clips that are run together (training.batchSize / training.accumulation)",
            Assert.Throws<ConfigException>(() => config.RequireShares(3)).Message);
        RunConfig whole = config with { Training = config.Training with { GroupSize = null } };
        whole.RequireShares(1);
        Assert.Contains("is null", Assert.Throws<ConfigException>(() => whole.RequireShares(2)).Message, StringComparison.Ordinal);

        ICollectives[] ranks = TestRing.Form(2);
        var turn = new Lock();
        Exception?[] failures = TestRing.OnThreads(2, rank =>
        {
            using ICollectives group = new GroupTraining.InTurn(ranks[rank], turn);
            RunConfig own = config with { Optimizer = config.Optimizer with { LearningRate = rank == 0 ? 1e-3 : 2e-3 } };
            using Trainer trainer = TinyRun.Trainer(own, new());
            return Record.Exception(() => trainer.Join(group));
        });
        Assert.Contains("optimizer.learningRate: is 0.001 on rank 0 and 0.002 here", Assert.IsType<ConfigException>(failures[1]).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Ranks_whose_corpora_differ_are_refused()
    {
        RunConfig config = GroupTraining.Config();
        ICollectives[] ranks = TestRing.Form(2);
        var turn = new Lock();
        Exception?[] failures = TestRing.OnThreads(2, rank =>
        {
            using ICollectives group = new GroupTraining.InTurn(ranks[rank], turn);
            using AlproModel model = RunModel.Create(config, CPU);
            var rows = new Dictionary<string, string> { ["data.corpora[0]"] = rank == 0 ? "24 rows" : "23 rows" };
            using Trainer trainer = new(config, model, new(), TinyRun.Start(config) with { Data = rows });
            return Record.Exception(() => trainer.Join(group));
        });
        Assert.Contains("rank 1 cannot train with the others: 1 problem" + Environment.NewLine
            + "  data.corpora[0]: is 24 rows on rank 0 and 23 rows here",
            Assert.IsType<ConfigException>(failures[1]).Message, StringComparison.Ordinal);
        // The other waits for the next group, and knows why.
        Assert.StartsWith("rank 1 cannot train with the others and was refused (data.corpora[0] is 24 rows on rank 0 and 23 rows here); ",
            Assert.IsType<CollectivesException>(failures[0]).Message, StringComparison.Ordinal);
    }

    private static void AssertSame(IReadOnlyList<StepRecord> wanted, IReadOnlyList<StepRecord> found, double tolerance)
    {
        Assert.Equal(wanted.Select(record => record.Step), found.Select(record => record.Step));
        foreach ((StepRecord first, StepRecord second) in wanted.Zip(found))
        {
            Assert.Equal((first.Clips, first.Rejected), (second.Clips, second.Rejected));
            Assert.Equal(first.Loss, second.Loss, tolerance);
            Assert.Equal(first.GradientNorm, second.GradientNorm, tolerance * Math.Max(10, first.GradientNorm));
            Assert.Equal(first.Terms.Keys, second.Terms.Keys);
            foreach ((string name, TermRecord term) in first.Terms)
            {
                Assert.Equal(term.Loss, second.Terms[name].Loss, tolerance);
                Assert.Equal((term.Correct, term.Count), (second.Terms[name].Correct, second.Terms[name].Count));
            }
        }
    }

    private sealed class LostException : Exception;
}
