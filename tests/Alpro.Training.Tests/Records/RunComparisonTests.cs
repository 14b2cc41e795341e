using Alpro.Model;
using Alpro.Training.Checkpoints;
using Alpro.Training.Configuration;
using Alpro.Training.Records;
using static TorchSharp.torch;

namespace Alpro.Training.Tests.Records;

public sealed class RunComparisonTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Equal_runs_are_equal_and_a_changed_pixel_is_found()
    {
        (string one, string two, string other) = (Run("one", 0), Run("two", 0), Run("other", 1));
        RunComparison same = RunComparison.Of(new(one), End(one), new(two), End(two));
        Assert.Equal((4, (string?)null), (same.Steps, same.Difference));
        Assert.Equal((0, 0), (same.LossDifference, same.WeightDifference));
        Assert.True(same.Tensors > 50);
        Assert.StartsWith("step 2: loss ", RunComparison.Of(new(one), End(one), new(other), End(other)).Difference,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Within_a_tolerance_losses_and_weights_may_differ_but_not_clips()
    {
        (string one, string other) = (Run("one", 0), Run("other", 1));
        RunComparison apart = RunComparison.Of(new(one), End(one), new(other), End(other));
        Assert.True(apart.LossDifference > 0 && apart.WeightDifference > 0);
        double most = Math.Max(apart.LossDifference, apart.WeightDifference);
        Assert.Null(RunComparison.Of(new(one), End(one), new(other), End(other), 10 * most).Difference);
        Assert.NotNull(RunComparison.Of(new(one), End(one), new(other), End(other), most / 10).Difference);

        string steps = new RunFolder(other).Steps;
        string clips = RunLog.Read<StepRecord>(steps).ElementAt(1).Clips;
        File.WriteAllText(steps, File.ReadAllText(steps).Replace(clips, new('0', 16), StringComparison.Ordinal));
        Assert.Equal("step 1: other clips", RunComparison.Of(new(one), End(one), new(other), End(other), 10 * most).Difference);
    }

    private string Run(string name, int change)
    {
        RunConfig config = TinyRun.Config(LearningTask.Prompter, steps: 4);
        string folder = _folder.File(name);
        var store = new CheckpointStore(new RunFolder(folder).Checkpoints);
        using var log = new RunLog(new(folder), 0, 0);
        using AlproModel model = RunModel.Create(config, CPU);
        using Trainer trainer = TinyRun.Trainer(config,
            new()
            {
                Record = record => { log.Add(record); log.Flush(); },
                Checkpoint = snapshot => { using (snapshot) store.Save(snapshot); },
            }, model: model);
        trainer.Run(TinyRun.Batches(config, change: batch => { if (batch.Step == 2) batch.Pixels_BTHWC[7] = (byte)(100 + change); }));
        return folder;
    }

    private static Checkpoint End(string folder) => new CheckpointStore(new RunFolder(folder).Checkpoints).Latest()!;
}
