using System.Buffers;
using System.Runtime.InteropServices;
using Alpro.Data.Clips;

namespace Alpro.Data.Batches;

/// <summary>
/// The clips of one step, side by side in pooled arrays: what crosses the channel to the trainer's thread, which makes tensors
/// of it. Shapes: B clips, T frames, L tokens.
/// </summary>
public sealed class ClipBatch : IDisposable
{
    private readonly int[] _numbers;
    private byte[]? _pixels;

    /// <summary>An empty batch of so many clips, with rented room for their pixels.</summary>
    /// <exception cref="ArgumentException">Its pixels do not fit an array.</exception>
    public ClipBatch(long step, int size, ClipLayout layout)
    {
        long bytes = BytesOf(size, layout.Frames, layout.Side);
        if (bytes > Array.MaxLength)
            throw new ArgumentException($"a batch of {size} clips of {layout.Frames} frames of {layout.Side} pixels has {bytes} bytes, "
                + $"and {Array.MaxLength} is the most", nameof(size));
        (Step, Size, Layout) = (step, size, layout);
        _pixels = ArrayPool<byte>.Shared.Rent((int)bytes);
        _numbers = new int[size * layout.BatchNumbers];
        Keys = new string[size];
    }

    /// <summary>Bytes of a batch's pixels.</summary>
    public static long BytesOf(int size, int frames, int side) => 3L * size * frames * side * side;

    /// <summary>The training step.</summary>
    public long Step { get; }

    /// <summary>Number of clips, B.</summary>
    public int Size { get; }

    /// <summary>Which fields its clips have.</summary>
    public ClipLayout Layout { get; }

    /// <summary>Frames per clip, T.</summary>
    public int Frames => Layout.Frames;

    /// <summary>Side of a frame in pixels.</summary>
    public int Side => Layout.Side;

    /// <summary>Tokens per caption, L.</summary>
    public int TextLength => Layout.Settings.TextLength;

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

    /// <summary>The numbers of a field, clip after clip [B, …]; none where the layout leaves it out.</summary>
    public Span<int> this[ClipField field] => _numbers.AsSpan(Layout.Of(field, Size));

    /// <summary>The rectangles of entity modelling [B]; none where the layout leaves them out.</summary>
    public Span<PixelRectangle> Regions_B => MemoryMarshal.Cast<int, PixelRectangle>(this[ClipLayout.Region]);

    /// <summary>The rows' names [B], for records and for naming the clips of a failed step.</summary>
    public string[] Keys { get; }

    /// <summary>The numbers of a field of one clip.</summary>
    public Span<int> Row(ClipField field, int place)
    {
        int length = Layout.RowLength(field);
        return this[field].Slice(place * length, length);
    }

    /// <summary>Some of its clips, copied, in the order of their places; none of them was stood in for.</summary>
    public ClipBatch Select(IReadOnlyList<int> places)
    {
        var some = new ClipBatch(Step, places.Count, Layout) { Corpus = Corpus, IsVideo = IsVideo };
        int pixels = Layout.PixelBytes;
        for (int to = 0; to < places.Count; to++)
        {
            int from = places[to];
            Pixels_BTHWC.Slice(from * pixels, pixels).CopyTo(some.Pixels_BTHWC[(to * pixels)..]);
            foreach (ClipField field in ClipLayout.Fields) Row(field, from).CopyTo(some.Row(field, to));
            some.Keys[to] = Keys[from];
        }
        return some;
    }

    /// <summary>Gives the pixel buffer back to the pool.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _pixels, null) is { } pixels) ArrayPool<byte>.Shared.Return(pixels);
    }
}
