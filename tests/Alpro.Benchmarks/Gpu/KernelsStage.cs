using Alpro.Model;
using Alpro.Model.Arithmetic;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Benchmarks.Gpu;

/// <summary>
/// Whether our own kernels give, on this GPU, what libtorch's operations give: tokens and gradients of a full-width encoder, in 32 bits and
/// in mixed precision.
/// </summary>
internal static class KernelsStage
{
    public static void Run(string[] args)
    {
        foreach (int frames in new[] { 1, 4, 8 })
            foreach (bool mixed in new[] { false, true })
                Compare(frames, mixed, mixed ? 2e-2 : 1e-5);
    }

    private static void Compare(int frames, bool mixed, double tolerance)
    {
        using var scope = NewDisposeScope();
        manual_seed(3);
        using var encoder = (VisionEncoder)new VisionEncoder(new() { Frames = frames, Depth = 3, DropPathRate = 0.3 }).to(GpuCheck.Device);
        using (no_grad())
            foreach (SpaceTimeBlock block in encoder.model.blocks) block.temporal_fc.weight!.normal_(0, 0.05);
        Tensor video = randn([2, frames, 3, 224, 224], device: GpuCheck.Device), weights = randn([2, 197, 768], device: GpuCheck.Device);
        (Tensor expected, var gradients) = Step(false, false);
        (Tensor actual, var ours) = Step(true, mixed);
        double tokens = Error(expected, actual), worst = 0;
        string where = "";
        foreach ((string name, Tensor gradient) in gradients)
            if (Error(gradient, ours[name]) is var error && !(error <= worst)) (worst, where) = (error, name);
        GpuCheck.Report(new($"kernels, {frames} frames, {(mixed ? "bf16" : "fp32")}",
            Note: $"tokens {tokens:0.0e+0}, worst gradient {worst:0.0e+0} ({where})"));
        if (!(tokens <= tolerance && worst <= 20 * tolerance))
            throw new InvalidOperationException(
                $"kernels differ from libtorch at {frames} frames: tokens {tokens}, gradient of {where} {worst}");

        (Tensor, Dictionary<string, Tensor>) Step(bool kernels, bool mixed)
        {
            encoder.model.UsesKernels = kernels;
            foreach (var parameter in encoder.parameters()) parameter.grad?.zero_();
            cuda.manual_seed_all(5);
            Tensor tokens;
            using (Autocast.Set(GpuCheck.Device.type, mixed)) tokens = encoder.Forward(video);
            tokens.mul(weights).sum().backward();
            return (tokens.detach(), encoder.named_parameters().Where(named => named.parameter.grad is not null)
                .ToDictionary(named => named.name, named => named.parameter.grad!.clone()));
        }
    }

    private static double Error(Tensor expected, Tensor actual) =>
        (actual - expected).norm().item<float>() / Math.Max(1e-12, expected.norm().item<float>());
}
