using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Alpro.Model;

/// <summary>Video question answering (paper section 4.3): the fused class token chooses among the known answers.</summary>
public sealed class AlproForQuestionAnswering : AlproModel
{
    /// <summary>The text and fusion encoder, without a head.</summary>
    public readonly Bert text_encoder;

    /// <summary>D to the answers.</summary>
    public readonly Sequential classifier;

    /// <summary>Builds the model with fresh weights.</summary>
    public AlproForQuestionAnswering(ModelConfig config) : base(nameof(AlproForQuestionAnswering), config)
    {
        text_encoder = new Bert(config.Text);
        classifier = Sequential(Linear(config.Text.Width, 2 * config.Text.Width), ReLU(), Linear(2 * config.Text.Width, config.Answers));
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Bert Encoder => text_encoder;

    internal override IReadOnlyList<(string Pattern, string? Key)> FromPretraining =>
        [(@"(prompter|mpm_head|text_encoder\.cls)\..*", null), (@"text_encoder\.bert\.(.*)", "text_encoder.$1")];

    internal override string UnreadKeys => @"temp|(vision_proj|text_proj|itm_head)\..*";

    private protected override EncodedClips Encode(ModelInputs inputs) =>
        new(Text_BLD: Encoder.EncodeText(inputs.TokenIds_BL, inputs.TokenMask_BL), Video_BVD: visual_encoder.Forward(inputs.Video_BTCHW));

    /// <summary>qa: questions with their answers.</summary>
    private protected override IReadOnlyList<LossTerm> GroupLosses(ModelInputs inputs, EncodedClips encoded, Similarities? similarities,
        HardNegatives? negatives)
    {
        Tensor answers_B = inputs.Answers_B ?? throw new ArgumentException("Training needs the answers.", nameof(inputs));
        return [Losses.Answers(Answer(new(encoded.Text_BLD!, inputs.TokenMask_BL, encoded.Video_BVD!)), answers_B)];
    }

    /// <summary>Scores [P, answers] of P questions, each with its video.</summary>
    public Tensor Answer(TokenPairs questions)
    {
        using var scope = NewDisposeScope();
        return classifier.call(FusedClass(Encoder.Fuse(questions))).MoveToOuterDisposeScope();
    }

    /// <summary>Scores [P, answers] of P questions whose videos were given to <see cref="Bert.Project"/> once for many questions.</summary>
    public Tensor Answer(ProjectedTokens text_P, Tensor mask_PL, ProjectedTokens video_P)
    {
        using var scope = NewDisposeScope();
        return classifier.call(FusedClass(Encoder.Fuse(text_P, mask_PL, video_P))).MoveToOuterDisposeScope();
    }
}
