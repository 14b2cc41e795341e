namespace Alpro.Training.Collectives;

/// <summary>A group of ranks is over, or could not form.</summary>
/// <param name="peer">The rank that is the reason.</param>
/// <param name="generation">The group.</param>
/// <param name="what">What that rank did, to follow its name: "closed its connection".</param>
/// <param name="cause">What this rank met, where it was the one that met it.</param>
public sealed class CollectivesException(int peer, long generation, string what, Exception? cause = null)
    : IOException($"rank {peer} {what}; generation {generation} is over", cause)
{
    /// <summary>The rank that is the reason.</summary>
    public int Peer { get; } = peer;

    /// <summary>The group.</summary>
    public long Generation { get; } = generation;
}
