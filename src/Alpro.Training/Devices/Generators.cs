using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Training.Devices;

/// <summary>The generators that a run's random numbers come from.</summary>
internal static class Generators
{
    /// <summary>
    /// Sets them: the CPU's, and those of all GPUs where the run is on one. TorchSharp's <c>manual_seed</c> sets the first alone.
    /// </summary>
    /// <param name="seed">The seed.</param>
    /// <param name="device">Where the run is.</param>
    /// <param name="seedGpus">Sets those of GPUs; null for libtorch's.</param>
    public static void Seed(ulong seed, DeviceType device, Action<long>? seedGpus = null)
    {
        manual_seed((long)seed).Dispose();
        if (device == DeviceType.CUDA) (seedGpus ?? (static value => cuda.manual_seed_all(value)))((long)seed);
    }
}
