using System.Runtime.InteropServices;

namespace Alpro.Model.Arithmetic.Kernels;

/// <summary>What this program calls of NVIDIA's driver itself, where that is; each gives 0, or the number of an error.</summary>
internal static unsafe partial class CudaDriver
{
    /// <summary>Attributes of a device: its compute capability.</summary>
    public const int CapabilityMajor = 75, CapabilityMinor = 76;

    /// <summary>Flags of events and streams.</summary>
    public const uint SleepingWait = 1, NoTiming = 2, NonBlockingStream = 1;

    private const string Library = "libcuda.so.1";
    private const DllImportSearchPath Places = DllImportSearchPath.SafeDirectories;

    /// <summary>Whether there is a driver; without one, no call can be made.</summary>
    public static bool IsThere => NativeLibrary.TryLoad(Library, out _);

    /// <summary>Throws, where a call has failed, what libtorch throws where CUDA fails, and what such a failure is known by.</summary>
    public static void Check(int result, string call)
    {
#pragma warning disable CA2201
        if (result != 0) throw new ExternalException($"CUDA driver error {result} at {call}", result);
#pragma warning restore CA2201
    }

    [LibraryImport(Library, EntryPoint = "cuInit"), DefaultDllImportSearchPaths(Places)]
    public static partial int Initialize(uint flags);

    [LibraryImport(Library, EntryPoint = "cuDriverGetVersion"), DefaultDllImportSearchPaths(Places)]
    public static partial int DriverGetVersion(out int version);

    [LibraryImport(Library, EntryPoint = "cuGetErrorString"), DefaultDllImportSearchPaths(Places)]
    public static partial int GetErrorString(int result, out byte* words);

    [LibraryImport(Library, EntryPoint = "cuDeviceGetCount"), DefaultDllImportSearchPaths(Places)]
    public static partial int DeviceGetCount(out int count);

    [LibraryImport(Library, EntryPoint = "cuDeviceGet"), DefaultDllImportSearchPaths(Places)]
    public static partial int DeviceGet(out int device, int ordinal);

    [LibraryImport(Library, EntryPoint = "cuDeviceGetName"), DefaultDllImportSearchPaths(Places)]
    public static partial int DeviceGetName(byte* name, int length, int device);

    [LibraryImport(Library, EntryPoint = "cuDeviceTotalMem_v2"), DefaultDllImportSearchPaths(Places)]
    public static partial int DeviceTotalMemory(out nuint bytes, int device);

    [LibraryImport(Library, EntryPoint = "cuDeviceGetAttribute"), DefaultDllImportSearchPaths(Places)]
    public static partial int DeviceGetAttribute(out int value, int attribute, int device);

    [LibraryImport(Library, EntryPoint = "cuMemGetInfo_v2"), DefaultDllImportSearchPaths(Places)]
    public static partial int MemoryGetInfo(out nuint free, out nuint total);

    [LibraryImport(Library, EntryPoint = "cuCtxGetDevice"), DefaultDllImportSearchPaths(Places)]
    public static partial int ContextGetDevice(out int device);

    [LibraryImport(Library, EntryPoint = "cuCtxGetCurrent"), DefaultDllImportSearchPaths(Places)]
    public static partial int ContextGetCurrent(out nint context);

    [LibraryImport(Library, EntryPoint = "cuCtxSetCurrent"), DefaultDllImportSearchPaths(Places)]
    public static partial int ContextSetCurrent(nint context);

    [LibraryImport(Library, EntryPoint = "cuModuleLoadData"), DefaultDllImportSearchPaths(Places)]
    public static partial int ModuleLoadData(out nint module, byte* image);

    [LibraryImport(Library, EntryPoint = "cuModuleGetFunction"), DefaultDllImportSearchPaths(Places)]
    public static partial int ModuleGetFunction(out nint function, nint module, byte* name);

    [LibraryImport(Library, EntryPoint = "cuLaunchKernel"), DefaultDllImportSearchPaths(Places)]
    public static partial int LaunchKernel(
        nint function, uint gridX, uint gridY, uint gridZ, uint blockX, uint blockY, uint blockZ, uint sharedBytes, nint stream,
        void** arguments, void** extra);

    [LibraryImport(Library, EntryPoint = "cuStreamCreate"), DefaultDllImportSearchPaths(Places)]
    public static partial int StreamCreate(out nint stream, uint flags);

    [LibraryImport(Library, EntryPoint = "cuStreamDestroy_v2"), DefaultDllImportSearchPaths(Places)]
    public static partial int StreamDestroy(nint stream);

    [LibraryImport(Library, EntryPoint = "cuStreamWaitEvent"), DefaultDllImportSearchPaths(Places)]
    public static partial int StreamWaitEvent(nint stream, nint mark, uint flags);

    [LibraryImport(Library, EntryPoint = "cuEventCreate"), DefaultDllImportSearchPaths(Places)]
    public static partial int EventCreate(out nint mark, uint flags);

    [LibraryImport(Library, EntryPoint = "cuEventRecord"), DefaultDllImportSearchPaths(Places)]
    public static partial int EventRecord(nint mark, nint stream);

    [LibraryImport(Library, EntryPoint = "cuEventSynchronize"), DefaultDllImportSearchPaths(Places)]
    public static partial int EventSynchronize(nint mark);

    [LibraryImport(Library, EntryPoint = "cuEventDestroy_v2"), DefaultDllImportSearchPaths(Places)]
    public static partial int EventDestroy(nint mark);
}
