using System.Runtime.InteropServices;
using Alpro.Training.Configuration;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Training.Devices;

/// <summary>Which of libtorch's attention kernels computes the model's attention on a device.</summary>
public static unsafe partial class AttentionBackend
{
    private static readonly string[] _names = ["math", "flash", "memory-efficient", "cuDNN"];

    /// <summary>The one that libtorch chooses for attention as the vision encoder has it.</summary>
    /// <param name="device">The device.</param>
    /// <param name="precision">The run's arithmetic.</param>
    public static string Of(Device device, Precision precision)
    {
        using var scope = NewDisposeScope();
        Tensor x = zeros([2, 12, 197, 64], precision == Precision.Fp32 ? ScalarType.Float32 : ScalarType.BFloat16, device);
        // query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa; the answer takes the first place
        ulong* stack = stackalloc ulong[8] { Handle(x), Handle(x), Handle(x), 0, 0, 0, 0, 0 };
        if (Call("aten::_fused_sdp_choice", "", stack) != 0) return "unknown";
        return stack[0] < (ulong)_names.Length ? _names[stack[0]] : $"number {(long)stack[0]}";
    }

    // The call takes the handle over.
    private static ulong Handle(Tensor tensor)
    {
        nint handle;
        return NewHandle(tensor.Handle, &handle) == 0 ? (ulong)handle : throw new InvalidOperationException("libtorch gave no handle of a tensor.");
    }

    [LibraryImport("torch_cpu", EntryPoint = "aoti_torch_call_dispatcher", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Call(string name, string overload, ulong* stack);

    [LibraryImport("torch_cpu", EntryPoint = "aoti_torch_new_tensor_handle")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int NewHandle(nint tensor, nint* handle);
}
