using Alpro.Model;
using Alpro.Training.Configuration;

namespace Alpro.Training.Devices;

/// <summary>The memory of the device is not enough for a run as it is set: says what it takes, and which settings take less.</summary>
/// <remarks>The step in hand is lost with its trainer: nothing of it reaches a checkpoint, and the last one is whole.</remarks>
public sealed class DeviceMemoryException : Exception
{
    private DeviceMemoryException(string message, Exception cause) : base($"{message}; libtorch says: {DeviceFaults.Words(cause)}", cause)
    {
    }

    /// <summary>The error itself, or what it means for a training run where the device's memory was not enough.</summary>
    /// <param name="error">What was thrown in a step.</param>
    /// <param name="config">The run.</param>
    /// <param name="world">Trainers that share its batch.</param>
    public static Exception Of(Exception error, RunConfig config, int world)
    {
        if (error is DeviceMemoryException || DeviceFaults.Of(error) != DeviceFault.OutOfMemory) return error;
        TrainingConfig training = config.Training;
        int part = training.BatchSize / training.Accumulation / world;
        string Peak(RunConfig changed) => Words(StepMemory.Of(changed, world).Peak);
        var less = new List<string>();
        ModelConfig model = config.Model;
        RunConfig recomputing = config with { Model = model with { Vision = model.Vision with { ActivationCheckpointing = true } } };
        if (!model.Vision.ActivationCheckpointing)
            less.Add($"model.vision.activationCheckpointing=true ({Peak(recomputing)}, the same numbers in more time; the run goes on with "
                + "--resume)");
        RunConfig halves = config with { Training = training with { Accumulation = 2 * training.Accumulation } };
        if (part % 2 == 0)
            less.Add($"training.accumulation={halves.Training.Accumulation} ({Peak(halves)}, for a new run: each part then compares fewer "
                + "clips)");
        less.Add("a smaller training.batchSize (for a new run)");
        return new DeviceMemoryException(
            $"the device's memory is not enough for a step on {part} clips at a time (training.batchSize {training.BatchSize}, "
            + $"training.accumulation {training.Accumulation}, trainers {world}), which takes {Peak(config)} at its peak by count; "
            + $"nothing of the step was kept, and the last checkpoint is whole. Less is taken with {string.Join(", or ", less)}", error);
    }

    /// <summary>The same for an evaluation.</summary>
    /// <param name="error">What was thrown.</param>
    /// <param name="config">How the model is scored.</param>
    public static Exception OfEvaluation(Exception error, RunConfig config)
    {
        if (error is DeviceMemoryException || DeviceFaults.Of(error) != DeviceFault.OutOfMemory) return error;
        return new DeviceMemoryException(
            $"the device's memory is not enough to score {config.Evaluation.BatchSize} clips (evaluation.batchSize) and "
            + $"{config.Evaluation.PairBatchSize} pairs "
            + "(evaluation.pairBatchSize) at a time; lower them, or alpro.evaluators where several share a device", error);
    }

    private static string Words(long bytes) => FormattableString.Invariant($"{(double)bytes / (1 << 30):0.0} GiB");
}
