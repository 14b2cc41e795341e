using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Training.Devices;

/// <summary>Numbers on their way from the device to the host: the copy is queued behind the work that makes them, and waited for when they are read.</summary>
internal sealed partial class Readback : IDisposable
{
    private readonly Tensor _host;
    private nint _arrived;

    /// <summary>Queues the copy of a tensor of doubles.</summary>
    public Readback(Tensor numbers)
    {
        using var scope = NewDisposeScope();
        bool waits = numbers.device_type == DeviceType.CUDA;
        _host = (waits ? empty(numbers.shape, ScalarType.Float64).pin_memory() : empty(numbers.shape, ScalarType.Float64)).DetachFromDisposeScope();
        _host.copy_(numbers, nonBlocking: true);
        if (!waits) return;
        Check(CreateEvent(out _arrived, NoTiming | SleepingWait));
        Check(RecordEvent(_arrived, 0));                             // the stream of TorchSharp's operations
    }

    /// <summary>Waits for the numbers.</summary>
    public double[] Read()
    {
        if (_arrived != 0) Check(WaitForEvent(_arrived));
        return _host.data<double>().ToArray();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _host.Dispose();
        if (_arrived != 0) _ = DestroyEvent(Interlocked.Exchange(ref _arrived, 0));
    }

    private const string Driver = "libcuda.so.1";
    private const uint SleepingWait = 1, NoTiming = 2;

    internal static void Check(int result)
    {
#pragma warning disable CA2201 // What libtorch throws where CUDA fails, and what such a failure is known by.
        if (result != 0) throw new ExternalException($"CUDA driver error {result} while the figures of a step were waited for", result);
#pragma warning restore CA2201
    }

    [LibraryImport(Driver, EntryPoint = "cuEventCreate")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int CreateEvent(out nint made, uint flags);

    [LibraryImport(Driver, EntryPoint = "cuEventRecord")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int RecordEvent(nint recorded, nint stream);

    [LibraryImport(Driver, EntryPoint = "cuEventSynchronize")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int WaitForEvent(nint recorded);

    [LibraryImport(Driver, EntryPoint = "cuEventDestroy_v2")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int DestroyEvent(nint recorded);
}
