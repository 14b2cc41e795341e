using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Alpro.Training.Search;

/// <summary>A window and how similar its feature is to what was looked for.</summary>
/// <param name="Window">Number of the window.</param>
/// <param name="Similarity">The product of the two features, -1 to 1.</param>
public readonly record struct SimilarWindow(int Window, float Similarity);

/// <summary>
/// The product of a query with all features of an index: exact, and as fast as memory gives the features. They are read once, in 16 bits,
/// and become 32 bits in registers.
/// </summary>
public static unsafe class ExactSearch
{
    /// <summary>Rows that are worth a thread of their own.</summary>
    private const int RowsPerThread = 4096;

    /// <summary>What a 16-bit number loses when its bits are taken for those of a 32-bit one: the difference of the exponents.</summary>
    private const float ExponentGap = 5.192296858534828e33f;         // 2^112

    /// <summary>The windows that are most similar to a query, best first; of equal ones, the first of the index.</summary>
    /// <param name="index">The index.</param>
    /// <param name="query_F">A feature.</param>
    /// <param name="count">How many, at most.</param>
    /// <param name="filter">Which windows count; null for all. It is asked only of those that are similar enough, by several
    /// threads.</param>
    /// <param name="threads">Threads at most; null for one for each processor.</param>
    public static SimilarWindow[] Top(SearchIndex index, ReadOnlySpan<float> query_F, int count, Func<int, bool>? filter = null,
        int? threads = null)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(query_F.Length, index.Manifest.Width);
        return Top(index.Features, index.Count, query_F, count, filter, threads ?? Environment.ProcessorCount);
    }

    /// <summary>The same of features [N, F] in memory.</summary>
    internal static SimilarWindow[] Top(Half* features_NF, int rows, ReadOnlySpan<float> query_F, int count, Func<int, bool>? filter,
        int threads)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        int width = query_F.Length;
        float[] query = Split(query_F);
        int parts = Math.Clamp(rows / RowsPerThread, 1, threads);
        var found = new PriorityQueue<SimilarWindow, SimilarWindow>[parts];
        if (parts == 1) found[0] = Part(0);
        else Parallel.For(0, parts, new ParallelOptions { MaxDegreeOfParallelism = parts }, part => found[part] = Part(part));
        return [.. found.SelectMany(part => part.UnorderedItems).Select(item => item.Element).Order(WorstFirst.Instance).Reverse()
            .Take(count)];

        PriorityQueue<SimilarWindow, SimilarWindow> Part(int part)
        {
            int first = (int)((long)rows * part / parts), end = (int)((long)rows * (part + 1) / parts);
            var best = new PriorityQueue<SimilarWindow, SimilarWindow>(WorstFirst.Instance);
            float least = float.NegativeInfinity;
            for (int row = first; row < end; row++)
            {
                float similarity = Product(features_NF + (long)row * width, query, width);
                if (!(similarity > least) || filter?.Invoke(row) == false) continue;
                var window = new SimilarWindow(row, similarity);
                if (best.Count < count) best.Enqueue(window, window);
                else best.EnqueueDequeue(window, window);
                if (best.Count == count) least = best.Peek().Similarity;
            }
            return best;
        }
    }

    /// <summary>
    /// The query's even numbers, then its odd ones, as the kernel meets them: it takes the two 16-bit halves of each 32 bits apart. Numbers
    /// beyond the last whole vector keep their places. All are larger by the factor that the features lack.
    /// </summary>
    private static float[] Split(ReadOnlySpan<float> query)
    {
        int whole = query.Length / (2 * Vector256<int>.Count) * (2 * Vector256<int>.Count), half = whole / 2;
        float[] split = new float[query.Length];
        for (int i = 0; i < query.Length; i++)
            split[i >= whole ? i : i % 2 == 0 ? i / 2 : half + i / 2] = i >= whole ? query[i] : query[i] * ExponentGap;
        return split;
    }

    /// <summary>
    /// The product of one row. A 16-bit number shifted to where a 32-bit one has its bits is that number times 2^-112, its sign, zero and
    /// numbers below the smallest normal one included; so no conversion is needed.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Product(Half* row, float[] query, int width)
    {
        int step = Vector256<int>.Count, whole = width / (2 * step) * (2 * step), half = whole / 2, at = 0;
        ref float even = ref query[0], odd = ref Unsafe.Add(ref even, half);
        // Two pairs of sums: one alone would wait for itself.
        Vector256<float> evens = default, odds = default, moreEvens = default, moreOdds = default;
        for (; at + step < half; at += 2 * step)
        {
            (evens, odds) = Add((int*)row + at, ref Unsafe.Add(ref even, at), ref Unsafe.Add(ref odd, at), evens, odds);
            (moreEvens, moreOdds) = Add((int*)row + at + step, ref Unsafe.Add(ref even, at + step), ref Unsafe.Add(ref odd, at + step),
                moreEvens, moreOdds);
        }
        if (at < half) (evens, odds) = Add((int*)row + at, ref Unsafe.Add(ref even, at), ref Unsafe.Add(ref odd, at), evens, odds);
        float product = Vector256.Sum(evens + odds + (moreEvens + moreOdds));
        for (at = whole; at < width; at++) product += (float)row[at] * query[at];
        return product;
    }

    /// <summary>Adds the products of 16 numbers, the first and second of each pair apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<float> Evens, Vector256<float> Odds) Add(int* row, ref float even, ref float odd, Vector256<float> evens,
        Vector256<float> odds)
    {
        Vector256<int> pairs = Vector256.Load(row), bits = Vector256.Create(unchecked((int)0x8FFFE000));
        Vector256<float> low = (((pairs << 16) >> 3) & bits).AsSingle(), high = ((pairs >> 3) & bits).AsSingle();
        return (Vector256.FusedMultiplyAdd(low, Vector256.LoadUnsafe(ref even), evens),
            Vector256.FusedMultiplyAdd(high, Vector256.LoadUnsafe(ref odd), odds));
    }

    /// <summary>The less similar first; of equal ones, the later of the index.</summary>
    private sealed class WorstFirst : IComparer<SimilarWindow>
    {
        public static readonly WorstFirst Instance = new();

        public int Compare(SimilarWindow x, SimilarWindow y) =>
            x.Similarity.CompareTo(y.Similarity) is var order and not 0 ? order : y.Window.CompareTo(x.Window);
    }
}
