using System.Text.Json;
using Alpro.Model;
using Alpro.Training.Configuration;

namespace Alpro.Training.Parity;

/// <summary>Sizes and optimizer of a set of golden model files, from its <c>config.json</c> (the released code's key names).</summary>
internal sealed record GoldenSizes(ModelConfig Model, OptimizerConfig Optimizer, ScheduleConfig Schedule, long TotalSteps,
    double GradientNorm, double[] Temperatures)
{
    public static GoldenSizes Read(string path)
    {
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(path));
        JsonElement root = json.RootElement, text = root.GetProperty("bert"), vision = root.GetProperty("visual"),
            optimizer = root.GetProperty("optimizer");
        var model = new ModelConfig
        {
            Vision = new VisionConfig
            {
                ImageSize = Int(vision, "img_size"),
                PatchSize = Int(vision, "patch_size"),
                Frames = Int(vision, "num_frm"),
                Width = Int(vision, "embed_dim"),
                Depth = Int(vision, "depth"),
                Heads = Int(vision, "num_heads"),
                MlpRatio = Number(vision, "mlp_ratio"),
                DropPathRate = Number(vision, "drop_path_rate"),
            },
            Text = new TextConfig
            {
                VocabularySize = Int(text, "vocab_size"),
                Width = Int(text, "hidden_size"),
                Layers = Int(text, "num_hidden_layers"),
                FusionLayer = Int(text, "fusion_layer"),
                Heads = Int(text, "num_attention_heads"),
                IntermediateSize = Int(text, "intermediate_size"),
                MaxPositions = Int(text, "max_position_embeddings"),
                HiddenDropout = Number(text, "hidden_dropout_prob"),
                AttentionDropout = Number(text, "attention_probs_dropout_prob"),
                LayerNormEps = Number(text, "layer_norm_eps"),
            },
            ProjectionWidth = Int(root, "proj_dim"),
            Entities = Int(root, "num_entities"),
            Answers = Int(root, "num_labels"),
            Reference = new ReferenceSwitches { IgnoreMaskByIndex = true },
        };
        double[] betas = Numbers(optimizer, "betas");
        return new(
            model,
            new OptimizerConfig
            {
                LearningRate = Number(optimizer, "lr"),
                Beta1 = betas[0],
                Beta2 = betas[1],
                Epsilon = Number(optimizer, "eps"),
                WeightDecay = Number(optimizer, "weight_decay"),
            },
            new ScheduleConfig { WarmupRatio = Number(optimizer, "warmup_ratio") },
            Int(optimizer, "total_steps"),
            Number(optimizer, "grad_clip"),
            Numbers(root, "temp_after"));
    }

    private static int Int(JsonElement parent, string key) => parent.GetProperty(key).GetInt32();

    private static double Number(JsonElement parent, string key) => parent.GetProperty(key).GetDouble();

    private static double[] Numbers(JsonElement parent, string key) =>
        [.. parent.GetProperty(key).EnumerateArray().Select(value => value.GetDouble())];
}
