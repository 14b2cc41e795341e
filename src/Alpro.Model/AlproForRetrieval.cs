using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Model;

/// <summary>Text-video retrieval (paper section 4.3): contrastive and matching losses; evaluation scores pairs with <see cref="AlproModel.Match(TokenPairs)"/>.</summary>
public sealed class AlproForRetrieval : AlproModel
{
    private readonly IFeatureGather gather;

    /// <summary>The text and fusion encoder; its masked-language head is in every checkpoint, and unused.</summary>
    public readonly BertForMaskedLM text_encoder;

    /// <summary>Builds the model with fresh weights.</summary>
    public AlproForRetrieval(ModelConfig config, IFeatureGather? gather = null) : base(nameof(AlproForRetrieval), config)
    {
        this.gather = gather ?? SingleRank.Instance;
        text_encoder = new BertForMaskedLM(config.Text);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Bert Encoder => text_encoder.bert;

    /// <inheritdoc/>
    public override ModelLosses Forward(ModelInputs inputs) => Forward(inputs, null);

    /// <summary>The losses of a batch: vtc and vtm.</summary>
    /// <param name="inputs">The batch.</param>
    /// <param name="negatives">The negatives of matching; drawn when not given.</param>
    public ModelLosses Forward(ModelInputs inputs, HardNegatives? negatives)
    {
        using var scope = NewDisposeScope();
        ClampTemperature();
        (Tensor video_BVD, Tensor video_BF) = EncodeVideo(inputs.Video_BTCHW);
        (Tensor text_BLD, Tensor text_BF) = EncodeText(inputs.TokenIds_BL, inputs.TokenMask_BL);
        var similarities = Similarities.Of(video_BF, text_BF, temp, gather, Config.Reference.LocalRankTargets);
        var pairs = TokenPairs.WithNegatives(text_BLD, inputs.TokenMask_BL, video_BVD, negatives ?? HardNegatives.Draw(similarities));
        LossTerm matching = Losses.Matching(Match(TokenPairs.Join(pairs)), positives: text_BLD.shape[0]);
        return ModelLosses.Sum([Losses.Contrastive(similarities), matching]).MoveToOuterDisposeScope();
    }

    /// <summary>Contrastive scores [videos, texts]: similarity of features over the temperature.</summary>
    public Tensor Compare(Tensor video_VF, Tensor text_TF)
    {
        using var scope = NewDisposeScope();
        return video_VF.mm(text_TF.t()).div(temp).MoveToOuterDisposeScope();
    }
}
