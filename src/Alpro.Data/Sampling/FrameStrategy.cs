namespace Alpro.Data.Sampling;

/// <summary>How k frames are chosen of the vlen frames of a video (paper's code, data loading).</summary>
public enum FrameStrategy
{
    /// <summary>k/2 distinct random frames of the first half, k/2 of the second, sorted.</summary>
    Headtail,

    /// <summary>k distinct random frames, sorted.</summary>
    Rand,

    /// <summary>Frame i * floor(vlen / k).</summary>
    Uniform,

    /// <summary>Frame floor(i * vlen / k).</summary>
    NlvlUniform,

    /// <summary>As <see cref="NlvlUniform"/>, plus a random offset below each gap.</summary>
    NlvlRand,
}
