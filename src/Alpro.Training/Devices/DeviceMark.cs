using Alpro.Model.Arithmetic.Kernels;

namespace Alpro.Training.Devices;

/// <summary>A place in a device's queue of work. When the device has come to it, all that was queued before is done.</summary>
internal interface IDeviceMark : IDisposable
{
    /// <summary>Puts the mark behind what is queued now, in place of where it was.</summary>
    void Set();

    /// <summary>Waits, on any thread, until the device has come to it.</summary>
    void Wait();
}

/// <summary>A mark in a queue of the GPU: one of CUDA's events. To be made on a thread that has used the GPU.</summary>
internal sealed class CudaMark : IDeviceMark
{
    private readonly nint _context;
    private nint _event;

    /// <summary>A mark that is nowhere yet.</summary>
    public CudaMark()
    {
        Check(CudaDriver.ContextGetCurrent(out _context));
        Check(CudaDriver.EventCreate(out _event, CudaDriver.SleepingWait | CudaDriver.NoTiming));
    }

    /// <inheritdoc/>
    public void Set() => Set(stream: 0);

    /// <summary>The same in another queue than the default one, where TorchSharp's operations are.</summary>
    public void Set(nint stream)
    {
        Enter();
        Check(CudaDriver.EventRecord(_event, stream));
    }

    /// <inheritdoc/>
    public void Wait()
    {
        Enter();
        Check(CudaDriver.EventSynchronize(_event));
    }

    /// <summary>Lets what is put into a queue from here on wait for the mark.</summary>
    public void HoldUp(nint stream)
    {
        Enter();
        Check(CudaDriver.StreamWaitEvent(stream, _event, 0));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _event, 0) is not 0 and var made) _ = CudaDriver.EventDestroy(made);
    }

    // The backward pass and the writer of checkpoints have threads of their own, which may not have used the GPU yet.
    private void Enter() => Check(CudaDriver.ContextSetCurrent(_context));

    private static void Check(int result) => CudaDriver.Check(result, "a mark in the GPU's queue");
}
