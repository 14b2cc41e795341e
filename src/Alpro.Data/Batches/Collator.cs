using System.Diagnostics.CodeAnalysis;
using Alpro.Data.Clips;
using Alpro.Data.Media;

namespace Alpro.Data.Batches;

/// <summary>
/// Lays the clips of one step side by side. Each clip goes to the place it is given, so the batch is the same in whichever order
/// they arrive. Owned by one thread at a time.
/// </summary>
public sealed class Collator : IDisposable
{
    private readonly bool[] _filled, _empty;
    private ClipBatch? _batch;

    /// <summary>An empty batch of <paramref name="size"/> clips made with these settings.</summary>
    public Collator(long step, int size, ClipSettings settings)
    {
        _batch = new ClipBatch(step, size, settings.Frames, settings.Size, settings.TextLength, masked: settings.MaskProbability > 0);
        _filled = new bool[size];
        _empty = new bool[size];
    }

    /// <summary>Places for which neither a clip nor word that there is none has come.</summary>
    public int Missing => Enumerable.Range(0, _filled.Length).Count(place => !IsSettled(place));

    private ClipBatch Batch => _batch ?? throw new InvalidOperationException("the batch has already been taken");

    /// <summary>Whether a place has its clip, or none will come.</summary>
    public bool IsSettled(int place) => _filled[place] || _empty[place];

    /// <summary>Notes that a place has no clip, for its row is unreadable and nothing stands in for it. A clip that is there goes: it has been counted as unreadable.</summary>
    public void LeaveEmpty(int place) => (_filled[place], _empty[place]) = (false, true);

    /// <summary>Copies a clip into its place; the clip is the caller's to dispose.</summary>
    /// <exception cref="InvalidOperationException">The place is taken, or the clip does not belong to this batch.</exception>
    public void Add(int place, Clip clip)
    {
        ClipBatch batch = Batch;
        if ((uint)place >= (uint)_filled.Length || IsSettled(place)) Refuse(place, clip, "the place is taken or not in the batch");
        if (clip.Request.Step != batch.Step) Refuse(place, clip, $"the batch is of step {batch.Step}");
        if (clip.Frames != batch.Frames || clip.Size != batch.Side || clip.TokenIds_L.Length != batch.TextLength)
            Refuse(place, clip, $"the batch has {batch.Frames} frames of {batch.Side} pixels and {batch.TextLength} tokens");
        if ((clip.MaskedIds_L is null) != (batch.MaskedIds_BL is null)) Refuse(place, clip, "either all clips of a batch are masked or none is");

        bool first = !_filled.AsSpan().Contains(true);
        if (!first && clip.Request.Corpus != batch.Corpus) Refuse(place, clip, $"the batch is of corpus {batch.Corpus}");
        batch.Corpus = clip.Request.Corpus;
        batch.IsVideo = clip.Kind == MediaKind.Video;
        batch.Rejected += clip.Request.Attempt;

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

    /// <summary>Hands the finished batch over, without the places that were left empty; null when they all were.</summary>
    /// <exception cref="InvalidOperationException">Places are still missing.</exception>
    public ClipBatch? Take()
    {
        ClipBatch batch = Batch;
        if (Missing > 0) throw new InvalidOperationException($"the batch of step {batch.Step} still misses {Missing} of {batch.Size} clips");
        _batch = null;
        if (!_empty.AsSpan().Contains(true)) return batch;
        using (batch) return Compact(batch);
    }

    /// <summary>Gives up the batch, if it has not been taken.</summary>
    public void Dispose()
    {
        _batch?.Dispose();
        _batch = null;
    }

    private ClipBatch? Compact(ClipBatch batch)
    {
        int[] places = [.. Enumerable.Range(0, batch.Size).Where(place => _filled[place])];
        if (places.Length == 0) return null;
        var compact = new ClipBatch(batch.Step, places.Length, batch.Frames, batch.Side, batch.TextLength, masked: batch.MaskedIds_BL is not null)
        {
            Corpus = batch.Corpus,
            IsVideo = batch.IsVideo,
        };
        int pixels = batch.Frames * batch.Side * batch.Side * 3, tokens = batch.TextLength;
        for (int to = 0; to < places.Length; to++)
        {
            int from = places[to];
            batch.Pixels_BTHWC.Slice(from * pixels, pixels).CopyTo(compact.Pixels_BTHWC[(to * pixels)..]);
            Copy(batch.TokenIds_BL, compact.TokenIds_BL);
            Copy(batch.TokenMask_BL, compact.TokenMask_BL);
            if (batch.MaskedIds_BL is not null) Copy(batch.MaskedIds_BL, compact.MaskedIds_BL!);
            if (batch.MaskLabels_BL is not null) Copy(batch.MaskLabels_BL, compact.MaskLabels_BL!);
            compact.Answers_B[to] = batch.Answers_B[from];
            compact.Regions_B[to] = batch.Regions_B[from];
            compact.Keys[to] = batch.Keys[from];

            void Copy(long[] source, long[] target) => source.AsSpan(from * tokens, tokens).CopyTo(target.AsSpan(to * tokens));
        }
        return compact;
    }

    private static void Widen(ReadOnlySpan<int> from, Span<long> to)
    {
        for (int i = 0; i < from.Length; i++) to[i] = from[i];
    }

    [DoesNotReturn]
    private static void Refuse(int place, Clip clip, string why) =>
        throw new InvalidOperationException($"clip '{clip.Key}' (step {clip.Request.Step}, slot {clip.Request.Slot}) cannot go to place {place}: {why}");
}
