using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Training.Devices;

/// <summary>
/// Numbers on their way from the device to the host. The copy is queued behind the work that makes them, and waited for when they are read.
/// </summary>
internal sealed class Readback : IDisposable
{
    private readonly Tensor _host;
    private readonly CudaMark? _arrived;

    /// <summary>Queues the copy of a tensor of doubles.</summary>
    public Readback(Tensor numbers)
    {
        using var scope = NewDisposeScope();
        bool waits = numbers.device_type == DeviceType.CUDA;
        _host = (waits ? empty(numbers.shape, ScalarType.Float64).pin_memory() : empty(numbers.shape,
            ScalarType.Float64)).DetachFromDisposeScope();
        _host.copy_(numbers, nonBlocking: true);
        if (!waits) return;
        _arrived = new();
        _arrived.Set();
    }

    /// <summary>Waits for the numbers.</summary>
    public double[] Read()
    {
        _arrived?.Wait();
        return _host.data<double>().ToArray();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _host.Dispose();
        _arrived?.Dispose();
    }
}
