using Alpro.Model.Arithmetic;
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
            throw new ArgumentException($"Both encoders must be of one width: vision has {config.Vision.Width}, text {config.Text.Width}.",
                nameof(config));
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

    /// <summary>The training losses of a batch that is one group, on one rank.</summary>
    /// <param name="inputs">The batch.</param>
    /// <param name="negatives">The negatives of matching; drawn when not given.</param>
    public ModelLosses Forward(ModelInputs inputs, HardNegatives? negatives = null) => Forward([inputs], SingleRank.Instance,
        negatives: negatives);

    /// <summary>
    /// The training losses of a rank's part of a batch. The contrastive loss compares its clips with those of all groups of all ranks.
    /// Every other loss is taken inside each group, and is the mean over the groups. So it does not matter which rank has which group.
    /// </summary>
    /// <param name="groups">The rank's clips, group by group, all of one size.</param>
    /// <param name="gather">Brings the features of all ranks together.</param>
    /// <param name="begin">Called with a group's number before it is encoded, and again (true) before its losses: sets the random numbers
    /// that follow.</param>
    /// <param name="negatives">The negatives of matching, where there is one group; drawn when not given.</param>
    public ModelLosses Forward(IReadOnlyList<ModelInputs> groups, IFeatureGather gather, Action<int, bool>? begin = null,
        HardNegatives? negatives = null)
    {
        using var scope = NewDisposeScope();
        ClampTemperature();
        EncodedClips[] encoded = groups.Count > 1 && (EncodesTogether ?? temp.device_type != DeviceType.CPU) ? EncodeTogether(groups, begin)
            : new EncodedClips[groups.Count];
        for (int group = 0; group < groups.Count; group++)
        {
            if (encoded[group] is not null) continue;
            begin?.Invoke(group, false);
            encoded[group] = Encode(groups[group]);
        }

        var terms = new List<LossTerm>();
        Similarities? similarities = encoded[0].VideoFeatures_BF is null ? null : Similarities.Of(
            Join(clips => clips.VideoFeatures_BF!), Join(clips => clips.TextFeatures_BF!), temp, gather, Config.Reference.LocalRankTargets);
        if (similarities is not null && ContrastiveWeight > 0)
            terms.Add(Losses.Contrastive(similarities) with { Weight = ContrastiveWeight });

        var losses = new IReadOnlyList<LossTerm>[groups.Count];
        for (int group = 0; group < groups.Count; group++)
        {
            begin?.Invoke(group, true);
            long size = groups[group].TokenIds_BL.shape[0];
            using var groupScope = NewDisposeScope();
            losses[group] = [.. GroupLosses(groups[group], encoded[group], similarities?.Rows(group * size, size),
                negatives).Select(term => term.MoveToOuterDisposeScope())];
        }
        terms.AddRange(losses[0].Select((_, term) => LossTerm.Mean([.. losses.Select(group => group[term])])));
        return ModelLosses.Sum(terms).MoveToOuterDisposeScope();

        Tensor Join(Func<EncodedClips, Tensor> features) => encoded is [var only] ? features(only) : cat([.. encoded.Select(features)], 0);
    }

    /// <summary>
    /// Whether the groups of a rank go through the encoders in one pass. Null means one pass on a GPU, which many small passes would leave
    /// idle. The random numbers of the encoders are then those of the first group: drawn by rank, and not by group.
    /// </summary>
    internal bool? EncodesTogether { get; set; }

    private EncodedClips[] EncodeTogether(IReadOnlyList<ModelInputs> groups, Action<int, bool>? begin)
    {
        begin?.Invoke(0, false);
        long size = groups[0].TokenIds_BL.shape[0];
        EncodedClips all = Encode(ModelInputs.Join(groups));
        return [.. Enumerable.Range(0, groups.Count).Select(group => all.Rows(group * size, size, groups.Count * size))];
    }

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

    /// <summary>What the encoders make of a group, each side alone.</summary>
    private protected abstract EncodedClips Encode(ModelInputs inputs);

    /// <summary>A group's losses, in order, without the contrastive one.</summary>
    /// <param name="inputs">The group.</param>
    /// <param name="encoded">What <see cref="Encode"/> made of it.</param>
    /// <param name="similarities">Those of its clips; null where <see cref="Encode"/> gives no features.</param>
    /// <param name="negatives">The negatives of matching; drawn when not given.</param>
    private protected abstract IReadOnlyList<LossTerm> GroupLosses(ModelInputs inputs, EncodedClips encoded, Similarities? similarities,
        HardNegatives? negatives);

    /// <summary>
    /// How the keys of a checkpoint of pretraining become the model's: patterns of whole keys, and the new key with $1 for the pattern's
    /// group. A null key drops what matches; keys that match nothing stay.
    /// </summary>
    internal virtual IReadOnlyList<(string Pattern, string? Key)> FromPretraining => [];

    /// <summary>A pattern of whole keys that evaluation never reads; null for none.</summary>
    internal virtual string? UnreadKeys => null;

    /// <summary>What the contrastive loss counts, where there are features; at 0 it is not computed.</summary>
    private protected virtual double ContrastiveWeight => 1;

    /// <summary>The class token [P, D] after the last fusion layer, which computes nothing else.</summary>
    private protected Tensor FusedClass(FusedTokens fused) => Encoder.LastLayer(fused, (0, 1)).squeeze(1);

    /// <summary>Normalised features [B, F] of the class tokens, in at least 32 bits.</summary>
    private protected static Tensor Feature(Linear projection, Tensor tokens_BMD)
    {
        using var scope = NewDisposeScope();
        return functional.normalize(projection.call(tokens_BMD.select(1, 0)).InFull(), dim: -1).MoveToOuterDisposeScope();
    }

    /// <summary>Brings the temperature back into its range; every training forward pass starts with it.</summary>
    private protected void ClampTemperature()
    {
        using var noGrad = no_grad();
        temp.Clamp_(MinTemperature, MaxTemperature);
    }
}

/// <summary>A group of clips after the encoders, before text meets video. What a model does not use is null.</summary>
/// <param name="Video_BVD">Video tokens.</param>
/// <param name="Text_BLD">Text tokens; with masked ids, those after the others: [2B, L, D].</param>
/// <param name="VideoFeatures_BF">Normalised features, which the contrastive loss compares.</param>
/// <param name="TextFeatures_BF">Normalised features of the unmasked texts.</param>
internal sealed record EncodedClips(Tensor? Video_BVD = null, Tensor? Text_BLD = null, Tensor? VideoFeatures_BF = null,
    Tensor? TextFeatures_BF = null)
{
    /// <summary>Those of some of so many clips.</summary>
    public EncodedClips Rows(long first, long count, long clips)
    {
        return new(Part(Video_BVD), Part(Text_BLD), Part(VideoFeatures_BF), Part(TextFeatures_BF));

        Tensor? Part(Tensor? tensor)
        {
            if (tensor is null) return null;
            Tensor[] parts = [.. Enumerable.Range(0,
                (int)(tensor.shape[0] / clips)).Select(part => tensor.narrow(0, part * clips + first, count))];
            return parts is [var only] ? only : torch.cat(parts, 0);
        }
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
        cat([.. parts.Select(part => part.Text_PLD)], 0), cat([.. parts.Select(part => part.Mask_PL)], 0),
        cat([.. parts.Select(part => part.Video_PVD)], 0));
}
