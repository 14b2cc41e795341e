using System.Runtime.InteropServices;
using Alpro.Model;
using Alpro.Training.Checkpoints;
using Alpro.Training.Configuration;
using Alpro.Training.Devices;
using static TorchSharp.torch;

namespace Alpro.Training.Tests.Devices;

public sealed class DeviceMemoryExceptionTests
{
    private static readonly ExternalException _full =
        new("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.15 GiB\nmore");

    [Fact]
    public void It_names_the_clips_the_peak_and_the_settings_that_take_less()
    {
        RunConfig config = TinyRun.Config(LearningTask.Pretrain, batchSize: 64) with { Model = new() };
        string said = DeviceMemoryException.Of(_full, config with { Training = config.Training with { GroupSize = 16 } }, world: 2).Message;
        Assert.Contains("a step on 32 clips at a time (training.batchSize 64, training.accumulation 1, trainers 2)", said,
            StringComparison.Ordinal);
        Assert.Matches(@"takes \d+\.\d GiB at its peak", said);
        Assert.Contains("model.vision.activationCheckpointing=true (", said, StringComparison.Ordinal);
        Assert.Contains("training.accumulation=2 (", said, StringComparison.Ordinal);
        Assert.EndsWith("libtorch says: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.15 GiB", said,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Other_errors_stay_what_they_are()
    {
        var other = new InvalidOperationException("something else");
        Assert.Same(other, DeviceMemoryException.Of(other, TinyRun.Config(), 1));
        Exception full = DeviceMemoryException.Of(_full, TinyRun.Config(), 1);
        Assert.Same(full, DeviceMemoryException.OfEvaluation(full, TinyRun.Config()));
        Assert.Equal(DeviceFault.OutOfMemory, DeviceFaults.Of(full));
    }

    [Fact]
    public void A_step_that_the_memory_does_not_hold_reaches_no_checkpoint()
    {
        RunConfig config = TinyRun.Config(LearningTask.Pretrain);
        var saved = new List<long>();
        int steps = 0;
        using AlproModel model = RunModel.Create(config, CPU);
        using var trainer = new Trainer(config, model,
            new() { Checkpoint = snapshot => { using (snapshot) saved.Add(snapshot.State.Step); } }, TinyRun.Start(config))
        {
            BeforeUpdate = _ => { if (++steps == 4) throw _full; },
        };
        Assert.Same(_full, Assert.Throws<ExternalException>(() => trainer.Run(TinyRun.Batches(config))));
        Assert.Equal([2L], saved);
        Assert.Equal(3, trainer.State.Step);
    }

    [Fact]
    public void Recomputing_activations_is_no_other_run()
    {
        RunConfig config = TinyRun.Config();
        RunConfig recomputing = config with { Model =
            config.Model with { Vision = config.Model.Vision with { ActivationCheckpointing = true } } };
        Assert.False(Assert.Single(RunDifference.Between(config, recomputing)).ChangesMeaning);
    }
}
