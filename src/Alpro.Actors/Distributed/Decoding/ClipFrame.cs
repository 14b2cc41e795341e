using System.Buffers.Binary;
using System.Text;
using Alpro.Data.Clips;
using Alpro.Data.Media;
using Alpro.Data.Sampling;
using Alpro.Data.Text;

namespace Alpro.Actors.Distributed.Decoding;

/// <summary>Bytes that are no clip came in on the data plane: the connection is of no more use.</summary>
internal sealed class DataPlaneException(string message) : IOException(message);

/// <summary>
/// A clip as it travels: a header of fixed length, an annotation (all of the clip that is not pixels), the pixels, and the XXH3 checksum of
/// them all. Numbers are little-endian. Both ends know the clip settings, so the lengths are checked before anything is made room for.
/// </summary>
/// <remarks>
/// Header: mark, length of the annotation, length of the pixels, slot, step, row, seed, attempt, corpus. Annotation: kind, token count, answer, region (width 0 for none), tokens, masked tokens and labels where the clips have
/// them, then the key in UTF-8.
/// </remarks>
internal static class ClipFrame
{
    public const int HeaderLength = 48, ChecksumLength = 8;

    /// <summary>Pixels that are written, read and summed at once: they stay in the processor's cache between the two.</summary>
    public const int Stretch = 128 << 10;

    /// <summary>Longest key, in bytes: a path as long as systems allow.</summary>
    private const int MaxKey = 4096;

    private const uint Mark = 0x31504C43;                            // "CLP1"
    private const int FixedAnnotation = 28;

    public readonly record struct Header(ClipRequest Request, int AnnotationLength, int PixelsLength);

    /// <summary>Bytes of the pixels of a clip made with these settings.</summary>
    public static int PixelsLength(ClipSettings clips) => clips.Frames * clips.Size * clips.Size * 3;

    /// <summary>Room for the header and the longest annotation.</summary>
    public static int MaxHead(ClipSettings clips) => HeaderLength + TextStart(clips) + MaxKey;

    /// <summary>Writes all that goes before the pixels; returns its length.</summary>
    /// <exception cref="ArgumentException">The clip was not made with these settings.</exception>
    public static int WriteHead(Clip clip, ClipSettings clips, Span<byte> head)
    {
        int masks = clips.MaskProbability > 0 ? 3 : 1;
        if (clip.Frames != clips.Frames || clip.Size != clips.Size || clip.TokenIds_L.Length != clips.TextLength || (clip.MaskedIds_L is null ? 1 : 3) != masks)
            throw new ArgumentException($"clip '{clip.Key}' was not made with the settings of this connection", nameof(clip));
        Span<byte> annotation = head[HeaderLength..];
        PixelRectangle region = clip.Region ?? default;
        WriteInts([(int)clip.Kind, clip.TokenCount, clip.Answer, region.Left, region.Top, region.Width, region.Height], annotation);
        WriteInts(clip.TokenIds_L, annotation[FixedAnnotation..]);
        if (clip.MaskedIds_L is not null)
        {
            WriteInts(clip.MaskedIds_L, annotation[(FixedAnnotation + 4 * clips.TextLength)..]);
            WriteInts(clip.MaskLabels_L, annotation[(FixedAnnotation + 8 * clips.TextLength)..]);
        }
        int length = TextStart(clips) + Encoding.UTF8.GetBytes(clip.Key, annotation[TextStart(clips)..]);

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
    public static Header ReadHeader(ReadOnlySpan<byte> head, ClipSettings clips)
    {
        if (BinaryPrimitives.ReadUInt32LittleEndian(head) != Mark) throw new DataPlaneException("the bytes are no clip");
        int annotation = Int(head, 4), pixels = Int(head, 8), text = TextStart(clips);
        if (pixels != PixelsLength(clips)) throw new DataPlaneException($"a clip of {pixels} bytes of pixels was refused; expected {PixelsLength(clips)}");
        if (annotation < text || annotation > text + MaxKey) throw new DataPlaneException($"a clip with {annotation} bytes of annotation was refused; expected {text} to {text + MaxKey}");
        var request = new ClipRequest(BinaryPrimitives.ReadInt64LittleEndian(head[16..]), Int(head, 12), Int(head, 40), Int(head, 44),
            BinaryPrimitives.ReadInt64LittleEndian(head[24..]), BinaryPrimitives.ReadUInt64LittleEndian(head[32..]));
        return new(request, annotation, pixels);
    }

    /// <summary>
    /// Reads an annotation into the clip that it belongs to. What a model looks up by number is within its tables, or the clip is refused.
    /// </summary>
    /// <exception cref="DataPlaneException">It is of a clip that the settings do not make.</exception>
    public static void ReadAnnotation(ReadOnlySpan<byte> annotation, ClipSettings clips, ClipNumbers numbers, Clip clip)
    {
        clip.Kind = (MediaKind)Within("kind", Int(annotation, 0), 0, (int)MediaKind.Image);
        clip.TokenCount = Within("number of tokens", Int(annotation, 4), 1, clips.TextLength);
        clip.Answer = Within("answer", Int(annotation, 8), -1, numbers.Answers - 1);
        int size = clips.RegionPatch > 0 ? clips.Size : 0, least = Math.Min(1, size);
        int width = Within("region", Int(annotation, 20), least, size), height = Within("region", Int(annotation, 24), least, size);
        var region = new PixelRectangle(Int(annotation, 12), Int(annotation, 16), width, height);
        Within("region", region.Left, 0, size - region.Width);
        Within("region", region.Top, 0, size - region.Height);
        if (size > 0) clip.Region = region;
        ReadInts(annotation[FixedAnnotation..], clip.TokenIds_L);
        CheckTokens(clip.TokenIds_L);
        if (clips.MaskProbability > 0)
        {
            ReadInts(annotation[(FixedAnnotation + 4 * clips.TextLength)..], clip.MaskedIds_L = new int[clips.TextLength]);
            ReadInts(annotation[(FixedAnnotation + 8 * clips.TextLength)..], clip.MaskLabels_L = new int[clips.TextLength]);
            CheckTokens(clip.MaskedIds_L);
            foreach (int label in clip.MaskLabels_L)
                if (label != TokenMasker.Ignored) Within("label", label, 0, numbers.Tokens - 1);
        }
        clip.Key = Encoding.UTF8.GetString(annotation[TextStart(clips)..]);

        void CheckTokens(int[] ids)
        {
            foreach (int id in ids) Within("token", id, 0, numbers.Tokens - 1);
        }

        int Within(string what, int value, int least, int most) => value >= least && value <= most ? value
            : throw new DataPlaneException($"the clip for step {clip.Request.Step}, slot {clip.Request.Slot} was refused: "
                + $"its {what} is {value}; expected {least} to {most}");
    }

    private static int TextStart(ClipSettings clips) => FixedAnnotation + 4 * clips.TextLength * (clips.MaskProbability > 0 ? 3 : 1);

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
