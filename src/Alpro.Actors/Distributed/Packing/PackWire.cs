using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;
using Alpro.Actors.Distributed.Work;
using Alpro.Data.Media;
using Alpro.Data.Packs;

namespace Alpro.Actors.Distributed.Packing;

/// <summary>
/// What goes over the connection of one encoder, in frames. The packer says its <see cref="PackTerms"/>, and the decode node its own. Then
/// the packer asks for one row after another, and each is answered.
/// </summary>
internal static class PackWire
{
    private const byte Made = 1, Unreadable = 2;

    /// <summary>Asks for a row.</summary>
    public static Task AskAsync(Stream stream, long row, CancellationToken stop)
    {
        byte[] bytes = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, row);
        return WireFrame.SendAsync(stream, bytes, stop);
    }

    /// <summary>The row that is asked for next; null where the packer has closed the connection.</summary>
    public static async Task<long?> NextRowAsync(Stream stream, CancellationToken stop) =>
        await WireFrame.ReceiveOrEndAsync(stream, sizeof(long), stop) is { Length: sizeof(long) } bytes
            ? BinaryPrimitives.ReadInt64LittleEndian(bytes) : null;

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
        return WireFrame.SendAsync(stream, frame.ToArray(), stop);
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
        return WireFrame.SendAsync(stream, frame.ToArray(), stop);
    }

    /// <summary>Waits for the answer about a clip.</summary>
    /// <param name="stream">The connection.</param>
    /// <param name="path">The clip's file, for messages.</param>
    /// <param name="stop">Ends the wait.</param>
    /// <exception cref="UnreadableClipException">The node cannot read it.</exception>
    /// <exception cref="IOException">The connection is lost, or what came is no answer.</exception>
    public static async Task<EncodedClip> ReceiveAsync(Stream stream, string path, CancellationToken stop)
    {
        byte[] frame = await WireFrame.ReceiveAsync(stream, WireFrame.MostBytes, stop);
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
}
