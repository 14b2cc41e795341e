using Alpro.Model;

namespace Alpro.Training.Configuration;

/// <summary>The rules of <c>model</c>.</summary>
internal static class ModelRules
{
    internal static void Check(this ModelConfig model, ConfigProblems problems)
    {
        VisionConfig vision = model.Vision;
        TextConfig text = model.Text;
        problems.Require(vision.PatchSize >= 1, "model.vision.patchSize", vision.PatchSize, "at least 1");
        if (vision.PatchSize >= 1)
            problems.Require(vision.ImageSize >= 1 && vision.ImageSize % vision.PatchSize == 0, "model.vision.imageSize", vision.ImageSize,
            $"a multiple of model.vision.patchSize, {vision.PatchSize}");
        problems.Require(vision.Frames >= 1, "model.vision.frames", vision.Frames, "at least 1");
        problems.Require(vision.Depth >= 1, "model.vision.depth", vision.Depth, "at least 1");
        problems.Require(vision.Heads >= 1 && vision.Width >= 1 && vision.Width % vision.Heads == 0, "model.vision.width", vision.Width,
            $"a multiple of model.vision.heads, {vision.Heads}");
        problems.Require(vision.MlpRatio > 0, "model.vision.mlpRatio", vision.MlpRatio, "above 0");
        problems.Require(vision.DropPathRate is >= 0 and < 1, "model.vision.dropPathRate", vision.DropPathRate, "at least 0 and below 1");
        problems.Require(vision.InitializerRange > 0, "model.vision.initializerRange", vision.InitializerRange, "above 0");
        problems.Require(text.VocabularySize >= 1, "model.text.vocabularySize", text.VocabularySize, "at least 1");
        problems.Require(text.Heads >= 1 && text.Width >= 1 && text.Width % text.Heads == 0, "model.text.width", text.Width,
            $"a multiple of model.text.heads, {text.Heads}");
        problems.Require(text.Width == vision.Width, "model.text.width", text.Width,
            $"the width of the vision encoder, {vision.Width}: text and video tokens meet in one encoder");
        problems.Require(text.Layers >= 1, "model.text.layers", text.Layers, "at least 1");
        problems.Require(text.FusionLayer >= 1 && text.FusionLayer < text.Layers, "model.text.fusionLayer", text.FusionLayer,
            $"1 to {text.Layers - 1}, a layer for each side at least");
        problems.Require(text.IntermediateSize >= 1, "model.text.intermediateSize", text.IntermediateSize, "at least 1");
        problems.Require(text.HiddenDropout is >= 0 and < 1, "model.text.hiddenDropout", text.HiddenDropout, "at least 0 and below 1");
        problems.Require(text.AttentionDropout is >= 0 and < 1, "model.text.attentionDropout", text.AttentionDropout,
            "at least 0 and below 1");
        problems.Require(text.LayerNormEps > 0, "model.text.layerNormEps", text.LayerNormEps, "above 0");
        problems.Require(text.InitializerRange > 0, "model.text.initializerRange", text.InitializerRange, "above 0");
        problems.Require(model.ProjectionWidth >= 1, "model.projectionWidth", model.ProjectionWidth, "at least 1");
        problems.Require(model.Entities >= 1, "model.entities", model.Entities, "at least 1");
        problems.Require(model.EntityThreshold is >= 0 and < 1, "model.entityThreshold", model.EntityThreshold, "at least 0 and below 1");
        problems.Require(model.Answers >= 1, "model.answers", model.Answers, "at least 1");
    }
}
