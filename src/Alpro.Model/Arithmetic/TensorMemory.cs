using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Alpro.Model.Arithmetic;

/// <summary>The memory of a tensor, for reading a file straight into it and writing it straight out.</summary>
internal static unsafe partial class TensorMemory
{
    /// <summary>
    /// The bytes that are read or written at once: few enough to be still in the processor's cache when they are checked.
    /// </summary>
    public const int Piece = 256 << 10;

    /// <summary>The address of a tensor's first element, on whatever device it lives. The caller keeps the tensor alive.</summary>
    public static nint Address(Tensor tensor) => THSTensor_data(tensor.Handle);

    /// <summary>Part of the memory of a contiguous tensor on the CPU. The caller keeps the tensor alive.</summary>
    /// <param name="tensor">The tensor.</param>
    /// <param name="start">The first byte.</param>
    /// <param name="length">How many bytes.</param>
    public static Span<byte> Bytes(Tensor tensor, long start, int length) => new((byte*)Address(tensor) + start, length);

    /// <summary>Hands out the elements of a tensor in C order, a piece at a time, wherever it lives and however it is strided.</summary>
    public static void ForEachPiece(Tensor tensor, Action<ReadOnlySpan<byte>> use)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Tensor plain = tensor.cpu().contiguous();
        long bytes = plain.numel() * plain.element_size();
        for (long start = 0; start < bytes; start += Piece) use(Bytes(plain, start, (int)Math.Min(Piece, bytes - start)));
    }

    [LibraryImport("LibTorchSharp")]
    private static partial nint THSTensor_data(nint tensor);
}
