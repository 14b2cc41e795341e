
namespace Alpro.Data.Sampling;

/// <summary>
/// Which rows make the batch of which step: arithmetic on (seed, step), no lists and no state to save. Each step takes its whole batch from
/// one corpus, drawn uniformly, or by the corpora's weights. A corpus is visited in a fresh random order in each epoch of its own. A step's
/// batch does not depend on how many workers make it. A run resumes at any step. (Paper section 4.1; the mixing of its released code.)
/// </summary>
/// <remarks>Safe to ask from several threads at once.</remarks>
public sealed class SamplingPlan : IClipPlan
{
    private readonly long[] _rows, _stepsPerEpoch;
    private readonly ulong _seed;

    /// <summary>The sums of the weights up to each corpus; null where all corpora are drawn alike.</summary>
    private readonly double[]? _bounds;

    /// <summary>How many of the steps before <see cref="_cursor"/> drew each corpus.</summary>
    private readonly long[] _drawn;

    private readonly Lock _lock = new();
    private long _cursor;

    /// <summary>A plan over corpora of these sizes.</summary>
    /// <param name="corpusRows">Usable rows of each corpus.</param>
    /// <param name="batchSize">Clips per step over all ranks, B.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="corpusNames">Names for messages; numbers are used without.</param>
    /// <param name="weights">
    /// Weights of the corpora, above 0: a corpus is drawn in the share of the steps that its weight has of their sum. Weights that are all
    /// alike draw what no weights draw.
    /// </param>
    /// <exception cref="DataException">There is no corpus, or some have fewer rows than a batch; all of them are named.</exception>
    public SamplingPlan(IReadOnlyList<long> corpusRows, int batchSize, ulong seed, IReadOnlyList<string>? corpusNames = null,
        IReadOnlyList<double>? weights = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batchSize);
        _rows = [.. corpusRows];
        _seed = seed;
        BatchSize = batchSize;
        _stepsPerEpoch = [.. _rows.Select(rows => rows / batchSize)];
        _drawn = new long[_rows.Length];
        if (weights?.Distinct().Count() > 1)
        {
            double sum = 0;
            _bounds = [.. weights.Select(weight => sum += weight)];
        }

        string[] problems = [.. Enumerable.Range(0, _rows.Length).Where(corpus => _rows[corpus] < batchSize).Select(corpus =>
            $"corpus {corpusNames?[corpus] ?? corpus.ToString()} has "
                + $"{(_rows[corpus] == 0 ? "no usable rows" : $"{_rows[corpus]} usable rows, fewer than a batch of {batchSize}")}")];
        if (_rows.Length == 0) problems = ["no corpus is given"];
        if (problems.Length > 0)
            throw new DataException($"Nothing can be sampled: {string.Join("; ", problems)}. Use a smaller batch or a larger corpus.");
    }

    /// <summary>Clips per step over all ranks, B.</summary>
    public int BatchSize { get; }

    /// <inheritdoc/>
    public bool ReplacesUnreadable => true;

    /// <inheritdoc/>
    public int Places(long step) => BatchSize;

    /// <summary>Steps of an epoch: the whole batches of all corpora together, as the released code counts it.</summary>
    public long StepsPerEpoch => _stepsPerEpoch.Sum();

    /// <summary>The corpus from which a step takes its batch.</summary>
    public int CorpusOf(long step)
    {
        if (_rows.Length == 1) return 0;
        var random = SeededRandom.For(SeededRandom.Mix(_seed, (ulong)step), RandomPurpose.CorpusDraw);
        if (_bounds is null) return random.NextInt32(_rows.Length);
        double at = random.NextDouble() * _bounds[^1];
        return Array.FindIndex(_bounds, bound => at < bound) is >= 0 and var corpus ? corpus : _rows.Length - 1;
    }

    /// <summary>The clip for one place of one step's batch.</summary>
    /// <param name="step">Training step, from 0.</param>
    /// <param name="slot">Place in the global batch, 0 to <see cref="BatchSize"/> - 1.</param>
    /// <param name="attempt">
    /// 0 for the planned row. Each higher number is another row of the same corpus, drawn from (seed, step, slot, attempt), in place of an
    /// unreadable one.
    /// </param>
    public ClipRequest Request(long step, int slot, int attempt = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        ArgumentOutOfRangeException.ThrowIfNegative(attempt);
        ArgumentOutOfRangeException.ThrowIfNegative(slot);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(slot, BatchSize);

        int corpus = CorpusOf(step);
        ulong place = SeededRandom.Mix(_seed, (ulong)step, (ulong)slot, (ulong)attempt);
        long row = attempt == 0 ? PlannedRow(step, slot, corpus) : SeededRandom.For(place, RandomPurpose.Replacement)
            .NextInt64(_rows[corpus]);
        return new ClipRequest(step, slot, attempt, corpus, row, SeededRandom.Mix(place, (ulong)RandomPurpose.Clip));
    }

    /// <summary>
    /// Rows that the corpus epochs finished before a step left out, because they do not fill a batch: N mod B of each. So rows visited =
    /// steps * B, and planned rows = rows visited + tail.
    /// </summary>
    public long TailBefore(long step)
    {
        long tail = 0;
        for (int corpus = 0; corpus < _rows.Length; corpus++)
            tail += StepsDrawnBefore(step, corpus) / _stepsPerEpoch[corpus] * (_rows[corpus] % BatchSize);
        return tail;
    }

    private long PlannedRow(long step, int slot, int corpus)
    {
        (long epoch, long stepOfEpoch) = Math.DivRem(StepsDrawnBefore(step, corpus), _stepsPerEpoch[corpus]);
        ulong order = SeededRandom.Mix(_seed, (ulong)RandomPurpose.EpochOrder, (ulong)corpus, (ulong)epoch);
        return new RowPermutation(_rows[corpus], order)[stepOfEpoch * BatchSize + slot];
    }

    /// <summary>
    /// How many steps before this one drew a corpus. A cursor walks the draws forwards or back from where it last stood. The next step
    /// costs nothing, a jump one hash per step. So a resumed run needs the step alone.
    /// </summary>
    private long StepsDrawnBefore(long step, int corpus)
    {
        if (_rows.Length == 1) return step;
        lock (_lock)
        {
            while (_cursor < step) _drawn[CorpusOf(_cursor++)]++;
            while (_cursor > step) _drawn[CorpusOf(--_cursor)]--;
            return _drawn[corpus];
        }
    }
}
