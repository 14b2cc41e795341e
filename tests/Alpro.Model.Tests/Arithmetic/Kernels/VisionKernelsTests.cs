using Alpro.Model.Arithmetic;
using Alpro.Model.Arithmetic.Kernels;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Alpro.Model.Tests.Arithmetic.Kernels;

/// <summary>The kernels of GPUs, run on the processor, give what libtorch's operations give.</summary>
public class VisionKernelsTests
{
    private static VisionConfig Config(int frames, double drop) =>
        new() { ImageSize = 16, PatchSize = 8, Frames = frames, Width = 256, Depth = 3, Heads = 4, MlpRatio = 0.25, DropPathRate = drop };

    [KernelTheory]
    [InlineData(1, 0.0, false, false)]
    [InlineData(2, 0.0, false, false)]
    [InlineData(2, 0.4, false, false)]
    [InlineData(3, 0.4, true, false)]
    [InlineData(2, 0.4, false, true)]
    public void Tokens_and_all_gradients_are_those_of_libtorch(int frames, double drop, bool classOnly, bool recomputed)
    {
        using var scope = NewDisposeScope();
        manual_seed(3);
        VisionConfig config = Config(frames, drop) with { ActivationCheckpointing = recomputed };
        using var encoder = new VisionEncoder(config);
        using (no_grad())
            foreach ((string name, Parameter parameter) in encoder.named_parameters())
                if (name.Contains("temporal_fc.weight", StringComparison.Ordinal)) parameter.normal_(0, 0.1);
                else if (parameter.dim() == 1) parameter.add_(randn_like(parameter), 0.2);
        Tensor video = randn([2, frames, 3, 16, 16]), weights = randn(1);

        (Tensor expected, var gradients) = Run(null);
        var launcher = new EmulatedLauncher();
        (Tensor actual, var ours) = Run(launcher);
        Assert.True(launcher.Launches > 20);
        TinyModel.AssertClose(expected, actual, 2e-5);
        foreach ((string name, Tensor gradient) in gradients)
            TinyModel.AssertClose(gradient, ours[name], 1e-4 * Math.Max(1, gradient.abs().max().item<float>()), name);
        Assert.NotEqual(0, ours["model.blocks.1.temporal_attn.qkv.weight"].abs().sum().item<float>());

        (Tensor, Dictionary<string, Tensor>) Run(EmulatedLauncher? launcher)
        {
            encoder.model.UsesKernels = launcher is not null;
            encoder.model.Launcher = launcher;
            encoder.zero_grad();
            manual_seed(5);
            Tensor tokens = classOnly ? encoder.ForwardClass(video) : encoder.Forward(video);
            manual_seed(6);
            tokens.mul(randn_like(tokens)).sum().backward();
            return (tokens.detach(), encoder.named_parameters().Where(named => named.parameter.grad is not null)
                .ToDictionary(named => named.name, named => named.parameter.grad!.clone()));
        }
    }

    [KernelTheory, InlineData(true), InlineData(false)]
    public void In_mixed_precision_they_are_as_near_as_bfloat16_is(bool backward)
    {
        using var scope = NewDisposeScope();
        manual_seed(3);
        using var encoder = new VisionEncoder(Config(2, 0));
        Tensor video = randn([2, 2, 3, 16, 16]);
        Tensor exact = encoder.Forward(video).detach();
        encoder.model.Launcher = new EmulatedLauncher();
        using IDisposable mixed = Autocast.Set(DeviceType.CPU, on: true);
        using IDisposable? none = backward ? null : no_grad();
        Tensor near = encoder.Forward(video);
        double error = (near - exact).norm().item<float>() / exact.norm().item<float>();
        Assert.InRange(error, 1e-5, 1e-2);
        if (!backward) return;
        near.sum().backward();
        Assert.All(encoder.named_parameters().Where(named => named.parameter.grad is not null),
            named => Assert.True(named.parameter.grad!.isfinite().all().item<bool>(), named.name));
    }

    [KernelTheory, InlineData(0)]
    public void Without_gradients_nothing_is_kept(int _)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var encoder = new VisionEncoder(Config(2, 0));
        encoder.eval();
        encoder.model.Launcher = new EmulatedLauncher();
        Tensor video = randn([2, 2, 3, 16, 16]);
        using (NewDisposeScope()) encoder.Forward(video);
        long before = Tensor.TotalCount;
        using (NewDisposeScope()) encoder.Forward(video);
        Assert.Equal(before, Tensor.TotalCount);
    }

    [KernelTheory, InlineData(0)]
    public void Kernels_that_do_not_compile_are_told_of_once_and_libtorch_takes_their_place(int _)
    {
        using var scope = NewDisposeScope();
        manual_seed(3);
        using var encoder = new VisionEncoder(Config(2, 0));
        Tensor video = randn([2, 2, 3, 16, 16]), expected = encoder.Forward(video);
        var warnings = new List<string>();
        var broken = new EmulatedLauncher(KernelLauncher.VisionSource.Value + "\nthis is no kernel;", warnings.Add);
        encoder.model.Launcher = broken;
        for (int pass = 0; pass < 2; pass++) TinyModel.AssertEqual(expected, encoder.Forward(video));
        using var longer = new VisionEncoder(Config(3, 0));
        longer.model.Launcher = broken;
        longer.Forward(randn([2, 3, 3, 16, 16]));
        Assert.Equal(0, broken.Launches);
        Assert.Contains("this is no kernel", Assert.Single(warnings));
    }

    [Fact]
    public void What_kernels_are_not_made_for_is_said()
    {
        KernelLauncher? none = null;
        Assert.Contains("model.vision.width is 300", VisionKernels.WhyNot(300, 4, 2, ref none));
        Assert.Contains("have 32", VisionKernels.WhyNot(256, 8, 2, ref none));
        Assert.Contains("a clip has 9", VisionKernels.WhyNot(256, 4, 9, ref none));
    }
}
