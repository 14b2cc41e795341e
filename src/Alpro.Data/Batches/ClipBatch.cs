using System.Buffers;
using Alpro.Data.Clips;

namespace Alpro.Data.Batches;

/// <summary>
/// The clips of one step, side by side in pooled arrays: what crosses the channel to the trainer's thread, which makes tensors
/// of it. Shapes: B clips, T frames, L tokens.
/// </summary>
public sealed class ClipBatch : IDisposable
{
    private byte[]? _pixels;

    /// <summary>An empty batch with rented room for its pixels.</summary>
    /// <exception cref="ArgumentException">Its pixels do not fit an array.</exception>
    public ClipBatch(long step, int size, int frames, int side, int textLength, bool masked)
    {
        long bytes = BytesOf(size, frames, side);
        if (bytes > Array.MaxLength)
            throw new ArgumentException($"a batch of {size} clips of {frames} frames of {side} pixels has {bytes} bytes, and {Array.MaxLength} is the most", nameof(size));
        Step = step;
        Size = size;
        Frames = frames;
        Side = side;
        TextLength = textLength;
        _pixels = ArrayPool<byte>.Shared.Rent((int)bytes);
        TokenIds_BL = new long[size * textLength];
        TokenMask_BL = new long[size * textLength];
        MaskedIds_BL = masked ? new long[size * textLength] : null;
        MaskLabels_BL = masked ? new long[size * textLength] : null;
        Answers_B = new long[size];
        Keys = new string[size];
        Regions_B = new PixelRectangle?[size];
    }

    /// <summary>Bytes of a batch's pixels.</summary>
    public static long BytesOf(int size, int frames, int side) => 3L * size * frames * side * side;

    /// <summary>The training step.</summary>
    public long Step { get; }

    /// <summary>Number of clips, B.</summary>
    public int Size { get; }

    /// <summary>Frames per clip, T.</summary>
    public int Frames { get; }

    /// <summary>Side of a frame in pixels.</summary>
    public int Side { get; }

    /// <summary>Tokens per caption, L.</summary>
    public int TextLength { get; }

    /// <summary>Whether the clips are videos (else images): decides which entity prompts apply.</summary>
    public bool IsVideo { get; set; }

    /// <summary>Number of the corpus they came from.</summary>
    public int Corpus { get; set; }

    /// <summary>Clips that were rejected before these: each stands in for as many as its request counts attempts.</summary>
    public int Rejected { get; set; }

    /// <summary>RGB bytes [B, T, Side, Side, 3].</summary>
    public Span<byte> Pixels_BTHWC => PixelBuffer.AsSpan(0, Size * Frames * Side * Side * 3);

    /// <summary>The rented array under <see cref="Pixels_BTHWC"/>; it may be longer than the pixels.</summary>
    public byte[] PixelBuffer => _pixels ?? throw new ObjectDisposedException(nameof(ClipBatch));

    /// <summary>Token ids [B, L].</summary>
    public long[] TokenIds_BL { get; }

    /// <summary>1 for a token, 0 for padding, [B, L].</summary>
    public long[] TokenMask_BL { get; }

    /// <summary>Token ids with some masked [B, L], or null.</summary>
    public long[]? MaskedIds_BL { get; }

    /// <summary>Original ids at the masked positions, -100 elsewhere [B, L], or null.</summary>
    public long[]? MaskLabels_BL { get; }

    /// <summary>Answer labels [B]; -1 for none.</summary>
    public long[] Answers_B { get; }

    /// <summary>Rectangles of entity modelling [B].</summary>
    public PixelRectangle?[] Regions_B { get; }

    /// <summary>The rows' names [B], for records and for naming the clips of a failed step.</summary>
    public string[] Keys { get; }

    /// <summary>Gives the pixel buffer back to the pool.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _pixels, null) is { } pixels) ArrayPool<byte>.Shared.Return(pixels);
    }
}
