using System.Diagnostics.CodeAnalysis;
using Alpro.Data.Clips;
using Alpro.Data.Corpus;

namespace Alpro.Data.Batches;

/// <summary>
/// Lays the clips of one step side by side. Each clip goes to the place it is given, so the batch is the same in whichever order
/// they arrive. Owned by one thread at a time.
/// </summary>
public sealed class Collator : IDisposable
{
    private readonly bool[] _filled;
    private ClipBatch? _batch;

    /// <summary>An empty batch of <paramref name="size"/> clips made with these settings.</summary>
    public Collator(long step, int size, ClipSettings settings)
    {
        _batch = new ClipBatch(step, size, settings.Frames, settings.Size, settings.TextLength, masked: settings.MaskProbability > 0);
        _filled = new bool[size];
    }

    /// <summary>Places that are still empty.</summary>
    public int Missing => _filled.AsSpan().Count(false);

    private ClipBatch Batch => _batch ?? throw new InvalidOperationException("the batch has already been taken");

    /// <summary>Copies a clip into its place; the clip is the caller's to dispose.</summary>
    /// <exception cref="InvalidOperationException">The place is taken, or the clip does not belong to this batch.</exception>
    public void Add(int place, Clip clip)
    {
        ClipBatch batch = Batch;
        if ((uint)place >= (uint)_filled.Length || _filled[place]) Refuse(place, clip, "the place is taken or not in the batch");
        if (clip.Request.Step != batch.Step) Refuse(place, clip, $"the batch is of step {batch.Step}");
        if (clip.Frames != batch.Frames || clip.Size != batch.Side || clip.TokenIds_L.Length != batch.TextLength)
            Refuse(place, clip, $"the batch has {batch.Frames} frames of {batch.Side} pixels and {batch.TextLength} tokens");
        if ((clip.MaskedIds_L is null) != (batch.MaskedIds_BL is null)) Refuse(place, clip, "either all clips of a batch are masked or none is");

        bool first = Missing == _filled.Length;
        if (!first && clip.Request.Corpus != batch.Corpus) Refuse(place, clip, $"the batch is of corpus {batch.Corpus}");
        batch.Corpus = clip.Request.Corpus;
        batch.IsVideo = clip.Kind == MediaKind.Video;

        ReadOnlySpan<byte> pixels = clip.Pixels_THWC;
        pixels.CopyTo(batch.Pixels_BTHWC.Slice(place * pixels.Length, pixels.Length));
        Span<long> mask_L = Row(batch.TokenMask_BL, place);
        mask_L[..clip.TokenCount].Fill(1);
        mask_L[clip.TokenCount..].Clear();
        Widen(clip.TokenIds_L, Row(batch.TokenIds_BL, place));
        if (batch.MaskedIds_BL is { } masked) Widen(clip.MaskedIds_L, Row(masked, place));
        if (batch.MaskLabels_BL is { } labels) Widen(clip.MaskLabels_L, Row(labels, place));
        batch.Answers_B[place] = clip.Answer;
        batch.Regions_B[place] = clip.Region;
        batch.Keys[place] = clip.Key;
        _filled[place] = true;

        Span<long> Row(long[] matrix, int row) => matrix.AsSpan(row * batch.TextLength, batch.TextLength);
    }

    /// <summary>Hands the finished batch over; the collator has none afterwards.</summary>
    /// <exception cref="InvalidOperationException">Places are still empty.</exception>
    public ClipBatch Take()
    {
        ClipBatch batch = Batch;
        if (Missing > 0) throw new InvalidOperationException($"the batch of step {batch.Step} still misses {Missing} of {batch.Size} clips");
        _batch = null;
        return batch;
    }

    /// <summary>Gives up the batch, if it has not been taken.</summary>
    public void Dispose()
    {
        _batch?.Dispose();
        _batch = null;
    }

    private static void Widen(ReadOnlySpan<int> from, Span<long> to)
    {
        for (int i = 0; i < from.Length; i++) to[i] = from[i];
    }

    [DoesNotReturn]
    private static void Refuse(int place, Clip clip, string why) =>
        throw new InvalidOperationException($"clip '{clip.Key}' (step {clip.Request.Step}, slot {clip.Request.Slot}) cannot go to place {place}: {why}");
}
