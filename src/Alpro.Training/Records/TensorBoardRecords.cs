using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace Alpro.Training.Records;

/// <summary>
/// What TensorBoard reads: an event in protocol buffers (<c>tensorflow.Event</c>), framed by its length and two checksums. Written here and
/// not by TorchSharp's writer because that cannot say that a run goes on: steps done again would be there twice.
/// </summary>
internal static class TensorBoardRecords
{
    private const byte Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5;

    /// <summary>The first record of every file.</summary>
    public static byte[] Version(DateTimeOffset time) => Frame(Event(time, step: 0, Field(3, "brain.Event:2"u8)));

    /// <summary>From here on steps are counted from this one: what was written of it and later ones is passed over.</summary>
    public static byte[] Start(DateTimeOffset time, long step) => Frame(Event(time, step, Field(7, [1 << 3 | Varint, 1])));

    /// <summary>Figures of a step.</summary>
    public static byte[] Figures(DateTimeOffset time, long step, IEnumerable<(string Name, double Value)> figures) =>
        Frame(Event(time, step,
        Field(5,
        [.. figures.SelectMany(figure => Field(1, [.. Field(1, Encoding.UTF8.GetBytes(figure.Name)), .. Number((float)figure.Value)]))])));

    /// <summary>Clips of a batch: a picture and a text of each.</summary>
    public static byte[] Clips(BatchSample sample) => Frame(Event(sample.Time, sample.Step,
        Field(5, [.. sample.Clips.SelectMany((clip, number) => Image($"clips/{number + 1}", clip)
            .Concat(Text($"captions/{number + 1}", clip.ToMarkdown())))])));

    /// <summary>A value of a summary: <c>Summary.Image</c>, which has three colours.</summary>
    private static byte[] Image(string name, ClipSample clip) =>
        Field(1,
        [
            .. Field(1, Encoding.UTF8.GetBytes(name)),
            .. Field(4,
            [
                1 << 3 | Varint, .. Whole((ulong)clip.Size.Height), 2 << 3 | Varint, .. Whole((ulong)clip.Size.Width), 3 << 3 | Varint, 3,
                .. Field(4, clip.Picture),
            ]),
        ]);

    /// <summary>A value of a summary for the plugin of texts: a tensor of one string.</summary>
    private static byte[] Text(string name, string text) =>
        Field(1,
        [
            .. Field(1, Encoding.UTF8.GetBytes(name)),
            .. Field(8, [1 << 3 | Varint, 7, .. Field(2, Field(2, [1 << 3 | Varint, 1])), .. Field(8, Encoding.UTF8.GetBytes(text))]),
            .. Field(9, Field(1, Field(1, "text"u8))),
        ]);

    private static byte[] Event(DateTimeOffset time, long step, byte[] content)
    {
        var wall = new byte[9];
        wall[0] = 1 << 3 | Fixed64;
        BinaryPrimitives.WriteDoubleLittleEndian(wall.AsSpan(1), time.ToUnixTimeMilliseconds() / 1000.0);
        return [.. wall, 2 << 3 | Varint, .. Whole((ulong)step), .. content];
    }

    private static byte[] Number(float value)
    {
        var field = new byte[5];
        field[0] = 2 << 3 | Fixed32;
        BinaryPrimitives.WriteSingleLittleEndian(field.AsSpan(1), value);
        return field;
    }

    private static byte[] Field(int number, ReadOnlySpan<byte> content) => [(byte)(number << 3 | Bytes), .. Whole((ulong)content.Length),
        .. content];

    private static byte[] Whole(ulong value)
    {
        var bytes = new List<byte>();
        for (; value >= 0x80; value >>= 7) bytes.Add((byte)(value | 0x80));
        return [.. bytes, (byte)value];
    }

    private static byte[] Frame(byte[] content)
    {
        var record = new byte[16 + content.Length];
        BinaryPrimitives.WriteInt64LittleEndian(record, content.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(8), Checksum(record.AsSpan(0, 8)));
        content.CopyTo(record, 12);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(12 + content.Length), Checksum(content));
        return record;
    }

    /// <summary>CRC-32C, masked as TensorFlow's records have it.</summary>
    private static uint Checksum(ReadOnlySpan<byte> bytes)
    {
        uint sum = uint.MaxValue;
        foreach (byte next in bytes) sum = BitOperations.Crc32C(sum, next);
        return BitOperations.RotateRight(~sum, 15) + 0xA282EAD8;
    }
}
