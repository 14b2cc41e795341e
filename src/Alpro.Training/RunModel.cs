using Alpro.Data.Sampling;
using Alpro.Model;
using Alpro.Model.Checkpoints;
using Alpro.Training.Configuration;
using Alpro.Training.Devices;
using Alpro.Training.Tasks;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Training;

/// <summary>Builds the model of a run.</summary>
public static class RunModel
{
    /// <summary>The device a run is on: the first GPU that the process sees (<see cref="VisibleGpu"/>), else the CPU.</summary>
    public static Device DefaultDevice => cuda.is_available() ? CUDA : CPU;

    /// <summary>What the default device is called by its maker.</summary>
    public static string DeviceName
    {
        get
        {
            if (cuda.is_available()) return Gpus.Find()?.Cards is [{ Name: var card }, ..] ? card : "GPU";
            const string processors = "/proc/cpuinfo", model = "model name";
            string? named = File.Exists(processors)
                ? File.ReadLines(processors).FirstOrDefault(line => line.StartsWith(model, StringComparison.Ordinal)) : null;
            return $"{named?[(named.IndexOf(':') + 1)..].Trim() ?? "processor"}, {Environment.ProcessorCount} threads";
        }
    }

    /// <summary>The device of one of several models in a process: the GPUs that it sees in turn, else the CPU.</summary>
    public static Device DeviceOf(int number) => cuda.is_available() ? new(DeviceType.CUDA, number % cuda.device_count()) : CPU;

    /// <summary>The model of a task with first weights drawn from the run's seed, not yet initialized from files.</summary>
    /// <param name="config">The run.</param>
    /// <param name="device">Where it shall live.</param>
    public static AlproModel Create(RunConfig config, Device device)
    {
        set_num_threads(config.TorchThreads);
        Generators.Seed(SeededRandom.Mix(config.Seed, (ulong)RandomPurpose.Initialization), device.type);
        AlproModel model = config.Task switch
        {
            LearningTask.Pretrain => new AlproForPretrain(config.Model) { Weights = config.Losses },
            LearningTask.Prompter => new Prompter(config.Model),
            _ => DownstreamTask.Of(config.Task).CreateModel(config.Model),
        };
        return (AlproModel)model.to(device);
    }

    /// <summary>The model of a task with the weights of a checkpoint, for inference.</summary>
    /// <param name="config">The run.</param>
    /// <param name="weights">A checkpoint of the family; every weight that is read must be in it.</param>
    /// <param name="device">Where the model shall live.</param>
    /// <exception cref="CheckpointException">The file is no checkpoint, is one of the other task, or does not fit.</exception>
    public static AlproModel Load(RunConfig config, string weights, Device device)
    {
        using (CheckpointFile file = CheckpointFile.Open(weights))
            DownstreamTask.Of(config.Task).RequireOwn(weights, StateDict.Find(file).Keys);
        AlproModel model = Create(config, device);
        try
        {
            StateDict.Load(model, weights, LoadMode.Inference);
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Gives a new model the weights that <c>initialize</c> names, and a pretraining model the prompts of its entities. A run that resumes
    /// has them in its checkpoint.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="config">The run.</param>
    /// <returns>What was loaded, resized, left fresh and left out, file by file.</returns>
    /// <exception cref="CheckpointException">A file is no checkpoint, or does not fit.</exception>
    public static IReadOnlyList<LoadReport> Initialize(AlproModel model, RunConfig config)
    {
        var reports = new List<LoadReport>();
        if (config.Initialize.Vision is { } vision)
            reports.Add(StateDict.Load(model, vision, LoadMode.FineTuning, KeyMap.VisionTransformer));
        if (config.Initialize.Text is { } text) reports.Add(StateDict.Load(model, text, LoadMode.FineTuning, KeyMap.Bert));
        if (config.Initialize.Checkpoint is { } checkpoint) reports.Add(StateDict.Load(model, checkpoint, LoadMode.FineTuning));
        if (model is not AlproForPretrain pretrain) return reports;
        if (config.Initialize.Prompter is { } prompter) reports.Add(StateDict.Load(model, prompter, LoadMode.Inference, KeyMap.Prompter));
        if (config.Data.Entities is { } entities) EntityPrompts.Build(pretrain.prompter, entities, config.Data.Vocabulary);
        return reports;
    }
}
