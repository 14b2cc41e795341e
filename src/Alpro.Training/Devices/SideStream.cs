using Alpro.Model.Arithmetic.Kernels;

namespace Alpro.Training.Devices;

/// <summary>
/// A queue of the GPU beside the default one, where TorchSharp's operations are: for what shall not hold these up. To be made on a thread
/// that has used the GPU.
/// </summary>
internal sealed class SideStream : IDisposable
{
    private const nint Default = 0;

    private readonly CudaMark _mark = new();

    /// <summary>An empty queue.</summary>
    public SideStream()
    {
        CudaDriver.Check(CudaDriver.StreamCreate(out nint stream, CudaDriver.NonBlockingStream), "cuStreamCreate");
        Handle = stream;
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
        _mark.Dispose();
        _ = CudaDriver.StreamDestroy(Handle);
    }

    private void Wait(nint stream, nint other)
    {
        _mark.Set(other);
        _mark.HoldUp(stream);
    }
}
