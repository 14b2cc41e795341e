using System.Threading.Channels;
using Alpro.Benchmarks;
using Alpro.Data.Batches;
using Alpro.Model;
using Alpro.Model.Arithmetic;
using Alpro.Model.Checkpoints;
using Alpro.Training.Checkpoints;
using Alpro.Training.Collectives;
using Alpro.Training.Configuration;
using Alpro.Training.Devices;
using Alpro.Training.Records;
using static TorchSharp.torch;

namespace Alpro.Training.Tests;

public sealed class TrainerTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(LearningTask.Pretrain, "vtc vtm pem mlm")]
    [InlineData(LearningTask.Prompter, "vtc")]
    [InlineData(LearningTask.Retrieval, "vtc vtm")]
    [InlineData(LearningTask.QuestionAnswering, "qa")]
    public void Every_task_trains_and_records_its_losses(LearningTask task, string terms)
    {
        RunConfig config = TinyRun.Config(task);
        var records = new List<StepRecord>();
        using AlproModel model = RunModel.Create(config, CPU);
        float[] before = TinyRun.Weights(model);
        using Trainer trainer = TinyRun.Trainer(config, new() { Record = records.Add }, model: model);
        TrainState end = trainer.Run(TinyRun.Batches(config));
        Assert.Equal((6, 6, 24), (end.Step, end.Updates, end.Clips));
        Assert.Equal([0L, 1, 2, 3, 4, 5], records.Select(record => record.Step));
        Assert.All(records, record =>
        {
            Assert.Equal(terms, string.Join(' ', record.Terms.Keys));
            Assert.Equal(record.Loss, record.Terms.Values.Sum(term => term.Loss), 1e-5);
            Assert.True(double.IsFinite(record.GradientNorm) && record.GradientNorm > 0);
        });
        Assert.NotEqual(before, TinyRun.Weights(model));
    }

    [Theory]
    [InlineData(LearningTask.Pretrain)]
    [InlineData(LearningTask.QuestionAnswering)]
    public void A_resumed_run_equals_an_uninterrupted_one_bit_for_bit(LearningTask task)
    {
        RunConfig config = TinyRun.Config(task);
        (List<StepRecord> straight, float[] wanted) = Run("straight", 6);
        (List<StepRecord> first, _) = Run("interrupted", 3);
        (List<StepRecord> second, float[] found) = Run("interrupted", 6);
        Assert.Equal(3, second[0].Step);
        Assert.Equal(straight.Select(Figures), first.Concat(second).Select(Figures));
        Assert.Equal(wanted, found);

        (List<StepRecord>, float[]) Run(string name, long until)
        {
            var records = new List<StepRecord>();
            using var stop = new CancellationTokenSource();
            var store = new CheckpointStore(_folder.File(name));
            Checkpoint? resume = store.Latest();
            using AlproModel model = RunModel.Create(config, CPU);
            using Trainer trainer = TinyRun.Trainer(config, new()
            {
                Record = record => { records.Add(record); if (record.Step == until - 1) stop.Cancel(); },
                Checkpoint = snapshot => { using (snapshot) store.Save(snapshot); },
            }, resume, model);
            trainer.Run(TinyRun.Batches(config, resume?.State.Step ?? 0), stop.Token);
            return (records, TinyRun.Weights(model));
        }
    }

    [Fact]
    public void Accumulation_sums_the_gradients_of_the_parts()
    {
        // Question answering has no loss across clips: two parts give the gradient of the whole.
        RunConfig whole = TinyRun.Config(LearningTask.QuestionAnswering, steps: 1);
        whole = whole with { Model = whole.Model with { Vision = whole.Model.Vision with { DropPathRate = 0 },
            Text = whole.Model.Text with { HiddenDropout = 0, AttentionDropout = 0 } } };
        RunConfig parts = whole with { Training = whole.Training with { Accumulation = 2 } };
        (StepRecord one, StepRecord two) = (FirstStep(whole), FirstStep(parts));
        Assert.Equal(one.Loss, two.Loss, 1e-6);
        Assert.Equal(one.GradientNorm, two.GradientNorm, 1e-6);
        Assert.Equal(one.Terms["qa"].Count, two.Terms["qa"].Count);
    }

    [Fact]
    public void Bfloat16_stays_near_single_precision()
    {
        RunConfig single = TinyRun.Config(steps: 1), mixed = single with { Training = single.Training with { Precision = Precision.Bf16 } };
        (StepRecord one, StepRecord two) = (FirstStep(single), FirstStep(mixed));
        Assert.NotEqual(one.Loss, two.Loss);
        Assert.Equal(one.Loss, two.Loss, 0.05);
        Assert.False(Autocast.IsOn(TorchSharp.DeviceType.CPU));
    }

    [Fact]
    public void A_loss_that_is_not_finite_stops_the_run_before_the_update()
    {
        RunConfig config = TinyRun.Config();
        using AlproModel model = RunModel.Create(config, CPU);
        using Trainer trainer = TinyRun.Trainer(config, new() { Record = record => { if (record.Step == 1) Poison(model); } },
            model: model);
        NonFiniteLossException failure = Assert.Throws<NonFiniteLossException>(() => trainer.Run(TinyRun.Batches(config)));
        Assert.Equal(2, failure.Record.Step);
        Assert.Equal(3, trainer.State.Step);
        Assert.Equal(2, trainer.State.Updates);
        Assert.StartsWith("step 2: the loss is not finite, and the weights were not updated: vtc NaN, vtm 0.", failure.Message,
            StringComparison.Ordinal);
        Assert.EndsWith(", gradient norm NaN, learning rate 0.0005, clips clip-2-0, clip-2-1, clip-2-2, clip-2-3", failure.Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_step_that_is_set_aside_can_be_done_again()
    {
        RunConfig config = TinyRun.Config(LearningTask.Pretrain);
        using AlproModel model = RunModel.Create(config, CPU);
        using Trainer trainer = TinyRun.Trainer(config, new()
        {
            Record = record => { if (record.Step == 1) Poison(model); },
            KeepForReplay = (batch, before) => BatchReplay.Save(new(_folder.File("replay")), batch, before, rank: 1),
        }, model: model);
        NonFiniteLossException failure = Assert.Throws<NonFiniteLossException>(() => trainer.Run(TinyRun.Batches(config)));
        string file = _folder.File("replay/step_00000002_rank_1.safetensors");      // every rank has its own
        Assert.EndsWith($"The batch is in {file}: look at it with \"alpro replay {file}\"", failure.Message, StringComparison.Ordinal);

        ReplayReport again = BatchReplay.Run(file, CPU);
        Assert.Equal(2, again.Step);
        Assert.Equal(failure.Keys, again.Keys);
        // bit for bit
        foreach (string term in new[] { "vtm", "mlm", "pem" }) Assert.Equal(failure.Record.Terms[term].Loss, again.Terms[term].Loss);
        Assert.Equal(["vision_proj.weight"], again.BadWeights);
        Assert.Contains("vision_proj.weight", again.BadGradients);
        Assert.DoesNotContain("itm_head.weight", again.BadGradients);

        using var scope = NewDisposeScope();
        using CheckpointFile content = CheckpointFile.Open(file);
        var wide = content.ReadAll().ToDictionary(entry => entry.Key,
            entry => entry.Value.dtype == ScalarType.Int32 ? entry.Value.to(ScalarType.Int64) : entry.Value);
        string earlier = _folder.File("earlier.safetensors");        // earlier versions wrote 64-bit numbers
        Safetensors.Save(earlier, wide, content.Metadata);
        Assert.Equal(again.Terms["vtm"].Loss, BatchReplay.Run(earlier, CPU).Terms["vtm"].Loss);
    }

    [Fact]
    public void Steps_that_are_not_finite_are_skipped_up_to_the_bound()
    {
        RunConfig config = TinyRun.Config();
        config = config with { Training = config.Training with { OnNonFinite = NonFinitePolicy.Skip, MaxSkipped = 2 } };
        var records = new List<StepRecord>();
        using AlproModel model = RunModel.Create(config, CPU);
        using Trainer trainer = TinyRun.Trainer(config,
            new() { Record = record => { records.Add(record); if (record.Step == 1) Poison(model); } }, model: model);
        Assert.Equal(4, Assert.Throws<NonFiniteLossException>(() => trainer.Run(TinyRun.Batches(config))).Record.Step);
        Assert.Equal([false, false, true, true, true], records.Select(record => record.Skipped));
    }

    [Fact]
    public void Figures_that_are_read_one_step_late_are_the_same()
    {
        RunConfig config = TinyRun.Config(LearningTask.Pretrain);
        (Told now, Told late) = (Run(false), Run(true));
        Assert.Equal(now.Records.Select(record => (record.Step, record.Epoch, record.Clips, record.LearningRate)),
            late.Records.Select(record => (record.Step, record.Epoch, record.Clips, record.LearningRate)));
        for (int step = 0; step < now.Records.Count; step++)
        {
            Assert.Equal(now.Records[step].Loss, late.Records[step].Loss, 1e-5);
            Assert.Equal(now.Records[step].GradientNorm, late.Records[step].GradientNorm, 1e-4);
        }
        Assert.Equal(now.Saved, late.Saved);
        for (int i = 0; i < now.Weights.Length; i++) Assert.Equal(now.Weights[i], late.Weights[i], 1e-6);

        Told Run(bool late)
        {
            var records = new List<StepRecord>();
            var saved = new List<string>();
            using AlproModel model = RunModel.Create(config, CPU);
            using var trainer = new Trainer(config, model, new()
            {
                Record = records.Add,
                Checkpoint = snapshot => { using (snapshot)
                saved.Add($"{snapshot.State.Step} {snapshot.State.Updates} {snapshot.State.Clips} {records.Count}"); },
            }, TinyRun.Start(config)) { ReadsLate = late };
            trainer.Run(TinyRun.Batches(config));
            return new(records, saved, TinyRun.Weights(model));
        }
    }

    private sealed record Told(List<StepRecord> Records, List<string> Saved, float[] Weights);

    [Fact]
    public void A_step_that_is_not_finite_and_read_late_leaves_the_weights_of_the_step_before()
    {
        RunConfig config = TinyRun.Config();
        using AlproModel model = RunModel.Create(config, CPU);
        float[]? before = null;
        using var trainer = new Trainer(config, model, new()
        {
            Record = record =>
            {
                if (record.Step != 0) return;                        // step 1 is queued, and on the CPU done
                Poison(model);
                before = TinyRun.Weights(model);
            },
            KeepForReplay = (batch, snapshot) => { using (snapshot) return $"batch {batch.Step}"; },
        }, TinyRun.Start(config)) { ReadsLate = true };
        NonFiniteLossException failure = Assert.Throws<NonFiniteLossException>(() => trainer.Run(TinyRun.Batches(config)));
        Assert.Equal(2, failure.Record.Step);
        Assert.Contains("batch 2", failure.Message, StringComparison.Ordinal);
        Assert.Equal((4, 2, 1), (trainer.State.Step, trainer.State.Updates, trainer.State.Skipped));
        Assert.Equal(before, TinyRun.Weights(model));
    }

    [Fact]
    public void Steps_that_are_not_finite_and_read_late_are_skipped_up_to_the_bound()
    {
        RunConfig config = TinyRun.Config();
        config = config with { Training = config.Training with { OnNonFinite = NonFinitePolicy.Skip, MaxSkipped = 2 } };
        var records = new List<StepRecord>();
        using AlproModel model = RunModel.Create(config, CPU);
        using var trainer = new Trainer(config, model,
            new() { Record = record => { records.Add(record); if (record.Step == 0) Poison(model); } },
            TinyRun.Start(config)) { ReadsLate = true };
        Assert.Equal(4, Assert.Throws<NonFiniteLossException>(() => trainer.Run(TinyRun.Batches(config))).Record.Step);
        Assert.Equal([false, false, true, true, true], records.Select(record => record.Skipped));
    }

    [Fact]
    public void Both_kinds_of_generators_are_seeded()
    {
        long? seen = null;
        Generators.Seed(7, TorchSharp.DeviceType.CPU, seed => seen = seed);
        Assert.Null(seen);
        double first = rand(1).item<float>();
        Generators.Seed(7, TorchSharp.DeviceType.CUDA, seed => seen = seed);
        Assert.Equal(7, seen);
        Assert.Equal(first, rand(1).item<float>());
    }

    [Fact]
    public void Batches_that_end_early_fail_the_run()
    {
        RunConfig config = TinyRun.Config();
        using Trainer trainer = TinyRun.Trainer(config, new());
        Assert.Equal("The batches ended at step 2 of 6.",
            Assert.Throws<ChannelClosedException>(() => trainer.Run(TinyRun.Batches(config, 0, 2))).Message);
    }

    [Fact]
    public void A_batch_of_another_step_is_refused()
    {
        RunConfig config = TinyRun.Config();
        using Trainer trainer = TinyRun.Trainer(config, new());
        Assert.StartsWith("Step 0 was given the batch of step 1",
            Assert.Throws<InvalidOperationException>(() => trainer.Run(TinyRun.Batches(config, 1))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_trainer_that_waits_for_data_stops_when_asked()
    {
        RunConfig config = TinyRun.Config();
        var saved = new List<long>();
        using var stop = new CancellationTokenSource();
        using Trainer trainer = TinyRun.Trainer(config, new()
        {
            Record = _ => stop.CancelAfter(50),
            Checkpoint = snapshot => { saved.Add(snapshot.State.Step); snapshot.Dispose(); },
        });
        var channel = Channel.CreateUnbounded<ClipBatch>();
        channel.Writer.TryWrite(TinyRun.Batch(config, 0));
        Assert.Equal(1, trainer.Run(channel.Reader, stop.Token).Step);
        Assert.Equal([1L], saved);
    }

    [Fact]
    public void What_was_due_when_a_group_ended_is_done_in_the_next()
    {
        RunConfig config = TinyRun.Config();
        config = config with { Training = config.Training with { ValidateEvery = 2, CheckpointEvery = 2 } };
        var (validated, saved) = (new List<long>(), new List<(long Step, long Settled)>());
        using Trainer trainer = TinyRun.Trainer(config, new()
        {
            Validate = (_, state) =>
            {
                validated.Add(state.Step);
                // It has been scored, and the others are about to be told.
                return validated.Count is 1 or 4 ? throw new CollectivesException(1, generation: 1, "is lost") : new(state.Step,
                    -state.Step, new Dictionary<string, double>(), 0);
            },
            Checkpoint = snapshot =>
            {
                saved.Add((snapshot.State.Step, snapshot.State.Settled));
                snapshot.Dispose();
            },
        });
        Assert.Throws<CollectivesException>(() => trainer.Run(TinyRun.Batches(config)));
        trainer.Join(new SoloGroup());
        Assert.Throws<CollectivesException>(() => trainer.Run(TinyRun.Batches(config, 2)));
        trainer.Join(new SoloGroup());
        Assert.Equal(6, trainer.Run(TinyRun.Batches(config, 6)).Step);
        Assert.Equal([2L, 2L, 4L, 6L, 6L], validated);
        Assert.Equal([(2L, 1L), (2L, 1L), (2L, 2L), (4L, 3L), (4L, 4L), (6L, 5L), (6L, 5L), (6L, 6L)], saved);
    }

    [Fact]
    public void A_run_that_is_killed_while_it_validates_loses_no_step()
    {
        RunConfig config = TinyRun.Config();
        config = config with { Training = config.Training with { ValidateEvery = 3, CheckpointEvery = 100 } };
        var store = new CheckpointStore(_folder.File("killed"), keep: 1);
        var (validated, records) = (new List<long>(), new List<long>());
        Assert.Throws<KilledException>(() => Run(null, _ => throw new KilledException()));
        Assert.Equal((3, 2), (store.Latest()!.State.Step, store.Latest()!.State.Settled));
        Assert.Throws<KilledException>(() => Run(store.Latest(), state => state.Step == 6 ? throw new KilledException() : 0.5));
        TrainState end = Run(store.Latest(), _ => 0.25);
        Assert.Equal((6, 6, 0.5, 3L), (end.Step, end.Settled, end.BestScore!.Value, end.BestStep!.Value));
        Assert.Equal([3L, 3, 6, 6], validated);
        Assert.Equal([0L, 1, 2, 3, 4, 5], records);
        Assert.Equal((6L, 3L), (store.Latest()!.State.Settled, store.Best()!.State.Step));

        TrainState Run(Checkpoint? resume, Func<TrainState, double> score)
        {
            using Trainer trainer = TinyRun.Trainer(config, new()
            {
                Record = record => records.Add(record.Step),
                Validate = (_, state) =>
                {
                    validated.Add(state.Step);
                    return new(state.Step, score(state), new Dictionary<string, double>(), 0);
                },
                Checkpoint = snapshot => { using (snapshot) store.Save(snapshot); },
            }, resume);
            return trainer.Run(TinyRun.Batches(config, resume?.State.Step ?? 0));
        }
    }

    [Fact]
    public void The_best_validation_is_remembered_and_checkpointed()
    {
        RunConfig config = TinyRun.Config();
        config = config with { Training = config.Training with { ValidateEvery = 1, CheckpointEvery = 100, Keep = 1 } };
        var store = new CheckpointStore(_folder.File("best"), keep: 1);
        double[] scores = [double.NaN, 0.5, 0.3, 0.5, 0.2, 0.4];
        using Trainer trainer = TinyRun.Trainer(config, new()
        {
            Validate = (_, state) => new(state.Step, scores[state.Step - 1], new Dictionary<string, double>(), 0),
            Checkpoint = snapshot => { using (snapshot) store.Save(snapshot); },
        });
        TrainState end = trainer.Run(TinyRun.Batches(config));
        Assert.Equal((0.5, 2L), (end.BestScore!.Value, end.BestStep!.Value));
        Assert.Equal([2L, 6], store.Steps());
        Assert.Equal(2, store.Best()!.State.Step);
        Assert.Equal(6, store.Latest()!.State.Step);
    }

    [Fact]
    public void Steps_leave_no_tensor_behind_and_allocate_little()
    {
        RunConfig config = TinyRun.Config(LearningTask.Pretrain, steps: 60);
        config = config with { Training = config.Training with { CheckpointEvery = 20 } };
        var tensors = new List<long>();
        var records = new List<StepRecord>();
        using AlproModel model = RunModel.Create(config, CPU);
        using Trainer trainer = TinyRun.Trainer(config,
            new() { Record = record => { records.Add(record); tensors.Add(Tensor.TotalCount); } }, model: model);
        trainer.Run(TinyRun.Batches(config));
        // The count is that of the process, so other threads move it by a few. A tensor that each step leaves is 31 more between the two.
        Assert.InRange(tensors.Skip(50).Min() - tensors.Skip(10).Take(10).Max(), long.MinValue, 30);
        Assert.InRange(records.Skip(10).Max(record => record.AllocatedBytes), 0, 300_000);
    }

    private sealed class KilledException : Exception;

    private static StepRecord FirstStep(RunConfig config)
    {
        StepRecord? first = null;
        using AlproModel model = RunModel.Create(config, CPU);
        using Trainer trainer = TinyRun.Trainer(config, new() { Record = record => first ??= record }, model: model);
        trainer.Run(TinyRun.Batches(config));
        return first!;
    }

    private static (string, double, double, double) Figures(StepRecord record) => (record.Clips, record.Loss, record.GradientNorm,
        record.LearningRate);

    private static void Poison(AlproModel model)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        model.vision_proj.weight!.fill_(double.NaN);
    }
}
