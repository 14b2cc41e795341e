using System.Buffers.Binary;
using System.Text;
using Alpro.Data.Clips;
using Alpro.Data.Sampling;

namespace Alpro.Actors.Distributed.Decoding;

/// <summary>Bytes that are no clip came in on the data plane: the connection is of no more use.</summary>
internal sealed class DataPlaneException(string message) : IOException(message);

/// <summary>
/// A clip as it travels: a header of fixed length, an annotation, the pixels, and the XXH3 checksum of them all. The annotation is all of
/// the clip that is not pixels. Numbers are little-endian. Both ends know the clip settings, so the lengths are checked before anything is
/// made room for.
/// </summary>
/// <remarks>
/// Header: mark, length of the annotation, length of the pixels, slot, step, row, seed, attempt, corpus. Annotation: the numbers of all
/// fields in the order of <see cref="ClipLayout"/>, then the key in UTF-8.
/// </remarks>
internal static class ClipFrame
{
    public const int HeaderLength = 48, ChecksumLength = 8;

    /// <summary>Pixels that are written, read and summed at once: they stay in the processor's cache between the two.</summary>
    public const int Stretch = 128 << 10;

    /// <summary>Longest key, in bytes: a path as long as systems allow.</summary>
    private const int MaxKey = 4096;

    private const uint Mark = 0x32504C43;                            // "CLP2"

    public readonly record struct Header(ClipRequest Request, int AnnotationLength, int PixelsLength);

    /// <summary>Room for the header and the longest annotation.</summary>
    public static int MaxHead(ClipLayout layout) => HeaderLength + TextStart(layout) + MaxKey;

    /// <summary>Writes all that goes before the pixels; returns its length.</summary>
    /// <exception cref="ArgumentException">The clip was not made with the settings of this connection.</exception>
    public static int WriteHead(Clip clip, ClipLayout layout, Span<byte> head)
    {
        if (!clip.Layout.Matches(layout))
            throw new ArgumentException($"clip '{clip.Key}' was not made with the settings of this connection", nameof(clip));
        Span<byte> annotation = head[HeaderLength..];
        WriteInts(clip.Numbers, annotation);
        int length = TextStart(layout) + Encoding.UTF8.GetBytes(clip.Key, annotation[TextStart(layout)..]);

        BinaryPrimitives.WriteUInt32LittleEndian(head, Mark);
        ClipRequest request = clip.Request;
        WriteInts([length, clip.Pixels_THWC.Length, request.Slot], head[4..]);
        BinaryPrimitives.WriteInt64LittleEndian(head[16..], request.Step);
        BinaryPrimitives.WriteInt64LittleEndian(head[24..], request.Row);
        BinaryPrimitives.WriteUInt64LittleEndian(head[32..], request.Seed);
        WriteInts([request.Attempt, request.Corpus], head[40..]);
        return HeaderLength + length;
    }

    /// <summary>Reads a header.</summary>
    /// <exception cref="DataPlaneException">It is none, or of a clip that the settings do not make.</exception>
    public static Header ReadHeader(ReadOnlySpan<byte> head, ClipLayout layout)
    {
        if (BinaryPrimitives.ReadUInt32LittleEndian(head) != Mark) throw new DataPlaneException("the bytes are no clip");
        int annotation = Int(head, 4), pixels = Int(head, 8), text = TextStart(layout);
        if (pixels != layout.PixelBytes)
            throw new DataPlaneException($"a clip of {pixels} bytes of pixels was refused; expected {layout.PixelBytes}");
        if (annotation < text || annotation > text + MaxKey)
            throw new DataPlaneException($"a clip with {annotation} bytes of annotation was refused; expected {text} to {text + MaxKey}");
        var request = new ClipRequest(BinaryPrimitives.ReadInt64LittleEndian(head[16..]), Int(head, 12), Int(head, 40), Int(head, 44),
            BinaryPrimitives.ReadInt64LittleEndian(head[24..]), BinaryPrimitives.ReadUInt64LittleEndian(head[32..]));
        return new(request, annotation, pixels);
    }

    /// <summary>
    /// Reads an annotation into the clip that it belongs to. What a model looks up by number is within its tables, or the clip is refused.
    /// </summary>
    /// <exception cref="DataPlaneException">It is of a clip that the settings do not make.</exception>
    public static void ReadAnnotation(ReadOnlySpan<byte> annotation, ClipNumbers known, Clip clip)
    {
        ReadInts(annotation, clip.Numbers);
        foreach (ClipField field in ClipLayout.Fields)
            if (field.OutOfRange(clip[field], clip.Layout.Settings, known) is (int value, int least, int most))
                throw new DataPlaneException($"the clip for step {clip.Request.Step}, slot {clip.Request.Slot} was refused: "
                    + $"its {field.Word} is {value}; expected {least} to {most}");
        clip.Key = Encoding.UTF8.GetString(annotation[TextStart(clip.Layout)..]);
    }

    /// <summary>Where the key begins: behind the numbers.</summary>
    private static int TextStart(ClipLayout layout) => sizeof(int) * layout.Numbers;

    private static int Int(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadInt32LittleEndian(bytes[at..]);

    private static void WriteInts(ReadOnlySpan<int> from, Span<byte> to)
    {
        for (int i = 0; i < from.Length; i++) BinaryPrimitives.WriteInt32LittleEndian(to[(4 * i)..], from[i]);
    }

    private static void ReadInts(ReadOnlySpan<byte> from, Span<int> to)
    {
        for (int i = 0; i < to.Length; i++) to[i] = Int(from, 4 * i);
    }
}
