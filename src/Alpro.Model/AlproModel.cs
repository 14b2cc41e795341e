using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Alpro.Model;

/// <summary>What the models of the family share: two encoders, their projections to one space, and the matching head.</summary>
public abstract class AlproModel : Module
{
    private const double StartTemperature = 0.07, MinTemperature = 0.001, MaxTemperature = 0.5;

    /// <summary>Temperature of the contrastive loss, a learned scalar.</summary>
    public readonly Parameter temp;

    /// <summary>TimeSformer.</summary>
    public readonly VisionEncoder visual_encoder;

    /// <summary>D to the contrastive features.</summary>
    public readonly Linear vision_proj;

    /// <summary>D to the contrastive features.</summary>
    public readonly Linear text_proj;

    /// <summary>D to [no match, match].</summary>
    public readonly Linear itm_head;

    private protected AlproModel(string name, ModelConfig config) : base(name)
    {
        if (config.Text.Width != config.Vision.Width)
            throw new ArgumentException($"Both encoders must be of one width: vision has {config.Vision.Width}, text {config.Text.Width}.", nameof(config));
        Config = config;
        temp = new Parameter(TensorOps.Constant(StartTemperature, CPU));
        visual_encoder = new VisionEncoder(config.Vision, config.Reference.FreezeCheckpointed);
        vision_proj = Linear(config.Vision.Width, config.ProjectionWidth);
        text_proj = Linear(config.Text.Width, config.ProjectionWidth);
        itm_head = Linear(config.Text.Width, 2);
    }

    /// <summary>The model's sizes.</summary>
    public ModelConfig Config { get; }

    /// <summary>The text and fusion encoder.</summary>
    public abstract Bert Encoder { get; }

    /// <summary>The training losses of a batch.</summary>
    public abstract ModelLosses Forward(ModelInputs inputs);

    /// <summary>Frames [B, T, 3, H, W] to tokens [B, 1 + N, D] and normalised features [B, F].</summary>
    public (Tensor Tokens_BVD, Tensor Features_BF) EncodeVideo(Tensor video_BTCHW)
    {
        Tensor tokens_BVD = visual_encoder.Forward(video_BTCHW);
        return (tokens_BVD, Feature(vision_proj, tokens_BVD));
    }

    /// <summary>Ids and mask [B, L] to tokens [B, L, D] and normalised features [B, F].</summary>
    public (Tensor Tokens_BLD, Tensor Features_BF) EncodeText(Tensor ids_BL, Tensor mask_BL)
    {
        Tensor tokens_BLD = Encoder.EncodeText(ids_BL, mask_BL);
        return (tokens_BLD, Feature(text_proj, tokens_BLD));
    }

    /// <summary>Frames [B, T, 3, H, W] to normalised features [B, F], and no tokens.</summary>
    public Tensor VideoFeatures(Tensor video_BTCHW) => Feature(vision_proj, visual_encoder.ForwardClass(video_BTCHW));

    /// <summary>Ids and mask [B, L] to normalised features [B, F], and no tokens.</summary>
    public Tensor TextFeatures(Tensor ids_BL, Tensor mask_BL) => Feature(text_proj, Encoder.EncodeText(ids_BL, mask_BL, classOnly: true));

    /// <summary>Scores [P, 2] (no match, match) of P pairs.</summary>
    public Tensor Match(TokenPairs pairs)
    {
        using var scope = NewDisposeScope();
        return itm_head.call(FusedClass(Encoder.Fuse(pairs))).MoveToOuterDisposeScope();
    }

    /// <summary>Scores [P, 2] of pairs whose sides were given to <see cref="Bert.Project"/> once for many pairs.</summary>
    public Tensor Match(ProjectedTokens text_P, Tensor mask_PL, ProjectedTokens video_P)
    {
        using var scope = NewDisposeScope();
        return itm_head.call(FusedClass(Encoder.Fuse(text_P, mask_PL, video_P))).MoveToOuterDisposeScope();
    }

    /// <summary>The class token [P, D] after the last fusion layer, which computes nothing else.</summary>
    private protected Tensor FusedClass(FusedTokens fused) => Encoder.LastLayer(fused, (0, 1)).squeeze(1);

    /// <summary>Normalised features [B, F] of the class tokens.</summary>
    private protected static Tensor Feature(Linear projection, Tensor tokens_BMD)
    {
        using var scope = NewDisposeScope();
        return functional.normalize(projection.call(tokens_BMD.select(1, 0)), dim: -1).MoveToOuterDisposeScope();
    }

    /// <summary>Brings the temperature back into its range; every training forward pass starts with it.</summary>
    private protected void ClampTemperature()
    {
        using var noGrad = no_grad();
        temp.Clamp_(MinTemperature, MaxTemperature);
    }
}

/// <summary>P pairs of a text and a video, both encoded, for the fusion encoder.</summary>
/// <param name="Text_PLD">Text tokens.</param>
/// <param name="Mask_PL">1 for a token, 0 for padding.</param>
/// <param name="Video_PVD">Video tokens.</param>
public sealed record TokenPairs(Tensor Text_PLD, Tensor Mask_PL, Tensor Video_PVD)
{
    /// <summary>B positive pairs, then each text with its negative video, then each video with its negative text.</summary>
    public static IReadOnlyList<TokenPairs> WithNegatives(Tensor text_BLD, Tensor mask_BL, Tensor video_BVD, HardNegatives negatives) =>
    [
        new(text_BLD, mask_BL, video_BVD),
        new(text_BLD, mask_BL, video_BVD.index_select(0, negatives.VideoForText_B)),
        new(text_BLD.index_select(0, negatives.TextForVideo_B), mask_BL.index_select(0, negatives.TextForVideo_B), video_BVD),
    ];

    /// <summary>The pairs one after the other.</summary>
    public static TokenPairs Join(IReadOnlyCollection<TokenPairs> parts) => new(
        cat([.. parts.Select(part => part.Text_PLD)], 0), cat([.. parts.Select(part => part.Mask_PL)], 0), cat([.. parts.Select(part => part.Video_PVD)], 0));
}
