using Alpro.Data.Sampling;
using Alpro.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Training;

/// <summary>Builds the model of a run.</summary>
public static class RunModel
{
    /// <summary>The device a run is on: the first GPU where libtorch has one, else the CPU.</summary>
    public static Device DefaultDevice => cuda.is_available() ? CUDA : CPU;

    /// <summary>The model of a task with first weights drawn from the run's seed.</summary>
    /// <param name="config">The run.</param>
    /// <param name="device">Where it shall live.</param>
    public static AlproModel Create(RunConfig config, Device device)
    {
        manual_seed((long)SeededRandom.Mix(config.Seed, (ulong)RandomPurpose.Initialization)).Dispose();
        AlproModel model = config.Task switch
        {
            LearningTask.Pretrain => new AlproForPretrain(config.Model),
            LearningTask.Prompter => new Prompter(config.Model),
            LearningTask.Retrieval => new AlproForRetrieval(config.Model),
            _ => new AlproForQuestionAnswering(config.Model),
        };
        return (AlproModel)model.to(device);
    }
}
