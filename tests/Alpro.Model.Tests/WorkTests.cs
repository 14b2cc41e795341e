using Alpro.Model.Arithmetic;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Model.Tests;

/// <summary>Work that is left out, done together or done another way changes no number.</summary>
public class WorkTests
{
    [Fact]
    public void The_last_layer_computes_the_rows_it_is_asked_for()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Pretrain();
        FusedTokens fused = Fused(model);
        long all = fused.Tokens_BSD.shape[1];
        Tensor full = model.Encoder.LastLayer(fused, (0, all));
        TinyModel.AssertClose(full.narrow(1, 0, 1), model.Encoder.LastLayer(fused, (0, 1)));
        TinyModel.AssertClose(full.narrow(1, 0, TinyModel.Length), model.Encoder.LastLayer(fused, (0, TinyModel.Length)));
        TinyModel.AssertClose(cat([full.narrow(1, 0, 1), full.narrow(1, 8, all - 8)], 1),
            model.Encoder.LastLayer(fused, (0, 1), (8, all - 8)));
    }

    [Theory, InlineData(false), InlineData(true)]
    public void Features_without_tokens_are_the_features_with_them(bool dropout)
    {
        using var scope = NewDisposeScope();
        ModelConfig paths = TinyModel.Config with { Vision = TinyModel.WithDropout.Vision };
        using var model = TinyModel.Pretrain(dropout ? paths : TinyModel.Config);
        ModelInputs inputs = TinyModel.Inputs();
        manual_seed(9);
        Tensor video = model.EncodeVideo(inputs.Video_BTCHW).Features_BF, text = model.EncodeText(inputs.TokenIds_BL,
            inputs.TokenMask_BL).Features_BF;
        manual_seed(9);
        TinyModel.AssertClose(video, model.VideoFeatures(inputs.Video_BTCHW));
        TinyModel.AssertClose(text, model.TextFeatures(inputs.TokenIds_BL, inputs.TokenMask_BL));
    }

    [Fact]
    public void Attention_written_out_for_dropout_is_the_fused_attention()
    {
        using var scope = NewDisposeScope();
        ModelConfig negligible = TinyModel.Config with { Text = TinyModel.Config.Text with { AttentionDropout = 1e-12 } };
        using var written = TinyModel.Pretrain(negligible);
        using var fused = TinyModel.Pretrain();
        ModelInputs inputs = TinyModel.Inputs();
        ModelLosses expected = fused.Forward(inputs, TinyModel.Negatives()), actual = written.Forward(inputs, TinyModel.Negatives());
        TinyModel.AssertClose(expected.Total, actual.Total);
        expected.Total.backward();
        actual.Total.backward();
        var gradients = TinyModel.Gradients(written);
        foreach ((string name, Tensor gradient) in TinyModel.Gradients(fused)) TinyModel.AssertClose(gradient, gradients[name], 1e-5, name);
    }

    [Fact]
    public void Sequences_that_share_a_pass_give_what_each_gives_alone()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Pretrain();
        ModelInputs inputs = TinyModel.Inputs();
        HardNegatives negatives = TinyModel.Negatives();
        ModelLosses losses = model.Forward(inputs, negatives);

        Tensor video = model.EncodeVideo(inputs.Video_BTCHW).Tokens_BVD, mask = inputs.TokenMask_BL;
        Tensor text = model.EncodeText(inputs.TokenIds_BL, mask).Tokens_BLD, masked = model.EncodeText(inputs.MaskedIds_BL!,
            mask).Tokens_BLD;
        TokenPairs positives = new(text, mask, video);
        Tensor matching = cat([.. TokenPairs.WithNegatives(text, mask, video, negatives).Select(model.Match)], 0);
        TinyModel.AssertClose(matching, losses["vtm"].Logits!);

        FusedTokens fused = model.Encoder.Fuse(positives);
        Tensor patches = model.Encoder.LastLayer(fused, (0, fused.Tokens_BSD.shape[1])).narrow(1, TinyModel.Length + 1, 4);
        Tensor inside = 1 - inputs.RegionMask_BHW!.flatten(1).unsqueeze(2);
        TinyModel.AssertClose(model.mpm_head.call((patches * inside).sum(1) / inside.sum(1)), losses["pem"].Logits!);

        Tensor words = model.text_encoder.Vocabulary(model.Encoder.LastLayer(model.Encoder.Fuse(new(masked, mask, video)),
            (0, TinyModel.Length)));
        Tensor expected = CrossEntropy(words, inputs.MaskLabels_BL!);
        TinyModel.AssertClose(expected, losses["mlm"].Loss);
        TinyModel.AssertClose(words.flatten(0, 1).index_select(0, inputs.MaskPositions!), losses["mlm"].Logits!);

        static Tensor CrossEntropy(Tensor scores, Tensor labels) => nn.functional.cross_entropy(scores.flatten(0, 1), labels.flatten(),
            ignore_index: -100);
    }

    [Fact]
    public void A_text_s_padding_changes_nothing()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Pretrain();
        ModelInputs inputs = TinyModel.Inputs();
        Tensor ids = inputs.TokenIds_BL.narrow(0, 1, 1), mask = inputs.TokenMask_BL.narrow(0, 1, 1);
        Tensor whole = model.EncodeText(ids, mask).Tokens_BLD, cut = model.EncodeText(ids.narrow(1, 0, 5), mask.narrow(1, 0, 5)).Tokens_BLD;
        TinyModel.AssertClose(cut, whole.narrow(1, 0, 5));
        Tensor video = model.EncodeVideo(inputs.Video_BTCHW.narrow(0, 1, 1)).Tokens_BVD;
        TinyModel.AssertClose(model.Match(new(cut, mask.narrow(1, 0, 5), video)), model.Match(new(whole, mask, video)));
    }

    /// <summary>
    /// A tensor that is made in 32 bits, or on the CPU, where it should be like the weights, shows as an error or as a difference.
    /// </summary>
    [Fact]
    public void A_step_in_64_bits_is_the_step_in_32()
    {
        using var scope = NewDisposeScope();
        ModelInputs inputs = TinyModel.Inputs();
        using var single = TinyModel.Pretrain();
        using var doubled = (AlproForPretrain)TinyModel.Pretrain().to(ScalarType.Float64);
        ModelLosses expected = single.Forward(inputs, TinyModel.Negatives());
        ModelLosses actual = doubled.Forward(inputs with
        {
            Video_BTCHW = inputs.Video_BTCHW.to(ScalarType.Float64),
            CropVideo_BTCHW = inputs.CropVideo_BTCHW!.to(ScalarType.Float64),
        }, TinyModel.Negatives());
        foreach (LossTerm term in actual.Terms)
        {
            Assert.Equal(ScalarType.Float64, term.Loss.dtype);
            TinyModel.AssertClose(expected[term.Name].Loss, term.Loss, 1e-5, term.Name);
        }
        expected.Total.backward();
        actual.Total.backward();
        var gradients = TinyModel.Gradients(doubled);
        foreach ((string name, Tensor gradient) in TinyModel.Gradients(single)) TinyModel.AssertClose(gradient, gradients[name], 1e-4,
            name);
    }

    [Fact]
    public void Contrastive_scores_keep_32_bits_in_mixed_precision()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var model = TinyModel.Build(() => new Prompter(TinyModel.Config));
        ModelInputs inputs = TinyModel.Inputs();
        using var mixed = Autocast.Set(DeviceType.CPU, on: true);
        Tensor video = model.VideoFeatures(inputs.Video_BTCHW), text = model.TextFeatures(inputs.TokenIds_BL, inputs.TokenMask_BL);
        TinyModel.AssertClose(ones(TinyModel.Clips), video.square().sum(1), 1e-6);
        Tensor expected = video.unsqueeze(1).mul(text.unsqueeze(0)).sum(2).div(model.temp);
        TinyModel.AssertClose(expected, Similarities.Of(video, text, model.temp, SingleRank.Instance, false).VideoToText_BG, 1e-5);
    }

    [Fact]
    public void Groups_that_are_encoded_together_have_the_losses_of_groups_encoded_one_by_one()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Pretrain();
        ModelInputs[] groups = [TinyModel.Inputs(seed: 2), TinyModel.Inputs(seed: 3)];
        int begun = 0;
        (ModelLosses apart, ModelLosses together) = (Forward(false), Forward(true));
        Assert.Equal(4 + 3, begun);                                  // each group before its encoders and its losses; the encoders once
        foreach (LossTerm term in apart.Terms) TinyModel.AssertClose(term.Loss, together[term.Name].Loss, 1e-5, term.Name);

        ModelLosses Forward(bool together)
        {
            model.EncodesTogether = together;
            return model.Forward(groups, SingleRank.Instance, (group, losses) =>
            {
                begun++;
                manual_seed(losses ? 10 + group : 20);
            });
        }
    }

    private static FusedTokens Fused(AlproForPretrain model)
    {
        ModelInputs inputs = TinyModel.Inputs();
        return model.Encoder.Fuse(new(model.EncodeText(inputs.TokenIds_BL, inputs.TokenMask_BL).Tokens_BLD, inputs.TokenMask_BL,
            model.EncodeVideo(inputs.Video_BTCHW).Tokens_BVD));
    }
}
