using System.Buffers.Binary;
using System.Text;

namespace Alpro.Data.Packs;

/// <summary>Where the frames lie in an MP4 that has one video track and nothing else.</summary>
internal static class Mp4Frames
{
    private const int BoxHead = 8, SampleEntryHead = 78;

    /// <summary>Finds the frames: they follow each other in the file's <c>mdat</c>.</summary>
    /// <returns>The first frame's place, the frames' sizes, and the codec's header; empty for a codec without.</returns>
    /// <exception cref="InvalidDataException">The file is of another kind.</exception>
    public static (int First, int[] Sizes, byte[] Header) Find(ReadOnlySpan<byte> file)
    {
        ReadOnlySpan<byte> data = Box(file, "mdat"), table = Box(Box(Box(Box(Box(file, "moov"), "trak"), "mdia"), "minf"), "stbl");
        ReadOnlySpan<byte> sizes = Box(table, "stsz"), formats = Box(table, "stsd")[8..];
        int common = BinaryPrimitives.ReadInt32BigEndian(sizes[4..]);
        int[] frames = new int[BinaryPrimitives.ReadInt32BigEndian(sizes[8..])];
        for (int i = 0; i < frames.Length; i++)
            frames[i] = common > 0 ? common : BinaryPrimitives.ReadInt32BigEndian(sizes[(12 + 4 * i)..]);
        if (frames.Sum() != data.Length)
            throw new InvalidDataException($"the MP4's {frames.Length} frames have {frames.Sum()} bytes, and its data {data.Length}");
        file.Overlaps(data, out int first);
        byte[] header = TypeOf(formats) == "avc1" ? Box(Box(formats, "avc1")[SampleEntryHead..], "avcC").ToArray() : [];
        return (first, frames, header);
    }

    private static ReadOnlySpan<byte> Box(ReadOnlySpan<byte> parent, string type)
    {
        while (parent.Length >= BoxHead)
        {
            int size = BinaryPrimitives.ReadInt32BigEndian(parent);
            if (size < BoxHead || size > parent.Length) break;
            if (TypeOf(parent) == type) return parent[BoxHead..size];
            parent = parent[size..];
        }
        throw new InvalidDataException($"the MP4 has no {type}");
    }

    private static string TypeOf(ReadOnlySpan<byte> box) => Encoding.ASCII.GetString(box.Slice(4, 4));
}
