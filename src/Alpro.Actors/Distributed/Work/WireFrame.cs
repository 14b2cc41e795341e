using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text.Json;

namespace Alpro.Actors.Distributed.Work;

/// <summary>
/// What goes over the connection of one worker: frames. Each is a length, so many bytes, and the XXH3 checksum of these. Numbers are
/// little-endian.
/// </summary>
internal static class WireFrame
{
    /// <summary>Bytes of the longest answer.</summary>
    public const int MostBytes = 1 << 30;

    private const int MostTerms = 64 << 10;

    /// <summary>Says terms, and hears those of the other end.</summary>
    /// <exception cref="IOException">The connection is lost, or what came is none.</exception>
    public static async Task<T> ExchangeAsync<T>(Stream stream, T terms, CancellationToken stop)
    {
        await SayAsync(stream, terms, stop);
        return await HearAsync<T>(stream, stop);
    }

    /// <summary>Says terms.</summary>
    public static Task SayAsync<T>(Stream stream, T terms, CancellationToken stop) =>
        SendAsync(stream, JsonSerializer.SerializeToUtf8Bytes(terms), stop);

    /// <summary>Hears the terms of the other end.</summary>
    /// <exception cref="IOException">The connection is lost, or these are none.</exception>
    public static async Task<T> HearAsync<T>(Stream stream, CancellationToken stop)
    {
        try
        {
            return JsonSerializer.Deserialize<T>(await ReceiveAsync(stream, MostTerms, stop), JsonSerializerOptions.Strict)
                ?? throw new IOException("the other end says no terms");
        }
        catch (JsonException exception)
        {
            throw new IOException($"the terms of the other end cannot be read: {exception.Message}", exception);
        }
    }

    /// <summary>Sends a frame.</summary>
    public static async Task SendAsync(Stream stream, ReadOnlyMemory<byte> bytes, CancellationToken stop)
    {
        byte[] length = new byte[sizeof(int)], checksum = new byte[sizeof(ulong)];
        BinaryPrimitives.WriteInt32LittleEndian(length, bytes.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(checksum, XxHash3.HashToUInt64(bytes.Span));
        await stream.WriteAsync(length, stop);
        await stream.WriteAsync(bytes, stop);
        await stream.WriteAsync(checksum, stop);
        await stream.FlushAsync(stop);
    }

    /// <summary>Waits for a frame.</summary>
    /// <exception cref="IOException">The connection is lost, or what came is none.</exception>
    public static async Task<byte[]> ReceiveAsync(Stream stream, int most, CancellationToken stop) =>
        await ReceiveOrEndAsync(stream, most, stop) ?? throw new EndOfStreamException("the other end has closed the connection");

    /// <summary>Waits for a frame; null where the other end has closed the connection.</summary>
    /// <exception cref="IOException">The connection is lost, or what came is none.</exception>
    public static async Task<byte[]?> ReceiveOrEndAsync(Stream stream, int most, CancellationToken stop)
    {
        byte[] head = new byte[sizeof(int)], checksum = new byte[sizeof(ulong)];
        if (await stream.ReadAtLeastAsync(head, head.Length, throwOnEndOfStream: false, stop) < head.Length) return null;
        int length = BinaryPrimitives.ReadInt32LittleEndian(head);
        if (length < 0 || length > most) throw new IOException($"{length} bytes were refused; expected {most} at most");
        byte[] bytes = new byte[length];
        await stream.ReadExactlyAsync(bytes, stop);
        await stream.ReadExactlyAsync(checksum, stop);
        return BinaryPrimitives.ReadUInt64LittleEndian(checksum) == XxHash3.HashToUInt64(bytes) ? bytes
            : throw new IOException("the bytes that came are damaged: their checksum differs");
    }
}
