using System.Collections.Frozen;

namespace Alpro.Training.Checkpoints;

/// <summary>
/// Where a run stands; with the weights and the optimizer's moments, all that is needed to continue it bit for bit. The order of
/// the data and every random number follow from the seed and <see cref="Step"/>.
/// </summary>
public sealed record TrainState
{
    /// <summary>Steps done; also the number of the next one, from 0.</summary>
    public long Step { get; init; }

    /// <summary>
    /// The last step after which all was done that was due then. It is behind <see cref="Step"/> in a checkpoint that was written before
    /// the validation of its step.
    /// </summary>
    public long Settled { get; init; }

    /// <summary>Steps of the whole run, by which the learning rate goes.</summary>
    public required long TotalSteps { get; init; }

    /// <summary>Steps of an epoch.</summary>
    public required long StepsPerEpoch { get; init; }

    /// <summary>
    /// What the files that decide the clips say, by the setting that names them. Each corpus gives its rows and a hash, each other file a
    /// hash.
    /// </summary>
    public IReadOnlyDictionary<string, string> Data { get; init; } = FrozenDictionary<string, string>.Empty;

    /// <summary>Updates of the weights: the steps that were not skipped.</summary>
    public long Updates { get; init; }

    /// <summary>Steps that were skipped because a loss or gradient was not finite.</summary>
    public long Skipped { get; init; }

    /// <summary>Clips trained on, by all ranks.</summary>
    public long Clips { get; init; }

    /// <summary>
    /// Clips that could not be made, for which others stood in: counted with the step that trained on the stand-in, by all ranks.
    /// </summary>
    public long Rejected { get; init; }

    /// <summary>The group of ranks that took the last step; 0 where one process trains alone.</summary>
    public long Generation { get; init; }

    /// <summary>The best validation score so far; higher is better.</summary>
    public double? BestScore { get; init; }

    /// <summary>The step after which it was reached.</summary>
    public long? BestStep { get; init; }

    /// <summary>The epoch of the next step, from 0.</summary>
    public int Epoch => (int)(Step / StepsPerEpoch);
}
