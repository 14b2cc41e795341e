using Alpro.Model;
using Alpro.Model.Checkpoints;
using Alpro.Training.Configuration;
using Alpro.Training.Optimization;
using static TorchSharp.torch;

namespace Alpro.Training.Checkpoints;

/// <summary>A checkpoint on disk, of which <see cref="CheckpointStore"/> has written the files or found the hashes right.</summary>
public sealed class Checkpoint
{
    /// <summary>The name of the file of the weights.</summary>
    public const string WeightsName = "weights.safetensors";

    internal const string MomentsName = "moments.safetensors", StateName = "state.json", LaterStateName = "state.later.json",
        ChecksumsName = "checksums";

    internal Checkpoint(string folder, TrainState state, RunConfig config) => (Folder, State, Config) = (folder, state, config);

    /// <summary>Its folder.</summary>
    public string Folder { get; }

    /// <summary>Where the run stood.</summary>
    public TrainState State { get; }

    /// <summary>The run's configuration then.</summary>
    public RunConfig Config { get; }

    /// <summary>The file of the weights, a complete state dict.</summary>
    public string Weights => Path.Combine(Folder, WeightsName);

    /// <summary>Gives a model and its optimizer the weights and moments they had, and the optimizer the updates it had made.</summary>
    /// <exception cref="CheckpointException">They are of another size.</exception>
    internal void ReadInto(AlproModel model, FlatParameters parameters, AdamW optimizer)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using (CheckpointFile weights = CheckpointFile.Open(Weights))
            foreach ((string key, Tensor tensor) in model.state_dict())
                weights.ReadInto(key, parameters.SectionOf(tensor) is { } section ? FlatParameters.View(parameters.Values, section)
                    : tensor);
        parameters.Refresh();
        using CheckpointFile moments = CheckpointFile.Open(Path.Combine(Folder, MomentsName));
        foreach (FlatSection section in parameters.Sections)
        {
            moments.ReadInto(MomentKey.First(section), FlatParameters.View(optimizer.FirstMoment, section));
            moments.ReadInto(MomentKey.Second(section), FlatParameters.View(optimizer.SecondMoment, section));
        }
        optimizer.Updates = State.Updates;
    }

    private string Lengthen => "; the learning rate follows from the run's length, which stays: to train longer begin a new run, in "
        + $"another folder, with --set initialize.checkpoint={Weights}";

    private static bool IsLength(RunDifference difference) => difference.Path is "training.steps" or "training.epochs";

    /// <summary>Refuses to continue another run than the one that wrote the checkpoint.</summary>
    /// <param name="now">The configuration to continue under.</param>
    /// <param name="start">The first state of a run under it.</param>
    /// <exception cref="ConfigException">Settings that change what is computed differ, or the rows of a corpus, the vocabulary or the
    /// answers.</exception>
    public void RequireSameRun(RunConfig now, TrainState start)
    {
        List<ConfigProblem> problems = [.. RunDifference.Between(Config,
            now).Where(difference => difference.ChangesMeaning).Concat(RunDifference.Between(State.Data, start.Data))
            .Select(difference => new ConfigProblem(difference.Path, null,
            $"was {difference.Before} and is {difference.Now}{(IsLength(difference) ? Lengthen : "")}"))];
        // They follow from settings and rows; a checkpoint that does not know its rows has nothing else that tells.
        if (problems.Count == 0 && (State.TotalSteps, State.StepsPerEpoch) != (start.TotalSteps, start.StepsPerEpoch))
            problems.Add(new("data.corpora", null, $"were {State.StepsPerEpoch} steps an epoch, {State.TotalSteps} in all, and are "
                + $"{start.StepsPerEpoch} and {start.TotalSteps}: rows were added or lost"));
        if (problems.Count > 0)
            throw new ConfigException($"{Folder} cannot be continued: what it means to train would change; put settings and files back, or "
                + "start a new run from its weights with initialize.checkpoint", problems);
    }
}
