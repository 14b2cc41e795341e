namespace Alpro.Model.Checkpoints;

/// <summary>The sizes of a model as its checkpoint's own tensors tell them, for checkpoints whose configuration leaves them out.</summary>
internal static class CheckpointSizes
{
    /// <summary>A model of these sizes, except where the checkpoint's tensors have others.</summary>
    /// <param name="path">A checkpoint of this family.</param>
    /// <param name="assumed">What is known otherwise; the heads, which no tensor tells, are taken from here, or from the text encoder where
    /// the width is another.</param>
    /// <exception cref="CheckpointException">The file is no checkpoint.</exception>
    public static ModelConfig Of(string path, ModelConfig assumed)
    {
        using CheckpointFile file = CheckpointFile.Open(path);
        OrderedDictionary<string, string> names = StateDict.Find(file);
        VisionConfig vision = assumed.Vision;
        if (ShapeOf("visual_encoder.model.patch_embed.proj.weight") is [long width, _, long patch, _])
        {
            int depth = 0;
            while (names.ContainsKey($"visual_encoder.model.blocks.{depth}.norm1.weight")) depth++;
            vision = vision with
            {
                Width = (int)width,
                PatchSize = (int)patch,
                Depth = depth,
                Heads = width == vision.Width ? vision.Heads : assumed.Text.Heads,
                MlpRatio = ShapeOf("visual_encoder.model.blocks.0.mlp.fc1.weight") is [long hidden, _] ? (double)hidden / width
                : vision.MlpRatio,
            };
        }
        return assumed with
        {
            Vision = vision,
            ProjectionWidth = ShapeOf("vision_proj.weight") is [long features, _] ? (int)features : assumed.ProjectionWidth,
            Answers = ShapeOf("classifier.2.weight") is [long answers, _] ? (int)answers : assumed.Answers,
        };

        long[]? ShapeOf(string key) => names.TryGetValue(key, out string? name) ? file.Tensors[name].Shape : null;
    }
}
