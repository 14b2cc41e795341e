using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

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

    /// <summary>Rows for which the query is loaded once.</summary>
    private const int RowsAtOnce = 4;

    /// <summary>Bytes of a cache line. The query begins with one, so that no vector of it lies in two.</summary>
    private const int CacheLine = 64;

    /// <summary>Bytes by which memory is asked for what comes: the processor itself asks no further than the end of a page.</summary>
    private const int Ahead = 4096;

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
        int parts = Math.Clamp(rows / RowsPerThread, 1, threads), width = query_F.Length;
        var found = new PriorityQueue<SimilarWindow, SimilarWindow>[parts];
        var split_F = (float*)NativeMemory.AlignedAlloc((nuint)width * sizeof(float), CacheLine);
        try
        {
            Split(query_F, split_F);
            if (parts == 1) found[0] = Best(features_NF, 0, rows, split_F, width, count, filter);
            else Parallel.For(0, parts, new ParallelOptions { MaxDegreeOfParallelism = parts }, part => found[part] = Best(features_NF,
                (int)((long)rows * part / parts), (int)((long)rows * (part + 1) / parts), split_F, width, count, filter));
        }
        finally
        {
            NativeMemory.AlignedFree(split_F);
        }
        return [.. found.SelectMany(part => part.UnorderedItems).Select(item => item.Element).Order(WorstFirst.Instance).Reverse()
            .Take(count)];
    }

    /// <summary>The best of a stretch of rows. It is compiled at its best at once: one call is long.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static PriorityQueue<SimilarWindow, SimilarWindow> Best(Half* features_NF, int first, int end, float* query_F, int width,
        int count, Func<int, bool>? filter)
    {
        var best = new PriorityQueue<SimilarWindow, SimilarWindow>(WorstFirst.Instance);
        float least = float.NegativeInfinity;
        int half = Paired(width) / 2;
        for (int row = first; row < end; row += RowsAtOnce)
        {
            int rows = Math.Min(RowsAtOnce, end - row);
            Half* feature_F = features_NF + (long)row * width;
            Vector128<float> similarities = Products(feature_F, width, rows - 1, query_F, half);
            if (width == 2 * half && !Vector128.GreaterThanAny(similarities, Vector128.Create(least))) continue;
            for (int number = 0; number < rows; number++, feature_F += width)
            {
                float similarity = similarities[number];
                for (int at = 2 * half; at < width; at++) similarity += (float)feature_F[at] * query_F[at];
                if (!(similarity > least) || filter?.Invoke(row + number) == false) continue;
                var window = new SimilarWindow(row + number, similarity);
                if (best.Count < count) best.Enqueue(window, window);
                else best.EnqueueDequeue(window, window);
                if (best.Count == count) least = best.Peek().Similarity;
            }
        }
        return best;
    }

    /// <summary>Numbers of a feature that the kernel takes in pairs; the few behind them are taken one by one.</summary>
    private static int Paired(int width) => width / (2 * Vector512<int>.Count) * (2 * Vector512<int>.Count);

    /// <summary>
    /// The query's even numbers, then its odd ones, as the kernel meets them: it takes the two 16-bit halves of each 32 bits apart. Numbers
    /// beyond the last whole vector keep their places. All are larger by the factor that the features lack.
    /// </summary>
    private static void Split(ReadOnlySpan<float> query, float* split)
    {
        int whole = Paired(query.Length), half = whole / 2;
        for (int i = 0; i < query.Length; i++)
            split[i >= whole ? i : i % 2 == 0 ? i / 2 : half + i / 2] = i >= whole ? query[i] : query[i] * ExponentGap;
    }

    /// <summary>
    /// The products of the pairs of four rows, or of as many as there are up to the last. A 16-bit number shifted to where a 32-bit one has
    /// its bits is that number times 2^-112, its sign, zero and numbers below the smallest normal one included; so no conversion is needed.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Products(Half* row, int width, int last, float* query, int half)
    {
        int* one = (int*)row, two = (int*)(row + width * Math.Min(1, last)), three = (int*)(row + width * Math.Min(2, last)),
            four = (int*)(row + width * last);
        Vector512<float> a = default, b = default, c = default, d = default;
        for (int at = 0; at < half; at += Vector512<int>.Count)
        {
            Vector512<float> even = Vector512.Load(query + at), odd = Vector512.Load(query + half + at);
            a = Pairs(one + at, even, odd, a);
            b = Pairs(two + at, even, odd, b);
            c = Pairs(three + at, even, odd, c);
            d = Pairs(four + at, even, odd, d);
        }
        return Vector128.Create(Sum(a), Sum(b), Sum(c), Sum(d));
    }

    /// <summary>A sum, with the products of as many pairs as a vector holds.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Pairs(int* pairs, Vector512<float> even, Vector512<float> odd, Vector512<float> sum)
    {
        if (Sse.IsSupported) Sse.Prefetch0((byte*)pairs + Ahead);
        Vector512<int> both = Vector512.Load(pairs), bits = Vector512.Create(unchecked((int)0x8FFFE000));
        sum = Vector512.FusedMultiplyAdd((((both << 16) >> 3) & bits).AsSingle(), even, sum);
        return Vector512.FusedMultiplyAdd(((both >> 3) & bits).AsSingle(), odd, sum);
    }

    /// <summary>The sum of a vector. Vector512.Sum keeps an order, which takes three times as long.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Sum(Vector512<float> vector)
    {
        Vector256<float> fewer = vector.GetLower() + vector.GetUpper();
        return Vector128.Sum(fewer.GetLower() + fewer.GetUpper());
    }

    /// <summary>The less similar first; of equal ones, the later of the index.</summary>
    private sealed class WorstFirst : IComparer<SimilarWindow>
    {
        public static readonly WorstFirst Instance = new();

        public int Compare(SimilarWindow x, SimilarWindow y) =>
            x.Similarity.CompareTo(y.Similarity) is var order and not 0 ? order : y.Window.CompareTo(x.Window);
    }
}
