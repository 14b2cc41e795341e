using Alpro.Training.Configuration;
using TorchSharp;

namespace Alpro.Training.Optimization;

/// <summary>What a <see cref="Precision"/> means while a model computes.</summary>
internal static class PrecisionScopes
{
    /// <summary>Turns mixed precision on until the result is disposed; does nothing for 32-bit precision.</summary>
    public static IDisposable? Autocast(this Precision precision, DeviceType device) => precision != Precision.Fp32
        ? Model.Arithmetic.Autocast.Set(device, on: true) : null;
}
