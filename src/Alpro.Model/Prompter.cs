using Alpro.Model.Arithmetic;
using static TorchSharp.torch;

namespace Alpro.Model;

/// <summary>
/// The prompter (paper section 3.3): a model of the same shape trained with the contrastive loss alone. Frozen, it then says how probable
/// each entity is in a region of a clip. It compares the region with prompts that name the entity.
/// </summary>
public sealed class Prompter : AlproModel
{
    private bool frozen;

    /// <summary>The text encoder; its fusion layers and head are in every checkpoint, and unused.</summary>
    public readonly BertForMaskedLM text_encoder;

    /// <summary>Features of the entities as video prompts name them [E, F]; a buffer.</summary>
    public readonly Tensor video_prompt_feat;

    /// <summary>Features of the entities as image prompts name them [E, F]; a buffer.</summary>
    public readonly Tensor image_prompt_feat;

    /// <summary>Builds the prompter with fresh weights and empty prompt features.</summary>
    public Prompter(ModelConfig config) : base(nameof(Prompter), config)
    {
        text_encoder = new BertForMaskedLM(config.Text);
        video_prompt_feat = zeros(config.Entities, config.ProjectionWidth);
        image_prompt_feat = zeros(config.Entities, config.ProjectionWidth);
        RegisterComponents();
    }

    /// <summary>What a prompt of a video says; {} stands for the entity.</summary>
    public static IReadOnlyList<string> VideoTemplates { get; } =
        [.. from kind in new[] { "footage", "video", "portrait", "video footage" } from article in new[] { "a", "the", "one" }
        select $"A {kind} of {article} {{}}."];

    /// <summary>What a prompt of an image says, in the order the released code has.</summary>
    public static IReadOnlyList<string> ImageTemplates { get; } =
    [
        .. from kind in new[] { "photo", "picture" } from article in new[] { "a", "the", "one" } select $"A {kind} of {article} {{}}.",
        .. from kind in new[] { "good photo", "good picture" } from article in new[] { "the", "a", "one" }
        select $"A {kind} of {article} {{}}.",
    ];

    /// <inheritdoc/>
    public override Bert Encoder => text_encoder.bert;

    internal override string UnreadKeys => @"(text_encoder\.cls|itm_head)\..*";

    /// <summary>Every template with every entity, template by template.</summary>
    public static IReadOnlyList<string> Prompts(IEnumerable<string> templates, IReadOnlyCollection<string> entities) =>
        [.. from template in templates from entity in entities select template.Replace("{}", entity, StringComparison.Ordinal)];

    private protected override EncodedClips Encode(ModelInputs inputs) =>
        new(VideoFeatures_BF: VideoFeatures(inputs.Video_BTCHW), TextFeatures_BF: TextFeatures(inputs.TokenIds_BL, inputs.TokenMask_BL));

    /// <summary>The prompter learns from the contrastive loss alone.</summary>
    private protected override IReadOnlyList<LossTerm> GroupLosses(ModelInputs inputs, EncodedClips encoded, Similarities? similarities,
        HardNegatives? negatives) => [];

    /// <summary>
    /// Fills the prompt features from tokenised <see cref="Prompts"/>, ids and masks [templates * E, L]. An entity's is the mean over the
    /// templates of its prompts' normalised features, and is not normalised again.
    /// </summary>
    public void BuildEntityPrompts((Tensor Ids, Tensor Mask) video, (Tensor Ids, Tensor Mask) image)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        bool wasTraining = training;
        eval();
        video_prompt_feat.copy_(Average(video));
        image_prompt_feat.copy_(Average(image));
        train(wasTraining);

        // One template at a time, so that memory does not grow with their number.
        Tensor Average((Tensor Ids, Tensor Mask) prompts)
        {
            int templates = (int)(prompts.Ids.shape[0] / Config.Entities);
            if (prompts.Ids.shape[0] != (long)templates * Config.Entities)
                throw new ArgumentException(
                    $"{prompts.Ids.shape[0]} prompts are not a number of templates times {Config.Entities} entities.");
            Tensor sum_EF = zeros_like(video_prompt_feat);
            for (int t = 0; t < templates; t++)
            {
                using var each = NewDisposeScope();
                Tensor ids_EL = prompts.Ids.narrow(0, (long)t * Config.Entities, Config.Entities), mask_EL = prompts.Mask.narrow(0,
                    (long)t * Config.Entities, Config.Entities);
                sum_EF.add_(TextFeatures(ids_EL, mask_EL), TensorOps.One);
            }
            return sum_EF.Over(templates);
        }
    }

    /// <summary>Stops training for good: evaluation mode, no gradients.</summary>
    public void Freeze()
    {
        eval();
        foreach (var parameter in parameters()) parameter.requires_grad = false;
        frozen = true;
    }

    /// <summary>Sets the mode; a frozen prompter stays in evaluation mode.</summary>
    public override void train(bool train = true) => base.train(train && !frozen);

    /// <summary>How probable each entity is in a region: frames [B, T, 3, H, W] with everything outside it zeroed.</summary>
    public PseudoLabels Label(Tensor crop_BTCHW, bool isVideo)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Tensor prompts_EF = isVideo ? video_prompt_feat : image_prompt_feat, features_BF = VideoFeatures(crop_BTCHW);
        using var full = Autocast.Set(crop_BTCHW.device_type, on: false);
        Tensor probabilities_BE = features_BF.mm(prompts_EF.t()).div(temp).softmax(1);
        Tensor confidence_B = Config.Reference.IgnoreMaskByIndex ? probabilities_BE.argmax(1) : probabilities_BE.amax([1]);
        return new(probabilities_BE.MoveToOuterDisposeScope(), confidence_B.Below(Config.EntityThreshold).MoveToOuterDisposeScope());
    }
}
