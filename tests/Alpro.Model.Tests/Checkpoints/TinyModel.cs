using Alpro.Model.Checkpoints;

namespace Alpro.Model.Tests.Checkpoints;

/// <summary>The sizes of golden/model/config.json.</summary>
internal static class TinyModel
{
    public static ModelConfig Config(int frames = 4, int imageSize = 32) => new()
    {
        Vision = new() { ImageSize = imageSize, PatchSize = 8, Frames = frames, Width = 32, Depth = 2, Heads = 4, DropPathRate = 0 },
        Text = new()
        {
            VocabularySize = 320,
            Width = 32,
            Layers = 4,
            FusionLayer = 2,
            Heads = 4,
            IntermediateSize = 64,
            MaxPositions = 64,
            HiddenDropout = 0,
            AttentionDropout = 0,
        },
        Entities = 20,
        Answers = 30,
    };

    public static string Golden(string name) => Path.Combine(Locations.Golden, "model", name);

    /// <summary>Every tensor of a golden file's state dict, by key.</summary>
    public static Dictionary<string, TorchSharp.torch.Tensor> Expected(string name)
    {
        using CheckpointFile file = CheckpointFile.Open(Golden(name));
        return StateDict.Find(file).ToDictionary(entry => entry.Key, entry => file.Read(entry.Value));
    }
}
