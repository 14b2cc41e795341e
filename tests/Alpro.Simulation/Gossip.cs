using System.Collections.Immutable;
using System.Numerics;
using Akka.Cluster;

namespace Alpro.Simulation;

/// <summary>What is known of a member.</summary>
internal readonly record struct Fact(SimulatedNode Node, MemberStatus Status, int UpNumber = int.MaxValue)
{
    /// <summary>Of two facts about a member, the one that holds: Akka's Member.HighestPriorityOf.</summary>
    public static Fact Later(Fact one, Fact other) => one.Status == other.Status ? one.UpNumber <= other.UpNumber ? one : other
        : Rank(one.Status) > Rank(other.Status) ? one : other;

    private static int Rank(MemberStatus status) => status switch
    {
        MemberStatus.Joining => 0,
        MemberStatus.WeaklyUp => 1,
        MemberStatus.Up => 2,
        MemberStatus.Leaving => 3,
        MemberStatus.Exiting => 4,
        _ => 5,
    };
}

/// <summary>The members of a cluster. Sets of nodes are numbers: a node's number is the number of its bit.</summary>
internal sealed class MemberList
{
    public static readonly MemberList None = new([]);

    private readonly Fact[] _facts;                                  // by the nodes' numbers; those of others have no node

    private MemberList(Fact[] facts)
    {
        _facts = facts;
        int length = facts.Length / 8 + 1;
        byte[] all = new byte[length], taking = new byte[length], exiting = new byte[length], down = new byte[length];
        foreach (Fact fact in facts)
        {
            if (fact.Node is null) continue;
            Set(all);
            if (fact.Status is MemberStatus.Up or MemberStatus.Leaving) Set(taking);
            else if (fact.Status == MemberStatus.Exiting) Set(exiting);
            else if (fact.Status == MemberStatus.Down) Set(down);

            void Set(byte[] bits) => bits[fact.Node.Number / 8] |= (byte)(1 << fact.Node.Number % 8);
        }
        (All, TakingPart, Exiting, Down) = (Of(all), Of(taking), Of(exiting), Of(down));
        Count = (int)BigInteger.PopCount(All);

        static BigInteger Of(byte[] bits) => new(bits, isUnsigned: true);
    }

    public int Count { get; }

    public BigInteger All { get; }

    /// <summary>Those that are up or leaving.</summary>
    public BigInteger TakingPart { get; }

    public BigInteger Exiting { get; }

    public BigInteger Down { get; }

    /// <summary>What is known, in the order of the nodes' numbers.</summary>
    public IEnumerable<Fact> Facts => _facts.Where(static fact => fact.Node is not null);

    /// <summary>What is known of a node; null where it is no member.</summary>
    public Fact? Find(SimulatedNode node) => Find(node.Number);

    /// <summary>The members, of whom some are otherwise, or new.</summary>
    public MemberList With(params IReadOnlyCollection<Fact> changed)
    {
        Fact[] facts = new Fact[Math.Max(_facts.Length, changed.Max(static fact => fact.Node.Number) + 1)];
        _facts.CopyTo(facts, 0);
        foreach (Fact fact in changed) facts[fact.Node.Number] = fact;
        return new(facts);
    }

    /// <summary>The members without some.</summary>
    public MemberList Without(BigInteger removed) =>
        new([.. _facts.Select(fact => fact.Node is not null && (removed & fact.Node.Bit).IsZero ? fact : default)]);

    /// <summary>Whoever is in one alone has joined, unless he was about to be taken out: Akka's Member.PickHighestPriority.</summary>
    public MemberList Merge(MemberList other)
    {
        var facts = new Fact[Math.Max(_facts.Length, other._facts.Length)];
        for (int number = 0; number < facts.Length; number++)
            facts[number] = (Find(number), other.Find(number)) switch
            {
                ({ } one, { } two) => Fact.Later(one, two),
                ({ Status: not (MemberStatus.Exiting or MemberStatus.Down) } one, null) => one,
                (null, { Status: not (MemberStatus.Exiting or MemberStatus.Down) } two) => two,
                _ => default,
            };
        return new(facts);
    }

    /// <summary>What is otherwise in a later list: what was known, and what is.</summary>
    public IEnumerable<(Fact? Before, Fact? Now)> Changes(MemberList later)
    {
        for (int number = 0; number < Math.Max(_facts.Length, later._facts.Length); number++)
            if ((Find(number), later.Find(number)) is var (before, now) && before != now) yield return (before, now);
    }

    private Fact? Find(int number) => number < _facts.Length && _facts[number].Node is not null ? _facts[number] : null;
}

/// <summary>Who does not reach whom, as those say who watch each other.</summary>
internal sealed class Reachability
{
    public static readonly Reachability Whole = new(ImmutableSortedDictionary<int, (long Version, BigInteger Lost)>.Empty);

    /// <summary>By the observer's number: how often it has changed its mind, and whom it does not reach.</summary>
    private readonly ImmutableSortedDictionary<int, (long Version, BigInteger Lost)> _rows;

    private Reachability(ImmutableSortedDictionary<int, (long Version, BigInteger Lost)> rows) =>
        (_rows, Lost) = (rows, rows.Aggregate(BigInteger.Zero, static (all, row) => all | row.Value.Lost));

    /// <summary>Those whom somebody does not reach.</summary>
    public BigInteger Lost { get; }

    /// <summary>How many pairs do not reach each other.</summary>
    public int Pairs => Lost.IsZero ? 0 : _rows.Sum(static row => (int)BigInteger.PopCount(row.Value.Lost));

    /// <summary>Those whom one node does not reach.</summary>
    public BigInteger LostBy(SimulatedNode observer) => _rows.GetValueOrDefault(observer.Number).Lost;

    /// <summary>Those whom somebody else than these does not reach.</summary>
    public BigInteger LostByOthers(BigInteger than) => than.IsZero ? Lost
        : _rows.Where(row => (than >> row.Key).IsEven).Aggregate(BigInteger.Zero, static (all, row) => all | row.Value.Lost);

    /// <summary>A node has found whom it does not reach.</summary>
    public Reachability With(SimulatedNode observer, BigInteger lost) =>
        new(_rows.SetItem(observer.Number, (_rows.GetValueOrDefault(observer.Number).Version + 1, lost)));

    /// <summary>Of each member, what it found last.</summary>
    public Reachability Merge(Reachability other, BigInteger members)
    {
        var rows = ImmutableSortedDictionary.CreateBuilder<int, (long Version, BigInteger Lost)>();
        foreach ((int observer, (long version, BigInteger lost)) in _rows.Concat(other._rows))
            if (!(members >> observer).IsEven && (!rows.TryGetValue(observer, out var row) || row.Version < version))
                rows[observer] = (version, lost & members);
        return new(rows.ToImmutable());
    }

    /// <summary>What is left when members are taken out.</summary>
    public Reachability Without(BigInteger removed) => new(_rows.Where(row => (removed >> row.Key).IsEven)
        .ToImmutableSortedDictionary(static row => row.Key, row => (row.Value.Version, row.Value.Lost & ~removed)));
}

/// <summary>How many changes each node has made: which of two gossips knows what the other does not.</summary>
/// <param name="changes">By the nodes' numbers.</param>
internal sealed class VectorClock(long[] changes)
{
    public static readonly VectorClock Zero = new([]);

    /// <summary>Nodes that have made a change.</summary>
    public int Nodes { get; } = changes.Count(static change => change > 0);

    /// <summary>Whether this knows of a change that the other does not know.</summary>
    public bool Exceeds(VectorClock other)
    {
        if (other == this) return false;
        for (int node = 0; node < changes.Length; node++)
            if (changes[node] > other[node]) return true;
        return false;
    }

    /// <summary>A node makes a change.</summary>
    public VectorClock Next(SimulatedNode node)
    {
        long[] next = new long[Math.Max(changes.Length, node.Number + 1)];
        changes.CopyTo(next, 0);
        next[node.Number]++;
        return new(next);
    }

    public VectorClock Merge(VectorClock other)
    {
        long[] merged = new long[Math.Max(changes.Length, other.Length)];
        for (int node = 0; node < merged.Length; node++) merged[node] = Math.Max(this[node], other[node]);
        return new(merged);
    }

    /// <summary>Without nodes that are no members any more.</summary>
    public VectorClock Without(BigInteger removed) =>
        removed.IsZero ? this : new([.. changes.Select((change, node) => (removed >> node).IsEven ? change : 0)]);

    private int Length => changes.Length;

    private long this[int node] => node < changes.Length ? changes[node] : 0;
}

/// <summary>All that a node knows of the cluster. It is not changed: those who know the same share it.</summary>
/// <param name="Members">The members.</param>
/// <param name="Seen">Those that are known to know this.</param>
/// <param name="Reachability">Who does not reach whom.</param>
/// <param name="Version">Which changes are in it.</param>
internal sealed record Gossip(MemberList Members, BigInteger Seen, Reachability Reachability, VectorClock Version)
{
    /// <summary>
    /// Bytes that it takes on the wire, by Akka's message: addresses and status, an index for each that has seen it, and for each pair and
    /// each node of the clock, of which there is a hash.
    /// </summary>
    public int Size => 100 + 59 * Members.Count + 10 * Reachability.Pairs + ClockSize;

    /// <summary>Bytes of the version alone.</summary>
    public int StatusSize => 60 + ClockSize;

    private int ClockSize => 42 * Version.Nodes;

    /// <summary>Both know what the other does not.</summary>
    public Gossip Merge(Gossip other)
    {
        MemberList members = Members.Merge(other.Members);
        return new(members, BigInteger.Zero, Reachability.Merge(other.Reachability, members.All),
            Prune(other).Version.Merge(other.Prune(this).Version));
    }

    /// <summary>Whoever was to be taken out, and is not known to the other, has been.</summary>
    private Gossip Prune(Gossip other) =>
        this with { Version = Version.Without((Members.Down | Members.Exiting) & ~other.Members.All) };
}
