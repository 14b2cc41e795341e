using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Alpro.Model;

/// <summary>Pretraining (paper section 3): contrastive, matching and masked-language losses, and entity modelling under a frozen prompter.</summary>
public sealed class AlproForPretrain : AlproModel
{
    private readonly IFeatureGather gather;

    /// <summary>The text and fusion encoder with the masked-language head.</summary>
    public readonly BertForMaskedLM text_encoder;

    /// <summary>Says what a region shows; trained before, frozen here.</summary>
    public readonly Prompter prompter;

    /// <summary>D to the entities.</summary>
    public readonly Sequential mpm_head;

    /// <summary>Builds the model with fresh weights.</summary>
    /// <param name="config">Its sizes.</param>
    /// <param name="gather">Brings the features of all ranks together; one rank by default.</param>
    public AlproForPretrain(ModelConfig config, IFeatureGather? gather = null) : base(nameof(AlproForPretrain), config)
    {
        this.gather = gather ?? SingleRank.Instance;
        text_encoder = new BertForMaskedLM(config.Text);
        prompter = new Prompter(config);
        prompter.Freeze();
        mpm_head = Sequential(Linear(config.Text.Width, 2 * config.Text.Width), ReLU(), Linear(2 * config.Text.Width, config.Entities));
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Bert Encoder => text_encoder.bert;

    /// <inheritdoc/>
    public override ModelLosses Forward(ModelInputs inputs) => Forward(inputs, null);

    /// <summary>
    /// The losses of a batch: vtc and vtm; mlm when the inputs have masked ids; mpm when they have a crop. All sequences go through the
    /// fusion encoder together, up to its last layer.
    /// </summary>
    /// <param name="inputs">The batch.</param>
    /// <param name="negatives">The negatives of matching; drawn when not given.</param>
    public ModelLosses Forward(ModelInputs inputs, HardNegatives? negatives)
    {
        using var scope = NewDisposeScope();
        ClampTemperature();
        bool masks = inputs.MaskedIds_BL is not null, region = inputs.CropVideo_BTCHW is not null;
        Tensor mask_BL = inputs.TokenMask_BL;
        long clips = mask_BL.shape[0], length = mask_BL.shape[1];

        (Tensor video_BVD, Tensor videoFeatures_BF) = EncodeVideo(inputs.Video_BTCHW);
        Tensor texts = masks
            ? Encoder.EncodeText(cat([inputs.TokenIds_BL, inputs.MaskedIds_BL!], 0), cat([mask_BL, mask_BL], 0))
            : Encoder.EncodeText(inputs.TokenIds_BL, mask_BL);
        Tensor text_BLD = texts.narrow(0, 0, clips);

        var similarities = Similarities.Of(videoFeatures_BF, Feature(text_proj, text_BLD), temp, gather, Config.Reference.LocalRankTargets);
        var terms = new List<LossTerm> { Losses.Contrastive(similarities) };

        (Tensor text, Tensor mask, Tensor video) = WithNegatives(text_BLD, mask_BL, video_BVD, negatives ?? HardNegatives.Draw(similarities));
        if (masks) (text, mask, video) = (cat([text, texts.narrow(0, clips, clips)], 0), cat([mask, mask_BL], 0), cat([video, video_BVD], 0));
        FusedTokens fused = Encoder.Fuse(text, mask, video);

        // Of the positives, entity modelling reads the patch tokens too; matching reads the class token of all.
        (long, long) classRow = (0, 1), patchRows = (length + 1, video_BVD.shape[1] - 1);
        FusedTokens positives = fused.Sequences(0, clips);
        Tensor positives_BQD = region ? Encoder.LastLayer(positives, classRow, patchRows) : Encoder.LastLayer(positives, classRow);
        Tensor class_PD = cat([positives_BQD.select(1, 0), FusedClass(fused.Sequences(clips, 2 * clips))], 0);
        terms.Add(Losses.Matching(itm_head.call(class_PD), clips));

        if (masks)
        {
            Tensor positions_M = inputs.MaskPositions ?? throw new ArgumentException("Masked ids come with the positions of their masks.", nameof(inputs));
            Tensor labels_BL = inputs.MaskLabels_BL ?? throw new ArgumentException("Masked ids come with labels.", nameof(inputs));
            Tensor hidden_BLD = Encoder.LastLayer(fused.Sequences(3 * clips, clips), (0, length));
            Tensor hidden_MD = hidden_BLD.flatten(0, 1).index_select(0, positions_M);
            terms.Add(Losses.MaskedLanguage(text_encoder.Vocabulary(hidden_MD), labels_BL.flatten().index_select(0, positions_M)));
        }
        if (region)
        {
            Tensor mask_BHW = inputs.RegionMask_BHW ?? throw new ArgumentException("A crop comes with the mask of its region.", nameof(inputs));
            Tensor region_BD = RegionMean(positives_BQD.narrow(1, 1, patchRows.Item2), mask_BHW);
            terms.Add(Losses.EntityModelling(mpm_head.call(region_BD), prompter.Label(inputs.CropVideo_BTCHW!, inputs.IsVideo)));
        }
        return ModelLosses.Sum(terms).MoveToOuterDisposeScope();
    }

    // Mean of the patch tokens [B, N, D] inside the region, where the mask [B, H/p, W/p] is 0.
    private static Tensor RegionMean(Tensor patches_BND, Tensor mask_BHW)
    {
        Tensor inside_B1N = mask_BHW.flatten(1).unsqueeze(1).to_type(patches_BND.dtype).OneMinus();
        return inside_B1N.bmm(patches_BND).div(inside_B1N.sum(2, keepdim: true)).squeeze(1);
    }
}
