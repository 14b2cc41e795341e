using Alpro.Model;

namespace Alpro.Benchmarks;

/// <summary>A model of four layers on each side, whose steps take milliseconds.</summary>
internal static class SmallModel
{
    /// <summary>Its sizes, for frames of 64 pixels.</summary>
    /// <param name="width">Width of both sides.</param>
    /// <param name="patchSize">Side of a patch in pixels.</param>
    /// <param name="frames">Frames of a clip, T.</param>
    /// <param name="vocabulary">Number of tokens.</param>
    public static ModelConfig Of(int width, int patchSize, int frames, int vocabulary) => new()
    {
        Vision = new() { ImageSize = 64, PatchSize = patchSize, Frames = frames, Width = width, Depth = 4, Heads = 4 },
        Text = new()
        {
            VocabularySize = vocabulary,
            Width = width,
            Layers = 4,
            FusionLayer = 2,
            Heads = 4,
            IntermediateSize = 512,
            MaxPositions = 32,
        },
    };
}
