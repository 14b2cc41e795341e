using Alpro.Model;
using Alpro.Model.Arithmetic.Kernels;
using Alpro.Training.Configuration;
using static TorchSharp.torch;

namespace Alpro.Training.Devices;

/// <summary>Which kernels compute the vision encoder on a device.</summary>
internal static class AttentionBackend
{
    private static readonly string[] _names = ["math", "flash", "memory-efficient", "cuDNN"];

    /// <summary>The one of libtorch's attention kernels that it chooses for attention over space.</summary>
    /// <param name="device">The device.</param>
    /// <param name="precision">The run's arithmetic.</param>
    public static string Of(Device device, Precision precision)
    {
        using var scope = NewDisposeScope();
        Tensor x = zeros([2, 12, 197, 64], precision == Precision.Fp32 ? ScalarType.Float32 : ScalarType.BFloat16, device);
        // query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa; the answer takes the first place
        Span<ulong> stack =
        [
            Dispatcher.Of(x), Dispatcher.Of(x), Dispatcher.Of(x), Dispatcher.None,
            Dispatcher.Of(0.0), Dispatcher.Of(false), Dispatcher.None, Dispatcher.Of(false),
        ];
        try
        {
            Dispatcher.Call("aten::_fused_sdp_choice", "", stack);
        }
        catch (InvalidOperationException)
        {
            return "unknown";
        }
        return stack[0] < (ulong)_names.Length ? _names[stack[0]] : $"number {(long)stack[0]}";
    }

    /// <summary>What computes attention over time, and all between the matrix products of a vision block, on this process's GPU.</summary>
    /// <param name="vision">The encoder.</param>
    /// <param name="frames">Frames of a clip.</param>
    /// <returns>"ours", or "libtorch's" with the reason.</returns>
    public static string OfBlocks(VisionConfig vision, int frames)
    {
        KernelLauncher? launcher = null;
        return VisionKernels.WhyNot(vision.Width, vision.Heads, frames, ref launcher) is { } why ? $"libtorch's, not ours: {why}" : "ours";
    }
}
