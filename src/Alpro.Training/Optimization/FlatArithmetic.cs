using System.Numerics;

namespace Alpro.Training.Optimization;

/// <summary>
/// The arithmetic of the optimizer over flat memory on the CPU, vectorised, in chunks that do not depend on the number of threads.
/// </summary>
internal static unsafe class FlatArithmetic
{
    private const long Chunk = 1 << 16;

    /// <summary>What one update multiplies by.</summary>
    internal readonly record struct Rates(double Beta1, double Beta2, double Epsilon, double StepSize, double Keep, double GradientScale);

    /// <summary>The sum of squares, gathered in double precision.</summary>
    public static double SumOfSquares(float* values, long length, int threads)
    {
        double[] sums = new double[(length + Chunk - 1) / Chunk];
        ForChunks(length, threads, (chunk, start, end) => sums[chunk] = SumOfSquares(values + start, end - start));
        double sum = 0;
        foreach (double part in sums) sum += part;                 // in order, whoever computed them
        return sum;
    }

    /// <summary>One AdamW update of values, gradients (which become 0) and moments; lengths are multiples of a vector's.</summary>
    public static void AdamW(float* values, float* gradients, float* first, float* second, long length, long decaying, Rates rates,
        int threads) =>
        ForChunks(length, threads, (_, start, end) =>
        {
            long border = Math.Clamp(decaying, start, end);
            Update(values, gradients, first, second, start, border, rates);
            Update(values, gradients, first, second, border, end, rates with { Keep = 1 });
        });

    private static double SumOfSquares(float* values, long length)
    {
        Vector<double> low = default, high = default;
        for (long i = 0; i < length; i += Vector<float>.Count)
        {
            Vector.Widen(Vector.Load(values + i), out Vector<double> even, out Vector<double> odd);
            low += even * even;
            high += odd * odd;
        }
        return Vector.Sum(low + high);
    }

    private static void Update(float* values, float* gradients, float* first, float* second, long start, long end, Rates rates)
    {
        Vector<float> beta1 = new((float)rates.Beta1), rest1 = new((float)(1 - rates.Beta1)), beta2 = new((float)rates.Beta2),
            rest2 = new((float)(1 - rates.Beta2));
        Vector<float> epsilon = new((float)rates.Epsilon), step = new((float)rates.StepSize), keep = new((float)rates.Keep),
            scale = new((float)rates.GradientScale);
        for (long i = start; i < end; i += Vector<float>.Count)
        {
            Vector<float> gradient = Vector.Load(gradients + i) * scale;
            Vector<float> mean = Vector.Load(first + i) * beta1 + gradient * rest1;
            Vector<float> square = Vector.Load(second + i) * beta2 + gradient * gradient * rest2;
            mean.Store(first + i);
            square.Store(second + i);
            ((Vector.Load(values + i) - step * mean / (Vector.SquareRoot(square) + epsilon)) * keep).Store(values + i);
            Vector<float>.Zero.Store(gradients + i);
        }
    }

    private static void ForChunks(long length, int threads, Action<int, long, long> work)
    {
        int chunks = (int)((length + Chunk - 1) / Chunk);
        if (threads == 1 || chunks == 1)
            for (int chunk = 0; chunk < chunks; chunk++) work(chunk, chunk * Chunk, Math.Min(length, (chunk + 1) * Chunk));
        else
            Parallel.For(0, chunks, new ParallelOptions { MaxDegreeOfParallelism = threads },
                chunk => work(chunk, chunk * Chunk, Math.Min(length, (chunk + 1) * Chunk)));
    }
}
