namespace Alpro.Model;

/// <summary>Sizes of the TimeSformer vision encoder (paper section 3.1). Defaults are ViT-B/16.</summary>
public sealed record VisionConfig
{
    /// <summary>Side of a frame in pixels.</summary>
    public int ImageSize { get; init; } = 224;

    /// <summary>Side of a patch in pixels, p.</summary>
    public int PatchSize { get; init; } = 16;

    /// <summary>Frames per clip, T.</summary>
    public int Frames { get; init; } = 4;

    /// <summary>Width D.</summary>
    public int Width { get; init; } = 768;

    /// <summary>Blocks.</summary>
    public int Depth { get; init; } = 12;

    /// <summary>Attention heads.</summary>
    public int Heads { get; init; } = 12;

    /// <summary>Hidden width of the MLPs over D.</summary>
    public double MlpRatio { get; init; } = 4;

    /// <summary>Stochastic depth, rising linearly over the blocks from 0 to this.</summary>
    public double DropPathRate { get; init; } = 0.1;

    /// <summary>
    /// Deviation of fresh weights. Suits width 768; a narrower model learns faster from larger ones, about 0.55 / sqrt(D).
    /// </summary>
    public double InitializerRange { get; init; } = 0.02;

    /// <summary>Recompute the blocks in the backward pass instead of keeping their activations.</summary>
    public bool ActivationCheckpointing { get; init; }
}

/// <summary>Sizes of the BERT text and fusion encoder (paper section 3.1). Defaults are BERT-base, split in the middle.</summary>
public sealed record TextConfig
{
    /// <summary>Word pieces V.</summary>
    public int VocabularySize { get; init; } = 30522;

    /// <summary>Width D; the same as the vision encoder's.</summary>
    public int Width { get; init; } = 768;

    /// <summary>Layers in all.</summary>
    public int Layers { get; init; } = 12;

    /// <summary>The first layer of the fusion encoder: layers before it read text alone.</summary>
    public int FusionLayer { get; init; } = 6;

    /// <summary>Attention heads.</summary>
    public int Heads { get; init; } = 12;

    /// <summary>Hidden width of the feed-forward parts.</summary>
    public int IntermediateSize { get; init; } = 3072;

    /// <summary>Position embeddings.</summary>
    public int MaxPositions { get; init; } = 512;

    /// <summary>Dropout after embeddings, attention output and feed-forward.</summary>
    public double HiddenDropout { get; init; } = 0.1;

    /// <summary>Dropout of attention probabilities.</summary>
    public double AttentionDropout { get; init; } = 0.1;

    /// <summary>Epsilon of the layer norms.</summary>
    public double LayerNormEps { get; init; } = 1e-12;

    /// <summary>Deviation of fresh weights; see <see cref="VisionConfig.InitializerRange"/>.</summary>
    public double InitializerRange { get; init; } = 0.02;
}

/// <summary>
/// Where the released code does not do what it says: the default is right, a switch set to true reproduces the released code.
/// </summary>
public sealed record ReferenceSwitches
{
    /// <summary>Decide which clips entity modelling ignores by the <em>index</em> of the best entity instead of its probability.</summary>
    public bool IgnoreMaskByIndex { get; init; }

    /// <summary>Number contrastive targets by the local rank instead of the global one.</summary>
    public bool LocalRankTargets { get; init; }

    /// <summary>With activation checkpointing, leave the attention and MLP parameters of the vision encoder without gradients.</summary>
    public bool FreezeCheckpointed { get; init; }
}

/// <summary>The model of a run (<c>model</c> in its configuration).</summary>
public sealed record ModelConfig
{
    /// <summary>The vision encoder.</summary>
    public VisionConfig Vision { get; init; } = new();

    /// <summary>The text and fusion encoder.</summary>
    public TextConfig Text { get; init; } = new();

    /// <summary>Width of the contrastive features.</summary>
    public int ProjectionWidth { get; init; } = 256;

    /// <summary>Entities E of the prompter; pretraining only.</summary>
    public int Entities { get; init; } = 1000;

    /// <summary>A clip is ignored by entity modelling when its best entity is below this probability.</summary>
    public double EntityThreshold { get; init; } = 0.2;

    /// <summary>Answers of question answering.</summary>
    public int Answers { get; init; } = 1500;

    /// <summary>Behaviours of the released code that are wrong, off by default.</summary>
    public ReferenceSwitches Reference { get; init; } = new();
}
