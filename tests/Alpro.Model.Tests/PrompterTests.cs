using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Model.Tests;

public class PrompterTests
{
    [Fact]
    public void Templates_are_the_released_ones_in_their_order()
    {
        Assert.Equal(12, Prompter.VideoTemplates.Count);
        Assert.Equal("A footage of a {}.", Prompter.VideoTemplates[0]);
        Assert.Equal("A video footage of one {}.", Prompter.VideoTemplates[^1]);
        Assert.Equal(
            [
                "A photo of a {}.", "A photo of the {}.", "A photo of one {}.", "A picture of a {}.", "A picture of the {}.",
                "A picture of one {}.",
                "A good photo of the {}.", "A good photo of a {}.", "A good photo of one {}.", "A good picture of the {}.",
                "A good picture of a {}.", "A good picture of one {}.",
            ],
            Prompter.ImageTemplates);
        Assert.Equal(["A photo of a dog.", "A photo of a cat.", "One dog.", "One cat."],
            Prompter.Prompts(["A photo of a {}.", "One {}."], ["dog", "cat"]));
    }

    [Fact]
    public void Entity_features_are_averaged_over_the_templates_and_not_normalised_again()
    {
        using var scope = NewDisposeScope();
        using var prompter = TinyModel.Build(() => new Prompter(TinyModel.WithDropout));
        Tensor video = randint(1, 40, [3 * 5, 6], dtype: ScalarType.Int64), image = randint(1, 40, [2 * 5, 6], dtype: ScalarType.Int64);
        prompter.BuildEntityPrompts((video, ones_like(video)), (image, ones_like(image)));
        Assert.True(prompter.training);
        prompter.eval();
        TinyModel.AssertClose(prompter.EncodeText(video, ones_like(video)).Features_BF.view(3, 5, 8).mean([0]).detach(),
            prompter.video_prompt_feat);
        TinyModel.AssertClose(prompter.EncodeText(image, ones_like(image)).Features_BF.view(2, 5, 8).mean([0]).detach(),
            prompter.image_prompt_feat);
        Assert.True(prompter.video_prompt_feat.norm(1, keepdim: false, p: 2).max().item<float>() < 1);
        Assert.Throws<ArgumentException>(() => prompter.BuildEntityPrompts((video.narrow(0, 0, 4), video.narrow(0, 0, 4)), (image, image)));
    }

    [Fact]
    public void A_clip_is_ignored_when_its_best_entity_is_improbable()
    {
        using var scope = NewDisposeScope();
        using var right = TinyModel.Build(() => new Prompter(TinyModel.Config with { EntityThreshold = 0.9 }));
        using var released = TinyModel.Build(() =>
            new Prompter(TinyModel.Config with { EntityThreshold = 0.9, Reference = new ReferenceSwitches { IgnoreMaskByIndex = true } }));
        Tensor crops = TinyModel.Inputs(clips: 16).CropVideo_BTCHW!;
        PseudoLabels labels = right.Label(crops, isVideo: true);
        Assert.Equal(Bools(labels.Probabilities_BE.amax([1]) < 0.9), Bools(labels.Ignored_B));
        Assert.Contains(true, Bools(labels.Ignored_B));
        Assert.Contains(false, Bools(labels.Ignored_B));
        Assert.Equal(Bools(labels.Probabilities_BE.argmax(1).eq(0)), Bools(released.Label(crops, isVideo: true).Ignored_B));
    }

    [Fact]
    public void Images_are_compared_with_image_prompts()
    {
        using var scope = NewDisposeScope();
        using var prompter = TinyModel.Build(() => new Prompter(TinyModel.Config));
        Tensor crops = TinyModel.Inputs().CropVideo_BTCHW!;
        Tensor scores = prompter.EncodeVideo(crops).Features_BF.mm(prompter.image_prompt_feat.t()) / prompter.temp;
        TinyModel.AssertClose(scores.softmax(1), prompter.Label(crops, isVideo: false).Probabilities_BE);
    }

    private static bool[] Bools(Tensor tensor) => tensor.data<bool>().ToArray();
}
