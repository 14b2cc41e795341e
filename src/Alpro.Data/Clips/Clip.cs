using System.Buffers;
using Alpro.Data.Media;
using Alpro.Data.Sampling;

namespace Alpro.Data.Clips;

/// <summary>
/// One finished clip: frames decoded, cropped and augmented, text tokenised and masked. Owns a pooled pixel buffer;
/// <see cref="Dispose"/> gives it back.
/// </summary>
public sealed class Clip : IDisposable
{
    private byte[]? _pixels;

    /// <summary>A clip with a rented pixel buffer of <paramref name="frames"/> x <paramref name="size"/> x <paramref name="size"/> x 3 bytes.</summary>
    public Clip(ClipRequest request, int frames, int size, int textLength)
    {
        Request = request;
        Frames = frames;
        Size = size;
        _pixels = ArrayPool<byte>.Shared.Rent(frames * size * size * 3);
        TokenIds_L = new int[textLength];
    }

    /// <summary>The request it answers.</summary>
    public ClipRequest Request { get; }

    /// <summary>The row's own name, for records.</summary>
    public string Key { get; set; } = "";

    /// <summary>Whether it came from a video or an image.</summary>
    public MediaKind Kind { get; set; }

    /// <summary>Frames, T.</summary>
    public int Frames { get; }

    /// <summary>Side of a frame in pixels.</summary>
    public int Size { get; }

    /// <summary>RGB bytes, [T, Size, Size, 3].</summary>
    public Span<byte> Pixels_THWC => (_pixels ?? throw new ObjectDisposedException(nameof(Clip))).AsSpan(0, Frames * Size * Size * 3);

    /// <summary>Token ids [L]: [CLS] … [SEP], then [PAD].</summary>
    public int[] TokenIds_L { get; }

    /// <summary>How many of <see cref="TokenIds_L"/> are not padding.</summary>
    public int TokenCount { get; set; }

    /// <summary>Token ids [L] with some masked, or null where no masking is asked for.</summary>
    public int[]? MaskedIds_L { get; set; }

    /// <summary>Original ids [L] at the chosen positions, -100 elsewhere; null with <see cref="MaskedIds_L"/>.</summary>
    public int[]? MaskLabels_L { get; set; }

    /// <summary>The rectangle of entity modelling, where one is asked for.</summary>
    public PixelRectangle? Region { get; set; }

    /// <summary>Index of the answer among the labels; -1 for an answer that is not among them, and where there is none.</summary>
    public int Answer { get; set; } = -1;

    /// <summary>Gives the pixel buffer back to the pool.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _pixels, null) is { } pixels) ArrayPool<byte>.Shared.Return(pixels);
    }
}
