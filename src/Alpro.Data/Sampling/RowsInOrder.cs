using System.IO.Hashing;
using System.Runtime.InteropServices;

namespace Alpro.Data.Sampling;

/// <summary>
/// Given rows of one corpus, once each and in order: what evaluation visits. An unreadable row stays out of its batch. What is random about
/// a clip follows from the name of its media. So a video has the same frames wherever it stands, also where it is looked at alone.
/// </summary>
/// <param name="rows">The rows.</param>
/// <param name="batchSize">Rows of a batch.</param>
/// <param name="nameOf">What the media of a row is called: <see cref="Corpora.VideoTextPair.MediaName"/>.</param>
public sealed class RowsInOrder(IReadOnlyList<long> rows, int batchSize, Func<long, string> nameOf) : IClipPlan
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
        ulong name = XxHash64.HashToUInt64(MemoryMarshal.AsBytes(nameOf(row).AsSpan()));
        return new(step, slot, attempt, Corpus: 0, row, SeededRandom.Mix(name, (ulong)RandomPurpose.Clip));
    }
}
