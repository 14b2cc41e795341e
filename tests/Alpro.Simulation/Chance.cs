using Alpro.Data.Sampling;

namespace Alpro.Simulation;

/// <summary>What chance decides. Each question has its own numbers, so that another question does not change the answer.</summary>
internal enum Question : ulong
{
    Latency, Decode, Death, Hang, Unreadable, Detection, Gossip, Step, Fault, Restart, Order,
}

/// <summary>Chance, from a seed.</summary>
/// <param name="seed">The seed.</param>
internal readonly struct Chance(ulong seed)
{
    /// <summary>Another stream of chance.</summary>
    public ulong Of(Question question, params ReadOnlySpan<ulong> about) =>
        SeededRandom.Mix(SeededRandom.Mix(seed, (ulong)question), about);

    /// <summary>Uniform in [0, 1).</summary>
    public double Uniform(Question question, params ReadOnlySpan<ulong> about) => (Of(question, about) >> 11) * (1.0 / (1UL << 53));

    /// <summary>A time of an exponential distribution.</summary>
    public TimeSpan Exponential(TimeSpan mean, Question question, params ReadOnlySpan<ulong> about) =>
        mean * -Math.Log(1 - Uniform(question, about));

    /// <summary>A time between two.</summary>
    public TimeSpan Between(TimeSpan least, TimeSpan most, Question question, params ReadOnlySpan<ulong> about) =>
        least + (most - least) * Uniform(question, about);
}
