using Alpro.Model.Arithmetic;
using static TorchSharp.torch;

namespace Alpro.Model;

/// <summary>
/// Text-video retrieval (paper section 4.3): contrastive and matching losses; evaluation scores pairs with
/// <see cref="AlproModel.Match(TokenPairs)"/>.
/// </summary>
public sealed class AlproForRetrieval : AlproModel
{
    /// <summary>The text and fusion encoder; its masked-language head is in every checkpoint, and unused.</summary>
    public readonly BertForMaskedLM text_encoder;

    /// <summary>Builds the model with fresh weights.</summary>
    public AlproForRetrieval(ModelConfig config) : base(nameof(AlproForRetrieval), config)
    {
        text_encoder = new BertForMaskedLM(config.Text);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Bert Encoder => text_encoder.bert;

    internal override IReadOnlyList<(string Pattern, string? Key)> FromPretraining => [(@"(prompter|mpm_head)\..*", null)];

    internal override string UnreadKeys => @"text_encoder\.cls\..*";

    private protected override EncodedClips Encode(ModelInputs inputs)
    {
        (Tensor video_BVD, Tensor video_BF) = EncodeVideo(inputs.Video_BTCHW);
        (Tensor text_BLD, Tensor text_BF) = EncodeText(inputs.TokenIds_BL, inputs.TokenMask_BL);
        return new(video_BVD, text_BLD, video_BF, text_BF);
    }

    /// <summary>vtm.</summary>
    private protected override IReadOnlyList<LossTerm> GroupLosses(ModelInputs inputs, EncodedClips encoded, Similarities? similarities,
        HardNegatives? negatives)
    {
        var pairs = TokenPairs.WithNegatives(encoded.Text_BLD!, inputs.TokenMask_BL, encoded.Video_BVD!,
            negatives ?? HardNegatives.Draw(similarities!));
        return [Losses.Matching(Match(TokenPairs.Join(pairs)), positives: encoded.Text_BLD!.shape[0])];
    }

    /// <summary>Contrastive scores [videos, texts]: similarity of features over the temperature.</summary>
    public Tensor Compare(Tensor video_VF, Tensor text_TF)
    {
        using var scope = NewDisposeScope();
        using var full = Autocast.Set(video_VF.device_type, on: false);
        return video_VF.mm(text_TF.t()).div(temp).MoveToOuterDisposeScope();
    }
}
