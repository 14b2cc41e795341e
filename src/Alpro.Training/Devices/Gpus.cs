using System.Runtime.InteropServices;
using System.Text;

namespace Alpro.Training.Devices;

/// <summary>A GPU that this process can see, in the order in which CUDA numbers them.</summary>
/// <param name="Name">What its maker calls it.</param>
/// <param name="Memory">Bytes of its memory.</param>
/// <param name="Capability">Its compute capability.</param>
public sealed record Gpu(string Name, long Memory, Version Capability);

/// <summary>
/// What NVIDIA's driver says of this machine. Its own libraries are asked, which need nothing of CUDA: the answer is there whatever libtorch
/// was built for.
/// </summary>
/// <param name="Driver">The driver's version; null where only the library of CUDA is there.</param>
/// <param name="Cuda">The newest CUDA that it supports.</param>
/// <param name="Cards">What this process can see.</param>
/// <param name="Problem">Why it can see none, in the driver's words.</param>
public sealed unsafe record Gpus(string? Driver, Version Cuda, IReadOnlyList<Gpu> Cards, string? Problem)
{
    private const int NameLength = 96, Major = 75, Minor = 76;

    /// <summary>What the driver says; null where there is none.</summary>
    public static Gpus? Find()
    {
        if (!NativeLibrary.TryLoad("libcuda.so.1", out nint cuda)) return null;
        int version = 0, count = 0;
        ((delegate* unmanaged<int*, int>)NativeLibrary.GetExport(cuda, "cuDriverGetVersion"))(&version);
        int result = ((delegate* unmanaged<uint, int>)NativeLibrary.GetExport(cuda, "cuInit"))(0);
        if (result == 0) result = ((delegate* unmanaged<int*, int>)NativeLibrary.GetExport(cuda, "cuDeviceGetCount"))(&count);
        byte* words = null;
        if (result != 0) ((delegate* unmanaged<int, byte**, int>)NativeLibrary.GetExport(cuda, "cuGetErrorString"))(result, &words);
        return new(DriverVersion(), new(version / 1000, version % 1000 / 10), [.. Enumerable.Range(0, count).Select(ordinal => Card(cuda, ordinal))],
            result == 0 ? null : Marshal.PtrToStringUTF8((nint)words) ?? $"error {result}");
    }

    private static Gpu Card(nint cuda, int ordinal)
    {
        int device = 0, major = 0, minor = 0;
        nuint memory = 0;
        byte* name = stackalloc byte[NameLength];
        ((delegate* unmanaged<int*, int, int>)NativeLibrary.GetExport(cuda, "cuDeviceGet"))(&device, ordinal);
        ((delegate* unmanaged<byte*, int, int, int>)NativeLibrary.GetExport(cuda, "cuDeviceGetName"))(name, NameLength, device);
        ((delegate* unmanaged<nuint*, int, int>)NativeLibrary.GetExport(cuda, "cuDeviceTotalMem_v2"))(&memory, device);
        var attribute = (delegate* unmanaged<int*, int, int, int>)NativeLibrary.GetExport(cuda, "cuDeviceGetAttribute");
        attribute(&major, Major, device);
        attribute(&minor, Minor, device);
        return new(Marshal.PtrToStringUTF8((nint)name) ?? "", (long)memory, new(major, minor));
    }

    private static string? DriverVersion()
    {
        if (!NativeLibrary.TryLoad("libnvidia-ml.so.1", out nint nvml) || ((delegate* unmanaged<int>)NativeLibrary.GetExport(nvml, "nvmlInit_v2"))() != 0) return null;
        Span<byte> version = stackalloc byte[NameLength];
        fixed (byte* at = version)
            return ((delegate* unmanaged<byte*, uint, int>)NativeLibrary.GetExport(nvml, "nvmlSystemGetDriverVersion"))(at, NameLength) == 0
                ? Encoding.UTF8.GetString(version[..version.IndexOf((byte)0)]) : null;
    }
}
