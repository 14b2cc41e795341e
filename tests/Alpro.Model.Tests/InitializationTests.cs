using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Alpro.Model.Tests;

public class InitializationTests
{
    [Fact]
    public void A_truncated_normal_has_its_deviation_and_stays_in_its_bounds()
    {
        using var scope = NewDisposeScope();
        manual_seed(3);
        Tensor wide = empty(200_000), cut = empty(200_000);
        Initialization.TruncatedNormal(wide, std: 0.02);
        Initialization.TruncatedNormal(cut, std: 1, low: -0.5, high: 1);
        Assert.Equal(0, wide.mean().item<float>(), 1e-4);
        Assert.Equal(0.02, wide.std().item<float>(), 1e-4);
        Assert.InRange(cut.min().item<float>(), -0.5f, -0.499f);
        Assert.InRange(cut.max().item<float>(), 0.999f, 1f);
        Assert.Equal(0.20771, cut.mean().item<float>(), 0.003);                      // (phi(a) - phi(b)) / (Phi(b) - Phi(a))
    }

    [Fact]
    public void Only_the_first_block_starts_with_attention_over_time()
    {
        using var model = new TimeSformer(TinyModel.Config.Vision, freezeCheckpointed: false);
        Assert.NotEqual(0, model.blocks[0].temporal_fc.weight.abs().sum().item<float>());
        Assert.All(model.blocks.Skip(1), block => Assert.Equal(0, block.temporal_fc.weight.abs().sum().item<float>()));
        Assert.Equal(0, model.time_embed.abs().sum().item<float>());
    }

    [Fact]
    public void Encoders_start_small_and_norms_at_one()
    {
        using var model = TinyModel.Build(() =>
            new AlproForRetrieval(TinyModel.Config with { Text = TinyModel.Config.Text with { IntermediateSize = 4000 } }));
        Assert.Equal(0.02, model.Encoder.encoder.layer[0].intermediate.dense.weight.std().item<float>(), 5e-4);
        Assert.Equal(0, model.Encoder.encoder.layer[0].intermediate.dense.bias!.abs().max().item<float>());
        Assert.All(model.modules().OfType<LayerNorm>(), norm => Assert.Equal(1, norm.weight!.min().item<float>()));
        Assert.Equal(0.07f, model.temp.item<float>());
    }
}
