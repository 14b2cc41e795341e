using Alpro.Model.Arithmetic;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Model.Tests.Arithmetic;

public class ActivationCheckpointTests
{
    [Fact]
    public void Losses_and_all_gradients_are_those_without_it()
    {
        using var scope = NewDisposeScope();
        (Tensor plain, var expected) = Step(TinyModel.WithDropout);
        (Tensor recomputed, var actual) = Step(Checkpointing());
        TinyModel.AssertEqual(plain, recomputed);
        foreach ((string name, Tensor gradient) in expected) TinyModel.AssertClose(gradient, actual[name], 1e-6, name);
        Assert.NotEqual(0, actual["visual_encoder.model.blocks.1.attn.qkv.weight"].abs().sum().item<float>());
    }

    [Fact]
    public void The_released_behaviour_leaves_what_is_recomputed_untrained()
    {
        using var scope = NewDisposeScope();
        var frozen = Checkpointing() with { Reference = new ReferenceSwitches { FreezeCheckpointed = true } };
        (_, var expected) = Step(TinyModel.WithDropout);
        (_, var actual) = Step(frozen);
        foreach ((string name, Tensor gradient) in expected)
        {
            bool inside = name.StartsWith("visual_encoder", StringComparison.Ordinal)
                && (name.Contains("attn.", StringComparison.Ordinal) || name.Contains("mlp.", StringComparison.Ordinal));
            TinyModel.AssertClose(inside ? zeros_like(gradient) : gradient, actual[name], 1e-6, name);
        }
    }

    [Fact]
    public void The_switch_changes_nothing_without_recomputation()
    {
        using var scope = NewDisposeScope();
        using var model = new VisionEncoder(TinyModel.Config.Vision, freezeCheckpointed: true);
        Assert.All(model.parameters(), parameter => Assert.True(parameter.requires_grad));
    }

    [Theory, InlineData(true), InlineData(false)]
    public void What_is_computed_again_is_in_the_precision_of_the_forward_pass(bool mixed)
    {
        using var scope = NewDisposeScope();
        var seen = new List<bool>();
        Tensor input = randn(2, 2).requires_grad_(), output;
        using (Autocast.Set(DeviceType.CPU, mixed))
            output = ActivationCheckpoint.Run((x, _) =>
            {
                seen.Add(Autocast.IsOn(DeviceType.CPU));
                return x.mul(x);
            }, input);
        output.sum().backward();
        Assert.Equal([mixed, mixed], seen);
        Assert.False(Autocast.IsOn(DeviceType.CPU));
    }

    [Fact]
    public void An_error_in_the_backward_pass_is_thrown_afterwards()
    {
        using var scope = NewDisposeScope();
        bool again = false;
        Tensor input = randn(2, 2).requires_grad_();
        Tensor output = ActivationCheckpoint.Run((x, _) => again ? throw new InvalidOperationException("out of luck") : x.mul(x), input);
        again = true;
        output.sum().backward();
        Assert.True(input.grad!.isnan().all().item<bool>());
        Assert.Contains("out of luck", Assert.Throws<InvalidOperationException>(ActivationCheckpoint.ThrowIfFailed).Message,
            StringComparison.Ordinal);
        ActivationCheckpoint.ThrowIfFailed();
    }

    private static ModelConfig Checkpointing() =>
        TinyModel.WithDropout with { Vision = TinyModel.WithDropout.Vision with { ActivationCheckpointing = true } };

    private static (Tensor Loss, Dictionary<string, Tensor> Gradients) Step(ModelConfig config)
    {
        using var model = TinyModel.Build(() => new AlproForRetrieval(config));
        ModelInputs inputs = TinyModel.Inputs();
        manual_seed(8);
        ModelLosses losses = model.Forward(inputs, TinyModel.Negatives());
        losses.Total.backward();
        return (losses.Total.detach(), TinyModel.Gradients(model));
    }
}
