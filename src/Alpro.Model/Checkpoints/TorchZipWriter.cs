using System.IO.Hashing;
using System.Text;
using Alpro.Model.Arithmetic;
using static TorchSharp.torch;

namespace Alpro.Model.Checkpoints;

/// <summary>
/// Writes a zip archive as PyTorch does: uncompressed, every content on a 64-byte boundary, 64-bit fields where they are needed.
/// </summary>
/// <param name="stream">The file, at its beginning.</param>
/// <param name="wide">From which size or position on the 64-bit fields are used.</param>
internal sealed class TorchZipWriter(Stream stream, long wide = uint.MaxValue)
{
    private const int Alignment = 64;
    private readonly List<(byte[] Name, uint Crc32, long Length, long Header)> entries = [];

    /// <summary>Writes a small file.</summary>
    public void Write(string name, ReadOnlySpan<byte> content)
    {
        Begin(name, content.Length, Crc32.HashToUInt32(content));
        stream.Write(content);
    }

    /// <summary>Writes the elements of a tensor in C order.</summary>
    public void Write(string name, Tensor elements)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Tensor plain = elements.cpu().contiguous();
        var checksum = new Crc32();
        TensorMemory.ForEachPiece(plain, checksum.Append);
        Begin(name, plain.numel() * plain.element_size(), checksum.GetCurrentHashAsUInt32());
        TensorMemory.ForEachPiece(plain, stream.Write);
    }

    /// <summary>Writes the directory at the end.</summary>
    public void Finish()
    {
        using var writer = new BinaryWriter(stream, Encoding.UTF8, leaveOpen: true);
        long start = stream.Position;
        foreach ((byte[] name, uint crc32, long length, long header) in entries)
        {
            bool large = length >= wide, far = header >= wide;
            int extra = large || far ? 4 + (large ? 16 : 0) + (far ? 8 : 0) : 0;
            writer.Write(0x02014b50u);
            writer.Write((ushort)45);                                       // made by
            Common(writer, name, crc32, length, extra);
            writer.Write(new byte[2 + 2 + 2 + 4]);                          // comment, disk, attributes
            writer.Write(far ? uint.MaxValue : (uint)header);
            writer.Write(name);
            if (extra == 0) continue;
            writer.Write((ushort)1);
            writer.Write((ushort)(extra - 4));
            if (large) Twice(writer, length);
            if (far) writer.Write(header);
        }
        long end = stream.Position;
        if (entries.Count >= ushort.MaxValue || start >= wide || end - start >= wide)
        {
            writer.Write(0x06064b50u);
            writer.Write(44L);                                              // what follows of this record
            writer.Write((ushort)45);
            writer.Write((ushort)45);
            writer.Write(0L);                                               // disks
            Twice(writer, entries.Count);
            writer.Write(end - start);
            writer.Write(start);
            writer.Write(0x07064b50u);
            writer.Write(0);
            writer.Write(end);
            writer.Write(1);
        }
        writer.Write(0x06054b50u);
        writer.Write(0);                                                    // disks
        writer.Write((ushort)Math.Min(entries.Count, ushort.MaxValue));
        writer.Write((ushort)Math.Min(entries.Count, ushort.MaxValue));
        writer.Write(end - start >= wide ? uint.MaxValue : (uint)(end - start));
        writer.Write(start >= wide ? uint.MaxValue : (uint)start);
        writer.Write((ushort)0);
    }

    private void Begin(string name, long length, uint crc32)
    {
        using var writer = new BinaryWriter(stream, Encoding.UTF8, leaveOpen: true);
        byte[] encoded = Encoding.UTF8.GetBytes(name);
        long header = stream.Position;
        int sizes = length >= wide ? 20 : 0;
        int padding = (int)(Alignment - (header + 30 + encoded.Length + sizes + 4) % Alignment) % Alignment;
        entries.Add((encoded, crc32, length, header));
        writer.Write(0x04034b50u);
        Common(writer, encoded, crc32, length, sizes + 4 + padding);
        writer.Write(encoded);
        if (sizes > 0)
        {
            writer.Write((ushort)1);
            writer.Write((ushort)16);
            Twice(writer, length);
        }
        writer.Write("FB"u8);                                               // PyTorch's mark for padding
        writer.Write((ushort)padding);
        writer.Write(new byte[padding]);
    }

    /// <summary>The fields that local and central headers share.</summary>
    private void Common(BinaryWriter writer, byte[] name, uint crc32, long length, int extra)
    {
        writer.Write((ushort)(length >= wide ? 45 : 20));                   // needed to extract
        writer.Write((ushort)0x0800);                                       // names are UTF-8
        writer.Write((ushort)0);                                            // stored
        writer.Write(0x00210000);                                           // the first day that zip knows
        writer.Write(crc32);
        Twice(writer, length >= wide ? uint.MaxValue : (uint)length);
        writer.Write((ushort)name.Length);
        writer.Write((ushort)extra);
    }

    private static void Twice(BinaryWriter writer, long value)
    {
        writer.Write(value);
        writer.Write(value);
    }

    private static void Twice(BinaryWriter writer, uint value)
    {
        writer.Write(value);
        writer.Write(value);
    }
}
