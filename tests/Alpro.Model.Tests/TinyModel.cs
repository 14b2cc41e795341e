using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Model.Tests;

/// <summary>A model small enough to run in milliseconds, and random batches for it.</summary>
internal static class TinyModel
{
    public const int Clips = 3, Length = 7;

    // Operations this small gain nothing from threads, and wait for them on a busy machine.
    static TinyModel() => set_num_threads(1);

    public static ModelConfig Config { get; } = new()
    {
        Vision = new VisionConfig
        {
            ImageSize = 16,
            PatchSize = 8,
            Frames = 2,
            Width = 16,
            Depth = 3,
            Heads = 2,
            MlpRatio = 2,
            DropPathRate = 0,
        },
        Text = new TextConfig
        {
            VocabularySize = 40,
            Width = 16,
            Layers = 4,
            FusionLayer = 2,
            Heads = 2,
            IntermediateSize = 32,
            MaxPositions = 12,
            HiddenDropout = 0,
            AttentionDropout = 0,
        },
        ProjectionWidth = 8,
        Entities = 5,
        Answers = 6,
    };

    public static ModelConfig WithDropout { get; } = Config with
    {
        Vision = Config.Vision with { DropPathRate = 0.2 },
        Text = Config.Text with { HiddenDropout = 0.1, AttentionDropout = 0.1 },
    };

    /// <summary>A model from this seed, with prompts that mean something and gates of time attention that are open.</summary>
    public static T Build<T>(Func<T> build, long seed = 1) where T : AlproModel
    {
        manual_seed(seed);
        T model = build();
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        foreach ((string name, Tensor weight) in model.state_dict())
            if (name.EndsWith("prompt_feat", StringComparison.Ordinal) || name.Contains("temporal_fc.weight", StringComparison.Ordinal))
                weight.normal_(0, 0.5);
        return model;
    }

    public static AlproForPretrain Pretrain(ModelConfig? config = null) => Build(() => new AlproForPretrain(config ?? Config));

    /// <summary>A batch for every loss. The middle clip has padding; three tokens are masked.</summary>
    public static ModelInputs Inputs(ModelConfig? config = null, int clips = Clips, long seed = 2)
    {
        config ??= Config;
        manual_seed(seed);
        int side = config.Vision.ImageSize, grid = side / config.Vision.PatchSize;
        Tensor ids = randint(4, config.Text.VocabularySize, [clips, Length], dtype: ScalarType.Int64), mask = ones(clips, Length,
            dtype: ScalarType.Int64);
        mask.narrow(0, 1, 1).narrow(1, Length - 2, 2).zero_();
        Tensor positions = tensor(new long[] { 1, 3, Length + 2 }), masked = ids.clone(), labels = full_like(ids, -100);
        labels.view(-1).index_copy_(0, positions, ids.view(-1).index_select(0, positions));
        masked.view(-1).index_fill_(0, positions, 3);
        Tensor region = ones(clips, grid, grid);
        region.narrow(2, 0, 1).zero_();
        return new()
        {
            Video_BTCHW = randn([clips, config.Vision.Frames, 3, side, side]),
            TokenIds_BL = ids,
            TokenMask_BL = mask,
            MaskedIds_BL = masked,
            MaskLabels_BL = labels,
            MaskPositions = positions,
            CropVideo_BTCHW = randn([clips, config.Vision.Frames, 3, side, side]),
            RegionMask_BHW = region,
            Answers_B = randint(0, config.Answers, [clips], dtype: ScalarType.Int64),
        };
    }

    public static HardNegatives Negatives() => new(tensor(new long[] { 1, 2, 0 }), tensor(new long[] { 2, 0, 1 }));

    /// <summary>Gradients of all parameters by name; 0 where there is none.</summary>
    public static Dictionary<string, Tensor> Gradients(AlproModel model) =>
        model.named_parameters().ToDictionary(named => named.name, named => named.parameter.grad?.clone() ?? zeros_like(named.parameter));

    public static void AssertClose(Tensor expected, Tensor actual, double tolerance = 1e-5, string? name = null)
    {
        Assert.Equal(expected.shape, actual.shape);
        double worst = expected.numel() == 0 ? 0
            : (expected.to(ScalarType.Float64) - actual.to(ScalarType.Float64)).abs().max().item<double>();
        Assert.True(worst <= tolerance, $"{name ?? "tensor"} is off by {worst}");
    }

    public static void AssertEqual(Tensor expected, Tensor actual) => AssertClose(expected, actual, 0);
}
