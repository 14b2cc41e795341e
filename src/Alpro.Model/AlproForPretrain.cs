using Alpro.Model.Arithmetic;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Alpro.Model;

/// <summary>
/// Pretraining (paper section 3): contrastive, matching and masked-language losses, and entity modelling under a frozen prompter.
/// </summary>
public sealed class AlproForPretrain : AlproModel
{
    /// <summary>The text and fusion encoder with the masked-language head.</summary>
    public readonly BertForMaskedLM text_encoder;

    /// <summary>Says what a region shows; trained before, frozen here.</summary>
    public readonly Prompter prompter;

    /// <summary>D to the entities.</summary>
    public readonly Sequential mpm_head;

    /// <summary>Builds the model with fresh weights.</summary>
    public AlproForPretrain(ModelConfig config) : base(nameof(AlproForPretrain), config)
    {
        text_encoder = new BertForMaskedLM(config.Text);
        prompter = new Prompter(config);
        prompter.Freeze();
        mpm_head = Sequential(Linear(config.Text.Width, 2 * config.Text.Width), ReLU(), Linear(2 * config.Text.Width, config.Entities));
        RegisterComponents();
    }

    /// <summary>What each loss counts; those of weight 0 are not computed.</summary>
    public LossWeights Weights { get; init; } = LossWeights.Equal;

    /// <inheritdoc/>
    public override Bert Encoder => text_encoder.bert;

    private protected override double ContrastiveWeight => Weights.Vtc;

    private protected override EncodedClips Encode(ModelInputs inputs)
    {
        Tensor mask_BL = inputs.TokenMask_BL;
        (Tensor video_BVD, Tensor video_BF) = EncodeVideo(inputs.Video_BTCHW);
        Tensor texts = Weights.Mlm > 0 && inputs.MaskedIds_BL is { } masked
            ? Encoder.EncodeText(cat([inputs.TokenIds_BL, masked], 0), cat([mask_BL, mask_BL], 0))
            : Encoder.EncodeText(inputs.TokenIds_BL, mask_BL);
        return new(video_BVD, texts, video_BF, Feature(text_proj, texts.narrow(0, 0, mask_BL.shape[0])));
    }

    /// <summary>
    /// Of the losses with a weight: vtm; pem when the inputs have a crop; mlm when they have masked ids. All sequences that any of them
    /// needs go through the fusion encoder together, up to its last layer.
    /// </summary>
    private protected override IReadOnlyList<LossTerm> GroupLosses(ModelInputs inputs, EncodedClips encoded, Similarities? similarities,
        HardNegatives? negatives)
    {
        bool matching = Weights.Vtm > 0, masks = Weights.Mlm > 0 && inputs.MaskedIds_BL is not null, region = Weights.Pem > 0
            && inputs.CropVideo_BTCHW is not null;
        Tensor mask_BL = inputs.TokenMask_BL, video_BVD = encoded.Video_BVD!, texts = encoded.Text_BLD!;
        long clips = mask_BL.shape[0], length = mask_BL.shape[1];
        Tensor text_BLD = texts.narrow(0, 0, clips);
        var pairs = new List<TokenPairs>();
        if (matching)
            pairs.AddRange(TokenPairs.WithNegatives(text_BLD, mask_BL, video_BVD, negatives ?? HardNegatives.Draw(similarities!)));
        else if (region) pairs.Add(new(text_BLD, mask_BL, video_BVD));
        if (masks) pairs.Add(new(texts.narrow(0, clips, clips), mask_BL, video_BVD));
        if (pairs.Count == 0) return [];
        FusedTokens fused = Encoder.Fuse(TokenPairs.Join(pairs));

        // Matching reads the class token of all; entity modelling reads the patch tokens of the positives, in the same pass.
        var terms = new List<LossTerm>();
        (long, long) classRow = (0, 1), patchRows = (length + 1, video_BVD.shape[1] - 1);
        if (region || matching)
        {
            FusedTokens positives = fused.Sequences(0, clips);
            Tensor positives_BQD = region ? Encoder.LastLayer(positives, classRow, patchRows) : Encoder.LastLayer(positives, classRow);
            if (matching)
            {
                Tensor class_PD = cat([positives_BQD.select(1, 0), FusedClass(fused.Sequences(clips, 2 * clips))], 0);
                terms.Add(Losses.Matching(itm_head.call(class_PD), clips) with { Weight = Weights.Vtm });
            }
            if (region) terms.Add(EntityModelling(inputs, positives_BQD.narrow(1, 1, patchRows.Item2)) with { Weight = Weights.Pem });
        }
        if (masks)
            terms.Add(MaskedLanguage(inputs, fused.Sequences((pairs.Count - 1) * clips, clips), length) with { Weight = Weights.Mlm });
        return terms;
    }

    // The last layer computes the text rows, the head the masked ones among them.
    private LossTerm MaskedLanguage(ModelInputs inputs, FusedTokens fused, long length)
    {
        Tensor positions_M = inputs.MaskPositions ?? throw new ArgumentException("Masked ids come with the positions of their masks.",
            nameof(inputs));
        Tensor labels_BL = inputs.MaskLabels_BL ?? throw new ArgumentException("Masked ids come with labels.", nameof(inputs));
        Tensor hidden_MD = Encoder.LastLayer(fused, (0, length)).flatten(0, 1).index_select(0, positions_M);
        return Losses.MaskedLanguage(text_encoder.Vocabulary(hidden_MD), labels_BL.flatten().index_select(0, positions_M));
    }

    private LossTerm EntityModelling(ModelInputs inputs, Tensor patches_BND)
    {
        Tensor mask_BHW = inputs.RegionMask_BHW ?? throw new ArgumentException("A crop comes with the mask of its region.", nameof(inputs));
        return Losses.EntityModelling(mpm_head.call(RegionMean(patches_BND, mask_BHW)),
            prompter.Label(inputs.CropVideo_BTCHW!, inputs.IsVideo));
    }

    // Mean of the patch tokens [B, N, D] inside the region, where the mask [B, H/p, W/p] is 0.
    private static Tensor RegionMean(Tensor patches_BND, Tensor mask_BHW)
    {
        Tensor inside_B1N = mask_BHW.flatten(1).unsqueeze(1).to_type(patches_BND.dtype).OneMinus();
        return inside_B1N.bmm(patches_BND).div(inside_B1N.sum(2, keepdim: true)).squeeze(1);
    }
}
