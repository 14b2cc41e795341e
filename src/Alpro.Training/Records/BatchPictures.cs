using Alpro.Data.Batches;
using Alpro.Data.Clips;
using Alpro.Data.Media;
using Alpro.Data.Text;

namespace Alpro.Training.Records;

/// <summary>
/// Makes pictures of the newest batch, every few seconds at most. The thread that trains copies a few clips, and another does the rest.
/// Nothing is kept.
/// </summary>
/// <param name="tokenizer">Whose tokens the captions are.</param>
/// <param name="answers">The labels of answers; null for a task without.</param>
/// <param name="corpora">The names of the corpora.</param>
/// <param name="time">The clock.</param>
public sealed class BatchPictures(
    CaptionTokenizer tokenizer, IReadOnlyDictionary<string, int>? answers, IReadOnlyList<string> corpora, TimeProvider time)
{
    /// <summary>Larger frames are made smaller.</summary>
    internal const int MostSide = 224;

    private const int MostClips = 3, MostFrames = 4;

    private static readonly TimeSpan _every = TimeSpan.FromSeconds(10);

    private static readonly byte[] _line = [255, 0, 160];            // of the region: no colour of nature

    private long _last;                                              // when pictures were taken last; 0 before the first time
    private volatile bool _busy;

    /// <summary>Takes pictures of a batch, if it is time to; one thread at a time.</summary>
    /// <param name="batch">The batch; it is not kept.</param>
    /// <param name="taken">Given the pictures, on another thread.</param>
    public void Offer(ClipBatch batch, Action<BatchSample> taken)
    {
        if (_busy || !Jpeg.IsAvailable || (_last != 0 && time.GetElapsedTime(_last) < _every)) return;
        (_busy, _last) = (true, time.GetTimestamp());
        ClipBatch some = batch.Select([.. Enumerable.Range(0, Math.Min(MostClips, batch.Size))]);
        DateTimeOffset now = time.GetUtcNow();
        Task.Run(() =>
        {
            BatchSample sample;
            try
            {
                using (some)
                    sample = new(now, some.Step, corpora[some.Corpus], [.. Enumerable.Range(0, some.Size).Select(clip => Of(some, clip))]);
            }
            finally
            {
                _busy = false;
            }
            taken(sample);
        });
    }

    private ClipSample Of(ClipBatch batch, int clip)
    {
        PixelRectangle? region = batch.Layout.Has(ClipLayout.Region) ? batch.Regions_B[clip] : null;
        int label = batch.Row(ClipLayout.Answer, clip)[0], side = batch.Side, frames = Math.Min(MostFrames, batch.Frames);
        byte[] strip_HWC = FrameStrip.Of(batch.Pixels_BTHWC.Slice(clip * batch.Layout.PixelBytes, batch.Layout.PixelBytes), side, frames);
        if (region is { } rectangle)
            for (int frame = 0; frame < frames; frame++) Outline(strip_HWC, frames * side, frame * side, rectangle);
        return new(batch.Keys[clip], Caption(batch, clip), answers?.FirstOrDefault(answer => answer.Value == label).Key, region, side,
            frames, FrameStrip.ToJpeg(strip_HWC, side, frames, MostSide));
    }

    private List<CaptionPiece> Caption(ClipBatch batch, int clip)
    {
        ReadOnlySpan<int> ids_L = batch.Row(ClipLayout.TokenIds, clip), masked_L = batch.Row(ClipLayout.MaskedIds, clip),
            labels_L = batch.Row(ClipLayout.MaskLabels, clip);
        int end = batch.Row(ClipLayout.TokenCount, clip).Count(1) - 1;               // between [CLS] and [SEP]
        var caption = new List<CaptionPiece>();
        for (int i = 1; i < end; i++)
        {
            string piece = tokenizer.PieceOf(ids_L[i]);
            bool joined = piece.StartsWith("##", StringComparison.Ordinal);
            caption.Add(new(joined ? piece[2..] : piece, joined,
                labels_L.Length > 0 && labels_L[i] >= 0 ? tokenizer.PieceOf(masked_L[i]) : null));
        }
        return caption;
    }

    /// <summary>Draws the outline of a rectangle of one frame into a strip whose rows have so many pixels.</summary>
    private static void Outline(Span<byte> strip_HWC, int width, int frameLeft, PixelRectangle region)
    {
        (int left, int right, int bottom) = (frameLeft + region.Left, frameLeft + region.Left + region.Width - 1,
            region.Top + region.Height - 1);
        for (int y = region.Top; y <= bottom; y++)
            for (int x = left; x <= right; x++)
                if (y == region.Top || y == bottom || x == left || x == right) _line.CopyTo(strip_HWC[(3 * (y * width + x))..]);
    }
}
