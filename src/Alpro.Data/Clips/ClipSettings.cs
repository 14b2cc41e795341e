using Alpro.Data.Media;
using Alpro.Data.Sampling;

namespace Alpro.Data.Clips;

/// <summary>Pixel augmentation of a clip.</summary>
public enum Augmentation
{
    /// <summary>None: evaluation and retrieval fine-tuning.</summary>
    None,

    /// <summary>
    /// Video pretraining: random crop of the decoded frames, RandAugment N=2 M=5. Images: random resized crop, flip, RandAugment N=2 M=7.
    /// </summary>
    Pretrain,

    /// <summary>Question-answering training: RandAugment N=2 M=5, no crop.</summary>
    RandAugment,
}

/// <summary>How one row becomes a clip (<c>data.clip</c>; paper section 4.1 and its released recipes).</summary>
public sealed record ClipSettings
{
    /// <summary>Frames per clip, T.</summary>
    public int Frames { get; init; } = 4;

    /// <summary>How the frames are chosen.</summary>
    public FrameStrategy Strategy { get; init; } = FrameStrategy.Headtail;

    /// <summary>Side in pixels to which frames are decoded, aspect ratio ignored.</summary>
    public int DecodeSize { get; init; } = 256;

    /// <summary>Side in pixels of the finished frames; at most <see cref="DecodeSize"/>.</summary>
    public int Size { get; init; } = 224;

    /// <summary>Interpolation of the resize.</summary>
    public ResizeFilter Resize { get; init; } = ResizeFilter.Bilinear;

    /// <summary>Pixel augmentation.</summary>
    public Augmentation Augment { get; init; } = Augmentation.None;

    /// <summary>Tokens per caption, L: longer ones are cut, shorter ones padded.</summary>
    public int TextLength { get; init; } = 30;

    /// <summary>Share of the ordinary tokens chosen for masked language modelling; 0 makes no masked copy.</summary>
    public double MaskProbability { get; init; }

    /// <summary>Patch size to which the rectangle of entity modelling is rounded; 0 draws no rectangle.</summary>
    public int RegionPatch { get; init; }
}
