using System.Buffers;

namespace Alpro.Data.Media;

/// <summary>Small pictures for people to look at, made by the library that decodes in this process.</summary>
public static class Jpeg
{
    private const int Quantisers = 4, MostHead = 4096;

    /// <summary>Whether pictures can be made: where clips are decoded in this process.</summary>
    public static bool IsAvailable => NativeDecoder.IsAvailable;

    /// <summary>Encodes a picture.</summary>
    /// <param name="rgb_HWC">RGB bytes [height, width, 3].</param>
    /// <param name="width">Pixels of a row.</param>
    /// <param name="height">Rows.</param>
    /// <param name="toWidth">Pixels of a row of the JPEG.</param>
    /// <param name="toHeight">Its rows.</param>
    /// <exception cref="InvalidOperationException">It cannot be encoded.</exception>
    public static byte[] Encode(ReadOnlySpan<byte> rgb_HWC, int width, int height, int toWidth, int toHeight)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rgb_HWC.Length, 3 * width * height, nameof(rgb_HWC));
        byte[] room = ArrayPool<byte>.Shared.Rent(MostHead + 6 * toWidth * toHeight);
        try
        {
            int size = NativeDecoder.Jpeg(rgb_HWC, width, height, toWidth, toHeight, Quantisers, room, room.Length);
            return size > 0 ? room[..size]
                : throw new InvalidOperationException($"a picture of {width} x {height} pixels is not encoded as {toWidth} x {toHeight}");
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(room);
        }
    }
}
