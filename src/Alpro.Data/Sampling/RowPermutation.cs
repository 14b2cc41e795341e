using System.Numerics;

namespace Alpro.Data.Sampling;

/// <summary>
/// A pseudo-random permutation of 0 .. count - 1 that costs no memory: any position's row is computed by itself. A Feistel network permutes
/// the next even power of two. A value outside is permuted again until it falls inside (cycle walking): fewer than four rounds on average.
/// </summary>
/// <param name="count">Number of rows.</param>
/// <param name="seed">Another seed gives another order.</param>
internal readonly struct RowPermutation(long count, ulong seed)
{
    private const int Rounds = 6;

    private readonly int _halfBits = Math.Max(1, (BitOperations.Log2((ulong)Math.Max(count - 1, 1)) + 2) / 2);

    /// <summary>Number of rows.</summary>
    public long Count => count;

    /// <summary>The row at a position, 0 to <see cref="Count"/> - 1.</summary>
    public long this[long position]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(position);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(position, count);
            do position = Permute(position); while (position >= count);
            return position;
        }
    }

    private long Permute(long value)
    {
        ulong mask = (1UL << _halfBits) - 1;
        ulong left = (ulong)value >> _halfBits, right = (ulong)value & mask;
        for (ulong round = 0; round < Rounds; round++)
            (left, right) = (right, left ^ (SeededRandom.Mix(seed, right * Rounds + round) & mask));
        return (long)(left << _halfBits | right);
    }
}
