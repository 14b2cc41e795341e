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
        if (other == this) return this;
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
    public static readonly Reachability Whole = new([]);

    /// <summary>By the observers' numbers, in their order: how often each has changed its mind, and whom it does not reach.</summary>
    private readonly Row[] _rows;

    private Reachability(Row[] rows) => (_rows, Lost) = (rows, LostIn(rows));

    private readonly record struct Row(int Observer, long Version, BigInteger Lost);

    /// <summary>Those whom somebody does not reach.</summary>
    public BigInteger Lost { get; }

    /// <summary>How many pairs do not reach each other.</summary>
    public int Pairs => Lost.IsZero ? 0 : _rows.Sum(static row => (int)BigInteger.PopCount(row.Lost));

    /// <summary>Those whom one node does not reach.</summary>
    public BigInteger LostBy(SimulatedNode observer) => Find(observer.Number) is >= 0 and var at ? _rows[at].Lost : BigInteger.Zero;

    /// <summary>Those whom somebody else than these does not reach.</summary>
    public BigInteger LostByOthers(BigInteger than) => than.IsZero ? Lost : LostIn(_rows.Where(row => (than >> row.Observer).IsEven));

    /// <summary>A node has found whom it does not reach.</summary>
    public Reachability With(SimulatedNode observer, BigInteger lost)
    {
        int at = Find(observer.Number);
        if (at < 0) return new([.. _rows[..~at], new(observer.Number, 1, lost), .. _rows[~at..]]);
        Row[] rows = [.. _rows];
        rows[at] = new(observer.Number, rows[at].Version + 1, lost);
        return new(rows);
    }

    /// <summary>Of each member, what it found last.</summary>
    public Reachability Merge(Reachability other, BigInteger members)
    {
        byte[] bits = members.ToByteArray(isUnsigned: true);
        var rows = new List<Row>(Math.Max(_rows.Length, other._rows.Length));
        for (int one = 0, two = 0; one < _rows.Length || two < other._rows.Length;)
        {
            int order = one == _rows.Length ? 1 : two == other._rows.Length ? -1
                : _rows[one].Observer.CompareTo(other._rows[two].Observer);
            Row row = order < 0 || order == 0 && _rows[one].Version >= other._rows[two].Version ? _rows[one] : other._rows[two];
            if (order <= 0) one++;
            if (order >= 0) two++;
            if (row.Observer / 8 < bits.Length && (bits[row.Observer / 8] >> row.Observer % 8 & 1) == 1)
                rows.Add(row.Lost.IsZero ? row : row with { Lost = row.Lost & members });
        }
        return new([.. rows]);
    }

    /// <summary>What is left when members are taken out.</summary>
    public Reachability Without(BigInteger removed) => new([.. _rows.Where(row => (removed >> row.Observer).IsEven)
        .Select(row => row with { Lost = row.Lost & ~removed })]);

    /// <summary>Where an observer's row is; if it has none, the complement of where it would be.</summary>
    private int Find(int observer) => Array.BinarySearch(_rows, new Row(observer, 0, default), _byObserver);

    private static BigInteger LostIn(IEnumerable<Row> rows)
    {
        BigInteger lost = BigInteger.Zero;
        foreach (Row row in rows)
            if (!row.Lost.IsZero) lost |= row.Lost;
        return lost;
    }

    private static readonly Comparer<Row> _byObserver = Comparer<Row>.Create(static (one, two) => one.Observer.CompareTo(two.Observer));
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
