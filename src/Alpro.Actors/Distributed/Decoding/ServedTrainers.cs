using System.IO.Hashing;
using System.Runtime.InteropServices;
using Alpro.Data.Sampling;

namespace Alpro.Actors.Distributed.Decoding;

/// <summary>
/// Which decode nodes serve which trainers, a function of the membership alone. Each pair has a rank, by a hash of both names. A node
/// serves the <see cref="Links"/> trainers that rank highest for it, and a trainer is served by the <see cref="Links"/> nodes that rank
/// highest for it. So every member has that many links, all together have no more than that many each, and whoever comes or goes moves no
/// links but those in its own place. Pools give to others what one does not ask for, so with three links each, all trainers can have the
/// same share of all nodes. With two they cannot.
/// </summary>
internal static class ServedTrainers
{
    /// <summary>Links that each member chooses.</summary>
    public const int Links = 3;

    /// <summary>The trainers that a node serves.</summary>
    /// <param name="node">The node, which is one of the nodes.</param>
    /// <param name="nodes">Names of all decode nodes, in any order.</param>
    /// <param name="trainers">Names of all trainers, in any order.</param>
    public static IReadOnlyList<string> Of(string node, IReadOnlyCollection<string> nodes, IReadOnlyCollection<string> trainers)
    {
        ulong own = Hash(node);
        ulong[] others = [.. nodes.Where(other => other != node).Select(Hash)];
        var served = trainers.OrderByDescending(trainer => Rank(own, Hash(trainer))).Take(Links).ToHashSet();
        served.UnionWith(trainers.Where(trainer => Hash(trainer) is var hash && Rank(own, hash) is var rank
            && others.Count(other => Rank(other, hash) > rank) < Links));
        return [.. served];
    }

    private static ulong Rank(ulong node, ulong trainer) => SeededRandom.Mix(node, trainer);

    private static ulong Hash(string name) => XxHash3.HashToUInt64(MemoryMarshal.AsBytes(name.AsSpan()));
}
