using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;
using System.Text.Json;
using Alpro.Data.Media;
using Alpro.Data.Packs;

namespace Alpro.Actors.Distributed.Packing;

/// <summary>
/// What goes over the connection of one encoder. The packer says its <see cref="PackTerms"/>, and the decode node its own. Then the packer
/// asks for one row after another (8 bytes), and each is answered. Whatever is not a row is a frame: length, bytes, and the XXH3 checksum
/// of these. Numbers are little-endian.
/// </summary>
internal static class PackWire
{
    private const int MostTerms = 64 << 10, MostBytes = 1 << 30;
    private const byte Made = 1, Unreadable = 2;

    /// <summary>Says terms.</summary>
    public static Task SendAsync(Stream stream, PackTerms terms, CancellationToken stop) =>
        SendFrameAsync(stream, JsonSerializer.SerializeToUtf8Bytes(terms), stop);

    /// <summary>Hears the terms of the other end.</summary>
    /// <exception cref="IOException">The connection is lost, or these are none.</exception>
    public static async Task<PackTerms> ReceiveTermsAsync(Stream stream, CancellationToken stop)
    {
        try
        {
            return JsonSerializer.Deserialize<PackTerms>(await ReceiveFrameAsync(stream, MostTerms, stop), JsonSerializerOptions.Strict)
                ?? throw new IOException("the other end says no terms");
        }
        catch (JsonException exception)
        {
            throw new IOException($"the terms of the other end cannot be read: {exception.Message}", exception);
        }
    }

    /// <summary>Asks for a row.</summary>
    public static async Task AskAsync(Stream stream, long row, CancellationToken stop)
    {
        byte[] bytes = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, row);
        await stream.WriteAsync(bytes, stop);
        await stream.FlushAsync(stop);
    }

    /// <summary>The row that is asked for next; null where the packer has closed the connection.</summary>
    public static async Task<long?> NextRowAsync(Stream stream, CancellationToken stop)
    {
        byte[] bytes = new byte[sizeof(long)];
        int got = await stream.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, stop);
        return got == bytes.Length ? BinaryPrimitives.ReadInt64LittleEndian(bytes) : null;
    }

    /// <summary>Answers with a clip.</summary>
    public static Task AnswerAsync(Stream stream, EncodedClip clip, CancellationToken stop)
    {
        using MemoryStream frame = new();
        using BinaryWriter writer = new(frame, Encoding.UTF8);
        writer.Write(Made);
        clip.Clip.Stream.Write(writer);
        clip.Clip.Write(writer);
        writer.Write(clip.Bytes);
        writer.Flush();
        return SendFrameAsync(stream, frame.ToArray(), stop);
    }

    /// <summary>Answers that a clip cannot be read.</summary>
    public static Task AnswerAsync(Stream stream, UnreadableClipException trouble, CancellationToken stop)
    {
        using MemoryStream frame = new();
        using BinaryWriter writer = new(frame, Encoding.UTF8);
        writer.Write(Unreadable);
        writer.Write((int)trouble.Reason);
        writer.Write(trouble.Finding);
        writer.Flush();
        return SendFrameAsync(stream, frame.ToArray(), stop);
    }

    /// <summary>Waits for the answer about a clip.</summary>
    /// <param name="stream">The connection.</param>
    /// <param name="path">The clip's file, for messages.</param>
    /// <param name="stop">Ends the wait.</param>
    /// <exception cref="UnreadableClipException">The node cannot read it.</exception>
    /// <exception cref="IOException">The connection is lost, or what came is no answer.</exception>
    public static async Task<EncodedClip> ReceiveAsync(Stream stream, string path, CancellationToken stop)
    {
        byte[] frame = await ReceiveFrameAsync(stream, MostBytes, stop);
        try
        {
            using BinaryReader reader = new(new MemoryStream(frame), Encoding.UTF8);
            if (reader.ReadByte() == Unreadable)
                throw new UnreadableClipException((RejectReason)reader.ReadInt32(), path, reader.ReadString());
            PackedClip clip = PackedClip.Read(reader, PackedStream.Read(reader));
            byte[] bytes = frame[(int)reader.BaseStream.Position..];
            if (XxHash3.HashToUInt64(bytes) != clip.Hash) throw new IOException("a clip came with other bytes than it says");
            return new(bytes, clip);
        }
        catch (Exception exception) when (exception is FormatException or OverflowException or ArgumentException)
        {
            throw new IOException($"what came is no clip: {exception.Message}", exception);
        }
    }

    private static async Task SendFrameAsync(Stream stream, byte[] bytes, CancellationToken stop)
    {
        byte[] length = new byte[sizeof(int)], checksum = new byte[sizeof(ulong)];
        BinaryPrimitives.WriteInt32LittleEndian(length, bytes.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(checksum, XxHash3.HashToUInt64(bytes));
        await stream.WriteAsync(length, stop);
        await stream.WriteAsync(bytes, stop);
        await stream.WriteAsync(checksum, stop);
        await stream.FlushAsync(stop);
    }

    private static async Task<byte[]> ReceiveFrameAsync(Stream stream, int most, CancellationToken stop)
    {
        byte[] head = new byte[sizeof(int)], checksum = new byte[sizeof(ulong)];
        await stream.ReadExactlyAsync(head, stop);
        int length = BinaryPrimitives.ReadInt32LittleEndian(head);
        if (length < 0 || length > most) throw new IOException($"{length} bytes were refused; expected {most} at most");
        byte[] bytes = new byte[length];
        await stream.ReadExactlyAsync(bytes, stop);
        await stream.ReadExactlyAsync(checksum, stop);
        return BinaryPrimitives.ReadUInt64LittleEndian(checksum) == XxHash3.HashToUInt64(bytes) ? bytes
            : throw new IOException("the bytes that came are damaged: their checksum differs");
    }
}
