using static TorchSharp.torch;

namespace Alpro.Training.Parity;

/// <summary>
/// Keeps GPUs from computing products of 32-bit numbers with the 10-bit mantissas of TF32 until it is disposed. Golden tolerances are those
/// of 32 bits, and convolutions take TF32 unless told not to. Both switches are the process's own.
/// </summary>
internal sealed class Tf32Off : IDisposable
{
    private readonly bool _products = backends.cuda.matmul.allow_tf32, _convolutions = backends.cudnn.allow_tf32;

    public Tf32Off() => (backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32) = (false, false);

    public void Dispose() => (backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32) = (_products, _convolutions);
}
