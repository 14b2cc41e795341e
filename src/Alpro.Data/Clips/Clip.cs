using System.Buffers;
using System.Runtime.InteropServices;
using Alpro.Data.Media;
using Alpro.Data.Sampling;

namespace Alpro.Data.Clips;

/// <summary>
/// One finished clip: frames decoded, cropped and augmented, text tokenised and masked. It holds what its <see cref="ClipLayout"/> lists.
/// It owns a pooled pixel buffer, which <see cref="Dispose"/> gives back.
/// </summary>
public sealed class Clip : IDisposable
{
    private byte[]? _pixels;

    /// <summary>A clip with a rented pixel buffer, all its numbers 0 and no answer.</summary>
    public Clip(ClipRequest request, ClipLayout layout)
    {
        (Request, Layout) = (request, layout);
        _pixels = ArrayPool<byte>.Shared.Rent(layout.PixelBytes);
        Numbers = new int[layout.Numbers];
        Answer = -1;
    }

    /// <summary>The request it answers.</summary>
    public ClipRequest Request { get; }

    /// <summary>Which fields it has, and how many numbers of each.</summary>
    public ClipLayout Layout { get; }

    /// <summary>The row's own name, for records.</summary>
    public string Key { get; set; } = "";

    /// <summary>RGB bytes, [T, Side, Side, 3].</summary>
    public Span<byte> Pixels_THWC => Pixels.Span;

    /// <summary>The same bytes, for whoever waits in the middle of them.</summary>
    internal Memory<byte> Pixels => (_pixels ?? throw new ObjectDisposedException(nameof(Clip))).AsMemory(0, Layout.PixelBytes);

    /// <summary>The numbers of a field; none where the layout leaves it out.</summary>
    public Span<int> this[ClipField field] => Numbers.AsSpan(Layout.Of(field));

    /// <summary>Whether it came from a video or an image.</summary>
    public MediaKind Kind
    {
        get => (MediaKind)this[ClipLayout.Kind][0];
        set => this[ClipLayout.Kind][0] = (int)value;
    }

    /// <summary>How many tokens are not padding.</summary>
    public int TokenCount
    {
        get => this[ClipLayout.TokenCount][0];
        set => this[ClipLayout.TokenCount][0] = value;
    }

    /// <summary>Index of the answer among the labels; -1 for an answer that is not among them, and where there is none.</summary>
    public int Answer
    {
        get => this[ClipLayout.Answer][0];
        set => this[ClipLayout.Answer][0] = value;
    }

    /// <summary>The rectangle of entity modelling; there is one where the layout has it.</summary>
    public ref PixelRectangle Region => ref MemoryMarshal.AsRef<PixelRectangle>(MemoryMarshal.AsBytes(this[ClipLayout.Region]));

    /// <summary>All numbers, field by field.</summary>
    internal int[] Numbers { get; }

    /// <summary>Gives the pixel buffer back to the pool.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _pixels, null) is { } pixels) ArrayPool<byte>.Shared.Return(pixels);
    }
}
