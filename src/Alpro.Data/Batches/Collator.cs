using System.Diagnostics;
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
        _batch = new ClipBatch(step, size, new(settings));
        _filled = new bool[size];
        _empty = new bool[size];
    }

    /// <summary>Places for which neither a clip nor word that there is none has come.</summary>
    public int Unsettled => Enumerable.Range(0, _filled.Length).Count(place => !IsSettled(place));

    private ClipBatch Batch => _batch ?? throw new InvalidOperationException("the batch has already been taken");

    /// <summary>Whether a place has its clip, or none will come.</summary>
    public bool IsSettled(int place) => _filled[place] || _empty[place];

    /// <summary>
    /// Notes that a place has no clip, for its row is unreadable and nothing stands in for it. A clip that is there goes: it was counted as
    /// unreadable.
    /// </summary>
    public void LeaveEmpty(int place) => (_filled[place], _empty[place]) = (false, true);

    /// <summary>Copies a clip into its place; the clip is the caller's to dispose.</summary>
    /// <exception cref="InvalidOperationException">The place is taken, or the clip does not belong to this batch.</exception>
    public void Add(int place, Clip clip)
    {
        ClipBatch batch = Batch;
        if ((uint)place >= (uint)_filled.Length || IsSettled(place)) Refuse(place, clip, "the place is taken or not in the batch");
        if (clip.Request.Step != batch.Step) Refuse(place, clip, $"the batch is of step {batch.Step}");
        if (!clip.Layout.Matches(batch.Layout)) Refuse(place, clip, $"the batch has {batch.Layout}");

        bool first = !_filled.AsSpan().Contains(true);
        if (!first && clip.Request.Corpus != batch.Corpus) Refuse(place, clip, $"the batch is of corpus {batch.Corpus}");
        batch.Corpus = clip.Request.Corpus;
        batch.IsVideo = clip.Kind == MediaKind.Video;
        batch.Rejected += clip.Request.Attempt;

        long began = Stopwatch.GetTimestamp();
        ReadOnlySpan<byte> pixels = clip.Pixels_THWC;
        pixels.CopyTo(batch.Pixels_BTHWC.Slice(place * pixels.Length, pixels.Length));
        foreach (ClipField field in ClipLayout.Fields)
            if (batch.Layout.RowLength(field) > 0) field.ToRow(clip[field], batch.Row(field, place));
        batch.Keys[place] = clip.Key;
        _filled[place] = true;
        DataMetrics.TookSince("collate", began);
    }

    /// <summary>Hands the finished batch over, without the places that were left empty; null when they all were.</summary>
    /// <exception cref="InvalidOperationException">Places are still missing.</exception>
    public ClipBatch? Take()
    {
        ClipBatch batch = Batch;
        if (Unsettled > 0)
            throw new InvalidOperationException($"the batch of step {batch.Step} still misses {Unsettled} of {batch.Size} clips");
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
        return places.Length == 0 ? null : batch.Select(places);
    }

    [DoesNotReturn]
    private static void Refuse(int place, Clip clip, string why) =>
        throw new InvalidOperationException($"clip '{clip.Key}' (step {clip.Request.Step}, slot {clip.Request.Slot}) cannot go to place "
            + $"{place}: {why}");
}
