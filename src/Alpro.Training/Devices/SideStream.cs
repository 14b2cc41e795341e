using System.Runtime.InteropServices;

namespace Alpro.Training.Devices;

/// <summary>
/// A queue of the GPU beside the default one, where TorchSharp's operations are: for what shall not hold these up. To be made on a thread
/// that has used the GPU.
/// </summary>
internal sealed partial class SideStream : IDisposable
{
    private const string Library = "libcuda.so.1";
    private const uint NonBlocking = 1, DisableTiming = 2;
    private const nint Default = 0;

    private readonly nint _context, _event;

    /// <summary>An empty queue.</summary>
    public SideStream()
    {
        Check(ContextGetCurrent(out _context));
        Check(StreamCreate(out nint stream, NonBlocking));
        Handle = stream;
        Check(EventCreate(out _event, DisableTiming));
    }

    /// <summary>CUDA's handle.</summary>
    public nint Handle { get; }

    /// <summary>What is put into this queue waits for what is in the default one now.</summary>
    public void WaitForDefault() => Wait(Handle, Default);

    /// <summary>What is put into the default queue waits for what is in this one now.</summary>
    public void LetDefaultWait() => Wait(Default, Handle);

    /// <inheritdoc/>
    public void Dispose()
    {
        _ = EventDestroy(_event);
        _ = StreamDestroy(Handle);
    }

    private void Wait(nint stream, nint other)
    {
        Check(ContextSetCurrent(_context));                          // the backward pass has threads of its own
        Check(EventRecord(_event, other));
        Check(StreamWaitEvent(stream, _event, 0));
    }

    private static void Check(int result)
    {
#pragma warning disable CA2201 // What libtorch throws where CUDA fails, and what such a failure is known by.
        if (result != 0) throw new ExternalException($"CUDA driver error {result} at a stream for collectives", result);
#pragma warning restore CA2201
    }

    [LibraryImport(Library, EntryPoint = "cuCtxGetCurrent")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int ContextGetCurrent(out nint context);

    [LibraryImport(Library, EntryPoint = "cuCtxSetCurrent")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int ContextSetCurrent(nint context);

    [LibraryImport(Library, EntryPoint = "cuStreamCreate")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int StreamCreate(out nint stream, uint flags);

    [LibraryImport(Library, EntryPoint = "cuStreamDestroy_v2")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int StreamDestroy(nint stream);

    [LibraryImport(Library, EntryPoint = "cuEventCreate")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int EventCreate(out nint made, uint flags);

    [LibraryImport(Library, EntryPoint = "cuEventDestroy_v2")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int EventDestroy(nint made);

    [LibraryImport(Library, EntryPoint = "cuEventRecord")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int EventRecord(nint made, nint stream);

    [LibraryImport(Library, EntryPoint = "cuStreamWaitEvent")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int StreamWaitEvent(nint stream, nint made, uint flags);
}
