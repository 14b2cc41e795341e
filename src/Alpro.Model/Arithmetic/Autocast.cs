using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Model.Arithmetic;

/// <summary>
/// libtorch's automatic mixed precision. TorchSharp does not expose it, but its switches are plain functions that libtorch exports. While
/// it is on for a device type, linear layers and attention run in bfloat16, and losses and layer norms in 32 bits. Gradients of 32-bit
/// weights stay 32-bit. The switches are the calling thread's own.
/// </summary>
internal static partial class Autocast
{
    private const string Torch = "torch_cpu";

    /// <summary>Turns mixed precision on or off for a device type, on this thread, until the result is disposed.</summary>
    public static IDisposable Set(DeviceType device, bool on) => new Guard((sbyte)device, on);

    /// <summary>Whether it is on for a device type, on this thread.</summary>
    public static bool IsOn(DeviceType device) => IsEnabled((sbyte)device);

    private sealed class Guard : IDisposable
    {
        private readonly sbyte _device;
        private readonly bool _before;

        public Guard(sbyte device, bool on)
        {
            (_device, _before) = (device, IsEnabled(device));
            SetType(device, (sbyte)ScalarType.BFloat16);
            SetEnabled(device, on);
            _ = IncrementNesting();
        }

        public void Dispose()
        {
            if (DecrementNesting() == 0) ClearCache();          // the cache holds bfloat16 copies of the weights
            SetEnabled(_device, _before);
        }
    }

    [LibraryImport(Torch, EntryPoint = "_ZN2at8autocast20set_autocast_enabledEN3c1010DeviceTypeEb")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial void SetEnabled(sbyte device, [MarshalAs(UnmanagedType.U1)] bool on);

    [LibraryImport(Torch, EntryPoint = "_ZN2at8autocast19is_autocast_enabledEN3c1010DeviceTypeE")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [return: MarshalAs(UnmanagedType.U1)]
    private static partial bool IsEnabled(sbyte device);

    [LibraryImport(Torch, EntryPoint = "_ZN2at8autocast18set_autocast_dtypeEN3c1010DeviceTypeENS1_10ScalarTypeE")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial void SetType(sbyte device, sbyte type);

    [LibraryImport(Torch, EntryPoint = "_ZN2at8autocast17increment_nestingEv")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int IncrementNesting();

    [LibraryImport(Torch, EntryPoint = "_ZN2at8autocast17decrement_nestingEv")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int DecrementNesting();

    [LibraryImport(Torch, EntryPoint = "_ZN2at8autocast11clear_cacheEv")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial void ClearCache();
}
