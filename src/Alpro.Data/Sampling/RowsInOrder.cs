namespace Alpro.Data.Sampling;

/// <summary>Given rows of one corpus, once each and in order: what evaluation visits. An unreadable row stays out of its batch.</summary>
public sealed class RowsInOrder(IReadOnlyList<long> rows, int batchSize, ulong seed) : IClipPlan
{
    /// <summary>Batches in all; the last may be smaller.</summary>
    public long Steps => (rows.Count + batchSize - 1) / batchSize;

    /// <inheritdoc/>
    public bool ReplacesUnreadable => false;

    /// <inheritdoc/>
    public int Places(long step) => (int)Math.Min(batchSize, rows.Count - step * batchSize);

    /// <inheritdoc/>
    public ClipRequest Request(long step, int slot, int attempt = 0)
    {
        long row = rows[(int)(step * batchSize + slot)];
        return new(step, slot, attempt, Corpus: 0, row, SeededRandom.Mix(seed, (ulong)row));
    }
}
