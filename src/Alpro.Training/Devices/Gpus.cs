using System.Runtime.InteropServices;
using System.Text;
using Alpro.Model.Arithmetic.Kernels;

namespace Alpro.Training.Devices;

/// <summary>A GPU that this process can see, in the order in which CUDA numbers them.</summary>
/// <param name="Name">What its maker calls it.</param>
/// <param name="Memory">Bytes of its memory.</param>
/// <param name="Capability">Its compute capability.</param>
internal sealed record Gpu(string Name, long Memory, Version Capability);

/// <summary>
/// What NVIDIA's driver says of this machine. Its own libraries are asked, which need nothing of CUDA: the answer is there whatever
/// libtorch was built for.
/// </summary>
/// <param name="Driver">The driver's version; null where only the library of CUDA is there.</param>
/// <param name="Cuda">The newest CUDA that it supports.</param>
/// <param name="Cards">What this process can see.</param>
/// <param name="Problem">Why it can see none, in the driver's words.</param>
internal sealed unsafe record Gpus(string? Driver, Version Cuda, IReadOnlyList<Gpu> Cards, string? Problem)
{
    private const int NameLength = 96;

    /// <summary>What the driver says; null where there is none.</summary>
    public static Gpus? Find()
    {
        if (!CudaDriver.IsThere) return null;
        int count = 0;
        _ = CudaDriver.DriverGetVersion(out int version);
        int result = CudaDriver.Initialize(0);
        if (result == 0) result = CudaDriver.DeviceGetCount(out count);
        byte* words = null;
        if (result != 0) _ = CudaDriver.GetErrorString(result, out words);
        return new(DriverVersion(), new(version / 1000, version % 1000 / 10), [.. Enumerable.Range(0, count).Select(Card)],
            result == 0 ? null : Marshal.PtrToStringUTF8((nint)words) ?? $"error {result}");
    }

    private static Gpu Card(int ordinal)
    {
        byte* name = stackalloc byte[NameLength];
        _ = CudaDriver.DeviceGet(out int device, ordinal);
        _ = CudaDriver.DeviceGetName(name, NameLength, device);
        _ = CudaDriver.DeviceTotalMemory(out nuint memory, device);
        _ = CudaDriver.DeviceGetAttribute(out int major, CudaDriver.CapabilityMajor, device);
        _ = CudaDriver.DeviceGetAttribute(out int minor, CudaDriver.CapabilityMinor, device);
        return new(Marshal.PtrToStringUTF8((nint)name) ?? "", (long)memory, new(major, minor));
    }

    private static string? DriverVersion()
    {
        if (!NativeLibrary.TryLoad("libnvidia-ml.so.1", out nint nvml)
            || ((delegate* unmanaged<int>)NativeLibrary.GetExport(nvml, "nvmlInit_v2"))() != 0) return null;
        Span<byte> version = stackalloc byte[NameLength];
        fixed (byte* at = version)
            return ((delegate* unmanaged<byte*, uint, int>)NativeLibrary.GetExport(nvml, "nvmlSystemGetDriverVersion"))(at, NameLength) == 0
                ? Encoding.UTF8.GetString(version[..version.IndexOf((byte)0)]) : null;
    }
}
