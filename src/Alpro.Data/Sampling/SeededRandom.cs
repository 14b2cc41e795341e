using System.Numerics;

namespace Alpro.Data.Sampling;

/// <summary>
/// What a stream of random numbers is for. Each purpose has its own stream, so that a new draw in one cannot shift another.
/// </summary>
public enum RandomPurpose
{
    /// <summary>Which corpus a step draws from.</summary>
    CorpusDraw = 1,

    /// <summary>The order of the rows in an epoch.</summary>
    EpochOrder = 2,

    /// <summary>The row that stands in for an unreadable clip.</summary>
    Replacement = 3,

    /// <summary>The seed of one clip request.</summary>
    Clip = 4,

    /// <summary>Which of a row's captions is used.</summary>
    Caption = 5,

    /// <summary>Which frames are taken.</summary>
    Frames = 6,

    /// <summary>Where the clip is cropped.</summary>
    Crop = 7,

    /// <summary>Pixel augmentation.</summary>
    Augment = 8,

    /// <summary>Which tokens are masked.</summary>
    Mask = 9,

    /// <summary>The rectangle of entity modelling.</summary>
    Region = 10,

    /// <summary>Dropout and hard negatives of a training step.</summary>
    TrainingStep = 11,

    /// <summary>A model's first weights.</summary>
    Initialization = 12,

    /// <summary>The synthetic corpus.</summary>
    Synthesis = 13,
}

/// <summary>
/// A small, fast random stream (xoshiro256**) with an explicit seed. Every random decision of the data path comes from one of these, never
/// from a shared or global generator. Its seed follows from the run's seed and the request.
/// </summary>
public struct SeededRandom
{
    private ulong _s0, _s1, _s2, _s3;

    /// <summary>A stream from a 64-bit seed.</summary>
    public SeededRandom(ulong seed)
    {
        _s0 = NextSplitMix(ref seed);
        _s1 = NextSplitMix(ref seed);
        _s2 = NextSplitMix(ref seed);
        _s3 = NextSplitMix(ref seed);
    }

    /// <summary>The stream of one purpose under a seed.</summary>
    public static SeededRandom For(ulong seed, RandomPurpose purpose) => new(Mix(seed, (ulong)purpose));

    /// <summary>A new seed from a seed and a value: a bijective mix, so that neighbouring values give unrelated seeds.</summary>
    public static ulong Mix(ulong seed, ulong value)
    {
        ulong state = seed ^ BitOperations.RotateLeft(value * 0x9E3779B97F4A7C15UL, 32) ^ value;
        NextSplitMix(ref state);
        return NextSplitMix(ref state);
    }

    /// <summary>A new seed from a seed and several values, in order.</summary>
    public static ulong Mix(ulong seed, params ReadOnlySpan<ulong> values)
    {
        foreach (ulong value in values) seed = Mix(seed, value);
        return seed;
    }

    /// <summary>64 random bits.</summary>
    public ulong NextUInt64()
    {
        ulong result = BitOperations.RotateLeft(_s1 * 5, 7) * 9;
        ulong t = _s1 << 17;
        _s2 ^= _s0;
        _s3 ^= _s1;
        _s1 ^= _s2;
        _s0 ^= _s3;
        _s2 ^= t;
        _s3 = BitOperations.RotateLeft(_s3, 45);
        return result;
    }

    /// <summary>Uniform in [0, 1), 53 bits.</summary>
    public double NextDouble() => (NextUInt64() >> 11) * (1.0 / (1UL << 53));

    /// <summary>Uniform in [low, high).</summary>
    public double NextDouble(double low, double high) => low + (high - low) * NextDouble();

    /// <summary>Uniform in 0 .. bound - 1, without bias (Lemire's multiplication).</summary>
    public long NextInt64(long bound)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bound);
        ulong range = (ulong)bound;
        ulong high = Math.BigMul(NextUInt64(), range, out ulong low);
        if (low < range)
        {
            ulong threshold = (0UL - range) % range;
            while (low < threshold) high = Math.BigMul(NextUInt64(), range, out low);
        }
        return (long)high;
    }

    /// <summary>Uniform in 0 .. bound - 1.</summary>
    public int NextInt32(int bound) => (int)NextInt64(bound);

    private static ulong NextSplitMix(ref ulong state)
    {
        ulong z = state += 0x9E3779B97F4A7C15UL;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        return z ^ (z >> 31);
    }
}
