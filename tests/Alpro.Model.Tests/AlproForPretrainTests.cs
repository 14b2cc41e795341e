using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Model.Tests;

public class AlproForPretrainTests
{
    [Fact]
    public void The_total_is_the_sum_of_the_losses_the_inputs_allow()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Pretrain();
        ModelInputs inputs = TinyModel.Inputs();
        ModelLosses all = model.Forward(inputs, TinyModel.Negatives());
        Assert.Equal(["vtc", "vtm", "pem", "mlm"], all.Terms.Select(term => term.Name));
        TinyModel.AssertClose(all["vtc"].Loss + all["vtm"].Loss + all["mlm"].Loss + all["pem"].Loss, all.Total);

        ModelLosses fewer = model.Forward(inputs with { MaskedIds_BL = null, CropVideo_BTCHW = null }, TinyModel.Negatives());
        Assert.Equal(["vtc", "vtm"], fewer.Terms.Select(term => term.Name));
        TinyModel.AssertClose(all["vtm"].Loss, fewer["vtm"].Loss);
    }

    [Theory]
    [InlineData(0, 1, 1, 1, "vtm pem mlm")]
    [InlineData(1, 0, 1, 1, "vtc pem mlm")]
    [InlineData(0, 0, 1, 1, "pem mlm")]
    [InlineData(1, 1, 0, 1, "vtc vtm pem")]
    [InlineData(1, 1, 1, 0, "vtc vtm mlm")]
    [InlineData(1, 0, 0, 0, "vtc")]
    public void Losses_that_are_switched_off_leave_the_others_as_they_are(double vtc, double vtm, double mlm, double pem, string names)
    {
        using var scope = NewDisposeScope();
        using var full = TinyModel.Pretrain();
        using var model = TinyModel.Build(() =>
            new AlproForPretrain(TinyModel.Config) { Weights = new() { Vtc = vtc, Vtm = vtm, Mlm = mlm, Pem = pem } });
        ModelInputs inputs = TinyModel.Inputs();
        ModelLosses expected = full.Forward(inputs, TinyModel.Negatives()), actual = model.Forward(inputs, TinyModel.Negatives());
        Assert.Equal(names, string.Join(' ', actual.Terms.Select(term => term.Name)));
        foreach (LossTerm term in actual.Terms) TinyModel.AssertClose(expected[term.Name].Loss, term.Loss, 1e-5, term.Name);
    }

    [Fact]
    public void A_weight_is_how_often_a_loss_counts_and_changes_no_loss()
    {
        using var scope = NewDisposeScope();
        using var even = TinyModel.Pretrain();
        using var model = TinyModel.Build(() =>
            new AlproForPretrain(TinyModel.Config) { Weights = new() { Vtc = 0.5, Vtm = 2, Mlm = 3, Pem = 0.25 } });
        ModelInputs inputs = TinyModel.Inputs();
        ModelLosses once = even.Forward(inputs, TinyModel.Negatives()), weighted = model.Forward(inputs, TinyModel.Negatives());

        double[] losses = [.. once.Terms.Select(term => (double)term.Loss.item<float>())],
            same = [.. weighted.Terms.Select(term => (double)term.Loss.item<float>())];
        Assert.Equal(losses, same);
        Assert.Equal(0.5 * losses[0] + 2 * losses[1] + 0.25 * losses[2] + 3 * losses[3], weighted.Total.item<float>(), 1e-4);
        Assert.Equal(stack([.. once.Terms.Select(term => term.Loss)]).sum().item<float>(), once.Total.item<float>());
        Assert.All(once.Terms, term => Assert.Same(term.Loss, term.Weighted));            // a weight of 1 is no operation
    }

    [Fact]
    public void The_temperature_is_brought_into_its_range_before_every_pass()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Pretrain();
        using (no_grad()) model.temp.fill_(3);
        model.Forward(TinyModel.Inputs());
        Assert.Equal(0.5f, model.temp.item<float>());
        using (no_grad()) model.temp.fill_(-1);
        model.Forward(TinyModel.Inputs());
        Assert.Equal(0.001f, model.temp.item<float>());
    }

    [Fact]
    public void The_negatives_a_step_draws_follow_torch_s_generator()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Pretrain(TinyModel.WithDropout);
        ModelInputs inputs = TinyModel.Inputs(clips: 8);
        float[] losses = [.. new[] { 11, 11, 12 }.Select(seed =>
        {
            manual_seed(seed);
            return model.Forward(inputs).Total.item<float>();
        })];
        Assert.Equal(losses[0], losses[1]);
        Assert.NotEqual(losses[0], losses[2]);
    }

    [Fact]
    public void The_prompter_learns_nothing_and_drops_nothing()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Pretrain(TinyModel.WithDropout);
        ModelInputs inputs = TinyModel.Inputs();
        model.train();
        Assert.True(model.training);
        Assert.False(model.prompter.training);
        Assert.False(model.prompter.visual_encoder.model.training);
        TinyModel.AssertEqual(model.prompter.Label(inputs.CropVideo_BTCHW!, true).Probabilities_BE,
            model.prompter.Label(inputs.CropVideo_BTCHW!, true).Probabilities_BE);
        model.Forward(inputs).Total.backward();
        Assert.All(model.prompter.parameters(), parameter => Assert.True(!parameter.requires_grad && parameter.grad is null));
        Assert.All(model.parameters().Except(model.prompter.parameters()), parameter => Assert.True(parameter.requires_grad));
    }

    [Fact]
    public void What_is_missing_from_a_batch_is_named()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Pretrain();
        ModelInputs inputs = TinyModel.Inputs();
        Assert.Contains("positions", Assert.Throws<ArgumentException>(() => model.Forward(inputs with { MaskPositions = null })).Message,
            StringComparison.Ordinal);
        Assert.Contains("labels", Assert.Throws<ArgumentException>(() => model.Forward(inputs with { MaskLabels_BL = null })).Message,
            StringComparison.Ordinal);
        Assert.Contains("region", Assert.Throws<ArgumentException>(() => model.Forward(inputs with { RegionMask_BHW = null })).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Sizes_that_cannot_be_are_refused()
    {
        Assert.Contains("width", Assert.Throws<ArgumentException>(
            () => new AlproForPretrain(TinyModel.Config with { Text = TinyModel.Config.Text with { Width = 32 } })).Message,
            StringComparison.Ordinal);
        Assert.Contains("layer 4 of 4", Assert.Throws<ArgumentException>(
            () => new AlproForPretrain(TinyModel.Config with { Text = TinyModel.Config.Text with { FusionLayer = 4 } })).Message,
            StringComparison.Ordinal);
    }
}
