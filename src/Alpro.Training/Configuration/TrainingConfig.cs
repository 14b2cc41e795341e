using Alpro.Data.Clips;

namespace Alpro.Training.Configuration;

/// <summary>Arithmetic of the forward and backward passes.</summary>
public enum Precision
{
    /// <summary>32-bit throughout.</summary>
    Fp32,

    /// <summary>Matrix products in bfloat16, weights and moments in 32 bits.</summary>
    Bf16,

    /// <summary>
    /// The same, and the model has the weights of matrices and embeddings in bfloat16, made of 32-bit ones at each update: fewer
    /// conversions.
    /// </summary>
    Bf16Weights,
}

/// <summary>What a loss or gradient that is not a finite number does to the run.</summary>
public enum NonFinitePolicy
{
    /// <summary>The run stops before the optimizer step; the batch is kept for replay.</summary>
    Stop,

    /// <summary>The step is left out and counted, up to <see cref="TrainingConfig.MaxSkipped"/>.</summary>
    Skip,
}

/// <summary>The loop (<c>training</c>).</summary>
public sealed record TrainingConfig
{
    /// <summary>Clips per step, over all ranks.</summary>
    public int BatchSize { get; init; } = 16;

    /// <summary>Parts in which a batch is run, gradients summed; it must divide <see cref="BatchSize"/>.</summary>
    public int Accumulation { get; init; } = 1;

    /// <summary>
    /// Clips of a group, for several ranks: each rank has whole groups of each part of a batch. Matching draws its negatives inside a
    /// group, and every loss but the contrastive is a mean over groups. Each group has random numbers of its own. So the number of ranks
    /// changes nothing but the order of sums. A group is what the released code's batch of one GPU is. Null makes each part one group.
    /// </summary>
    public int? GroupSize { get; init; }

    /// <summary>Steps of the run; give this or <see cref="Epochs"/>.</summary>
    public long? Steps { get; init; }

    /// <summary>Epochs of the run: passes over the batches of all corpora together.</summary>
    public int? Epochs { get; init; }

    /// <summary>Gradients are scaled down to this norm.</summary>
    public double GradientNorm { get; init; } = 20;

    /// <summary>Arithmetic of the forward and backward passes.</summary>
    public Precision Precision { get; init; } = Precision.Fp32;

    /// <summary>Steps between checkpoints.</summary>
    [MayChange]
    public int CheckpointEvery { get; init; } = 500;

    /// <summary>
    /// Steps between exports of the weights for PyTorch, as <c>model_step_N.pt</c> in the output folder; 0 exports the best at the end
    /// only.
    /// </summary>
    [MayChange]
    public int ExportEvery { get; init; }

    /// <summary>Checkpoints kept beside the best one.</summary>
    [MayChange]
    public int Keep { get; init; } = 2;

    /// <summary>Steps between validations; 0 validates at the end only.</summary>
    [MayChange]
    public int ValidateEvery { get; init; }

    /// <summary>What a loss or gradient that is not finite does.</summary>
    [MayChange]
    public NonFinitePolicy OnNonFinite { get; init; } = NonFinitePolicy.Stop;

    /// <summary>Steps that may be left out in all.</summary>
    [MayChange]
    public int MaxSkipped { get; init; } = 10;

    /// <param name="clip">How a row becomes a clip.</param>
    /// <param name="problems">Told what is wrong.</param>
    internal void Check(ClipSettings clip, ConfigProblems problems)
    {
        problems.Require(BatchSize >= 1, "training.batchSize", BatchSize, "at least 1");
        problems.Require(Accumulation >= 1 && BatchSize % Accumulation == 0, "training.accumulation", Accumulation,
            $"a divisor of training.batchSize, {BatchSize}");
        if (BatchSize >= 1 && Accumulation >= 1)
            problems.Require(GroupSize is not { } size || (size >= 1 && BatchSize / Accumulation % size == 0),
                "training.groupSize", GroupSize,
                $"a divisor of training.batchSize / training.accumulation, {BatchSize / Accumulation}, or null");
        clip.CheckBatch(GroupSize ?? BatchSize, GroupSize is null ? "training.batchSize" : "training.groupSize", problems);
        problems.Require(Steps is null != Epochs is null, "training",
            Steps is null ? "without steps and epochs" : "given both steps and epochs", "one of steps and epochs");
        problems.Require(Steps is null or >= 1, "training.steps", Steps, "at least 1");
        problems.Require(Epochs is null or >= 1, "training.epochs", Epochs, "at least 1");
        problems.Require(GradientNorm > 0, "training.gradientNorm", GradientNorm, "above 0");
        problems.Require(CheckpointEvery >= 1, "training.checkpointEvery", CheckpointEvery, "at least 1");
        problems.Require(ExportEvery >= 0 && ExportEvery % Math.Max(1, CheckpointEvery) == 0, "training.exportEvery", ExportEvery,
            $"0, or a multiple of training.checkpointEvery, {CheckpointEvery}");
        problems.Require(Keep >= 1, "training.keep", Keep, "at least 1");
        problems.Require(ValidateEvery >= 0, "training.validateEvery", ValidateEvery, "at least 0");
        problems.Require(MaxSkipped >= 0, "training.maxSkipped", MaxSkipped, "at least 0");
    }

    /// <summary>Matching takes its negatives from the other clips of a part, and of a group.</summary>
    internal void CheckNegatives(ConfigProblems problems)
    {
        problems.Require(BatchSize / Math.Max(1, Accumulation) >= 2, "training.batchSize", BatchSize,
            "2 clips at least in each part of a batch: matching takes its negatives from them");
        problems.Require(GroupSize is not 1, "training.groupSize", GroupSize,
            "2 clips at least: matching takes its negatives from the group");
    }
}
