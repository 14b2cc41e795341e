using Alpro.Data.Clips;
using Alpro.Data.Corpora;
using Alpro.Data.Text;
using Alpro.Model;
using Alpro.Training.Checkpoints;
using Alpro.Training.Optimization;

namespace Alpro.Training.Configuration;

/// <summary>What is trained or evaluated: one complete JSON file, bound strictly by <see cref="ConfigLoader"/>.</summary>
public sealed record RunConfig
{
    /// <summary>What the model learns to do.</summary>
    public required LearningTask Task { get; init; }

    /// <summary>The seed from which every random decision of the run follows.</summary>
    public ulong Seed { get; init; } = 42;

    /// <summary>Threads of one tensor operation; here and not among the running settings because it changes sums in the last digit.</summary>
    public int TorchThreads { get; init; } = 1;

    /// <summary>The model's sizes.</summary>
    public ModelConfig Model { get; init; } = new();

    /// <summary>What it learns from.</summary>
    public required DataConfig Data { get; init; }

    /// <summary>The optimizer.</summary>
    public OptimizerConfig Optimizer { get; init; } = new();

    /// <summary>The learning rate over the run.</summary>
    public ScheduleConfig Schedule { get; init; } = new();

    /// <summary>The loop.</summary>
    public TrainingConfig Training { get; init; } = new();

    /// <summary>Which losses a pretraining run sums.</summary>
    public LossConfig Losses { get; init; } = new();

    /// <summary>What the first weights come from.</summary>
    public InitializeConfig Initialize { get; init; } = new();

    /// <summary>How the model is scored.</summary>
    public EvaluationConfig Evaluation { get; init; } = new();

    /// <summary>Whether the clips of a step can be shared out to a number of ranks in whole groups.</summary>
    public bool CanShare(int world) => world == 1 || (Training.GroupSize is { } size && Training.BatchSize / Training.Accumulation % (size * world) == 0);

    /// <summary>Refuses a number of ranks that the clips of a step cannot be shared out to in whole groups.</summary>
    /// <exception cref="ConfigException">Why not.</exception>
    public void RequireShares(int world)
    {
        if (CanShare(world)) return;
        int part = Training.BatchSize / Training.Accumulation;
        throw new ConfigException($"{world} ranks", [new("training.groupSize", null,
            $"is {Training.GroupSize?.ToString() ?? "null"}; expected a size of which {world} ranks have equally many groups of the {part} clips that are run together (training.batchSize / training.accumulation)")]);
    }
}

/// <summary>The corpora of a run and how their rows become clips (<c>data</c>). Paths are relative to the configuration file.</summary>
public sealed record DataConfig
{
    /// <summary>Training corpora; each step draws its whole batch from one of them.</summary>
    public required IReadOnlyList<CorpusConfig> Corpora { get; init; }

    /// <summary>Validation corpora: the model is scored on all of them, and the first decides which step is best.</summary>
    public IReadOnlyList<CorpusConfig> Validation { get; init; } = [];

    /// <summary>The test corpus of a downstream task.</summary>
    public CorpusConfig? Test { get; init; }

    /// <summary>The WordPiece vocabulary, a word piece a line.</summary>
    public required string Vocabulary { get; init; }

    /// <summary>The entity list of entity modelling: the first word of each line, commonest first.</summary>
    public string? Entities { get; init; }

    /// <summary>The answers of question answering: a JSON object from answer to label.</summary>
    public string? Answers { get; init; }

    /// <summary>How a training row becomes a clip.</summary>
    public required ClipSettings Clip { get; init; }

    /// <summary>How a row becomes a clip where the model is scored; null for <see cref="Clip"/> without augmentation.</summary>
    public ClipSettings? EvaluationClip { get; init; }

    /// <summary>Share of unreadable clips above which the run fails.</summary>
    public double MaxRejectedFraction { get; init; } = 0.05;

    /// <summary>How a row becomes a clip where the model is scored.</summary>
    public ClipSettings ClipForEvaluation() => ClipForValidation() with { MaskProbability = 0, RegionPatch = 0 };

    /// <summary>The same where the losses of pretraining are: words and regions are masked as in training.</summary>
    public ClipSettings ClipForValidation() => (EvaluationClip ?? Clip with { Augment = Augmentation.None }) with { MaskProbability = Clip.MaskProbability, RegionPatch = Clip.RegionPatch };
}

/// <summary>AdamW (<c>optimizer</c>), as the released recipes use it.</summary>
public sealed record OptimizerConfig
{
    /// <summary>The highest learning rate of the schedule.</summary>
    public double LearningRate { get; init; } = 1e-4;

    /// <summary>Decay of the first moment.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the second moment.</summary>
    public double Beta2 { get; init; } = 0.98;

    /// <summary>Added to the square root of the second moment.</summary>
    public double Epsilon { get; init; } = 1e-6;

    /// <summary>Decoupled weight decay; biases and layer norms are left out by rule. The released runs trained with 0, whatever their files say.</summary>
    public double WeightDecay { get; init; }
}

/// <summary>What happens to the learning rate after the warm-up.</summary>
public enum LearningRateDecay
{
    /// <summary>Falls in a line to 0 at the last step.</summary>
    Linear,

    /// <summary>Stays.</summary>
    Constant,

    /// <summary>Falls with the inverse square root of the step.</summary>
    Invsqrt,

    /// <summary>Is multiplied by <see cref="ScheduleConfig.Gamma"/> at each milestone.</summary>
    MultiStep,
}

/// <summary>The learning rate over a run (<c>schedule</c>).</summary>
public sealed record ScheduleConfig
{
    /// <summary>What happens after the warm-up.</summary>
    public LearningRateDecay Decay { get; init; } = LearningRateDecay.Linear;

    /// <summary>Share of the run's steps over which the learning rate rises from 0, where it is linear or invsqrt.</summary>
    public double WarmupRatio { get; init; } = 0.05;

    /// <summary>Epochs at which <see cref="LearningRateDecay.MultiStep"/> falls.</summary>
    public IReadOnlyList<int> Milestones { get; init; } = [];

    /// <summary>What <see cref="LearningRateDecay.MultiStep"/> multiplies by.</summary>
    public double Gamma { get; init; } = 0.5;
}

/// <summary>Arithmetic of the forward and backward passes.</summary>
public enum Precision
{
    /// <summary>32-bit throughout.</summary>
    Fp32,

    /// <summary>Matrix products in bfloat16, weights and moments in 32 bits.</summary>
    Bf16,

    /// <summary>The same, and the model has the weights of matrices and embeddings in bfloat16, made of 32-bit ones at each update: fewer conversions.</summary>
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
    /// Clips of a group, for several ranks: each rank has whole groups of each part of a batch. Matching draws its negatives inside a group,
    /// every loss but the contrastive is a mean over groups, and each group has random numbers of its own, so that the number of ranks
    /// changes nothing but the order of sums. It is what the released code's batch of one GPU is. Null makes each part one group.
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
    public int CheckpointEvery { get; init; } = 500;

    /// <summary>Steps between exports of the weights for PyTorch, as <c>model_step_N.pt</c> in the output folder; 0 exports the best at the end only.</summary>
    public int ExportEvery { get; init; }

    /// <summary>Checkpoints kept beside the best one.</summary>
    public int Keep { get; init; } = 2;

    /// <summary>Steps between validations; 0 validates at the end only.</summary>
    public int ValidateEvery { get; init; }

    /// <summary>What a loss or gradient that is not finite does.</summary>
    public NonFinitePolicy OnNonFinite { get; init; } = NonFinitePolicy.Stop;

    /// <summary>Steps that may be left out in all.</summary>
    public int MaxSkipped { get; init; } = 10;
}

/// <summary>
/// Which losses a pretraining run sums (<c>losses</c>), for ablations. The other two follow from the clips: MLM where
/// <c>data.clip.maskProbability</c> is above 0, PEM where <c>data.clip.regionPatch</c> is.
/// </summary>
public sealed record LossConfig
{
    /// <summary>Video-text contrastive.</summary>
    public bool Vtc { get; init; } = true;

    /// <summary>Video-text matching.</summary>
    public bool Vtm { get; init; } = true;
}

/// <summary>What the first weights come from (<c>initialize</c>); what is null starts at random. Paths are relative to the configuration file.</summary>
public sealed record InitializeConfig
{
    /// <summary>A checkpoint of ours or a released one for the whole model; embeddings are resized where frames or resolution differ.</summary>
    public string? Checkpoint { get; init; }

    /// <summary>The checkpoint of a prompter, for entity modelling.</summary>
    public string? Prompter { get; init; }

    /// <summary>A ViT state dict in timm's names, for the vision encoder.</summary>
    public string? Vision { get; init; }

    /// <summary>A Hugging Face BERT state dict, for the text and fusion encoder.</summary>
    public string? Text { get; init; }
}

/// <summary>What text-video pairs are ranked by.</summary>
public enum RetrievalScore
{
    /// <summary>The probability of a match, from the fusion encoder: as the paper scores.</summary>
    Matching,

    /// <summary>The similarity of the contrastive features: one product for all pairs, and no fusion pass.</summary>
    Contrastive,
}

/// <summary>How the model is scored (<c>evaluation</c>).</summary>
public sealed record EvaluationConfig
{
    /// <summary>Clips encoded at once.</summary>
    public int BatchSize { get; init; } = 16;

    /// <summary>Text-video pairs (or questions) of one fusion pass.</summary>
    public int PairBatchSize { get; init; } = 64;

    /// <summary>Retrieval: what pairs are ranked by.</summary>
    public RetrievalScore Score { get; init; } = RetrievalScore.Matching;

    /// <summary>Retrieval: candidates kept by the contrastive score for matching; null matches every pair.</summary>
    public int? Rerank { get; init; }

    /// <summary>Clips of a validation during pretraining, at most; null takes all.</summary>
    public int? MaxClips { get; init; }
}
