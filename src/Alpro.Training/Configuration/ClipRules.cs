using Alpro.Data.Batches;
using Alpro.Data.Clips;
using Alpro.Model;

namespace Alpro.Training.Configuration;

/// <summary>The rules of <c>data.clip</c> and <c>data.evaluationClip</c>: a clip must fit the model.</summary>
internal static class ClipRules
{
    internal static void Check(this ClipSettings clip, string path, ModelConfig model, ConfigProblems problems)
    {
        VisionConfig vision = model.Vision;
        problems.Require(clip.Frames >= 1, $"{path}.frames", clip.Frames, "at least 1");
        problems.Require(clip.Size == vision.ImageSize, $"{path}.size", clip.Size, $"model.vision.imageSize, {vision.ImageSize}");
        problems.Require(clip.DecodeSize >= clip.Size, $"{path}.decodeSize", clip.DecodeSize, $"at least the size, {clip.Size}");
        problems.Require(clip.TextLength >= 2 && clip.TextLength <= model.Text.MaxPositions, $"{path}.textLength", clip.TextLength,
            $"2 to model.text.maxPositions, {model.Text.MaxPositions}");
        problems.Require(clip.MaskProbability is >= 0 and < 1, $"{path}.maskProbability", clip.MaskProbability, "at least 0 and below 1");
        problems.Require(clip.RegionPatch == 0 || clip.RegionPatch == vision.PatchSize, $"{path}.regionPatch", clip.RegionPatch,
            $"0, or model.vision.patchSize, {vision.PatchSize}");
    }

    /// <summary>A batch's pixels are one array.</summary>
    internal static void CheckBatch(this ClipSettings clip, int size, string path, ConfigProblems problems)
    {
        long bytes = ClipBatch.BytesOf(size, clip.Frames, clip.Size);
        problems.Require(bytes <= Array.MaxLength, path, size,
            $"clips that have at most {Array.MaxLength} bytes together, and these have {bytes}");
    }
}
