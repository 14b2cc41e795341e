using System.Globalization;
using Alpro.Actors.Distributed.Membership;

namespace Alpro.Simulation;

/// <summary>What strikes a simulated cluster.</summary>
internal enum Strike
{
    /// <summary>A process ends, and is started again later; its system closes its connections.</summary>
    Kill,

    /// <summary>A host is gone with all that is on it; nobody is told.</summary>
    Lost,

    /// <summary>A process stands still for a while.</summary>
    Freeze,

    /// <summary>The network parts into two for a while.</summary>
    Cut,

    /// <summary>Two nodes do not reach each other for a while.</summary>
    Pair,

    /// <summary>Connections of the data plane break; an end may not be told.</summary>
    Reset,

    /// <summary>For half a second, what goes between two nodes on the control plane gets lost.</summary>
    Break,

    /// <summary>A decode node leaves in order, and another comes later.</summary>
    Leave,
}

/// <summary>Which faults there are.</summary>
internal sealed record FaultSettings
{
    /// <summary>No faults.</summary>
    public static FaultSettings None { get; } = new();

    /// <summary>What strikes.</summary>
    public IReadOnlyList<Strike> Strikes { get; init; } = [];

    /// <summary>How often something strikes.</summary>
    public int Count { get; init; } = 4;

    /// <summary>Nodes that are struck at once.</summary>
    public int AtOnce { get; init; } = 1;

    /// <summary>Share of the clips of which the decoder dies.</summary>
    public double Death { get; init; }

    /// <summary>Share of the clips at which the decoder hangs.</summary>
    public double Hang { get; init; }

    /// <summary>Share of the rows that cannot be read.</summary>
    public double Unreadable { get; init; }

    /// <summary>Whether only the lease of a clip tells that it is lost: then it takes minutes.</summary>
    public bool NeedsLease => Hang > 0 || Strikes.Contains(Strike.Break);

    /// <summary>Reads a specification such as <c>kill,freeze,count=6,death=0.01</c>; <c>all</c> and <c>none</c> are others.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static FaultSettings Parse(string text)
    {
        FaultSettings faults = None;
        foreach (string part in text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
            faults = part.Split('=') switch
            {
                ["none"] => faults,
                ["all"] => faults with { Strikes = Enum.GetValues<Strike>(), Death = 0.002, Unreadable = 0.002 },
                [var name] when Enum.TryParse(name, ignoreCase: true, out Strike strike) && Enum.IsDefined(strike) =>
                    faults with { Strikes = [.. faults.Strikes, strike] },
                ["count", var value] => faults with { Count = int.Parse(value, CultureInfo.InvariantCulture) },
                ["at-once", var value] => faults with { AtOnce = int.Parse(value, CultureInfo.InvariantCulture) },
                ["death", var value] => faults with { Death = double.Parse(value, CultureInfo.InvariantCulture) },
                ["hang", var value] => faults with { Hang = double.Parse(value, CultureInfo.InvariantCulture) },
                ["unreadable", var value] => faults with { Unreadable = double.Parse(value, CultureInfo.InvariantCulture) },
                _ => throw new FormatException($"'{part}': expected all, none, {string.Join(", ", Enum.GetNames<Strike>())}, or count=, "
                    + "at-once=, death=, hang= or unreadable= with a number"),
            };
        return faults;
    }
}

/// <summary>Strikes a cluster, one time after another, as chance has it.</summary>
internal sealed class Striker(World world)
{
    private static readonly TimeSpan _first = TimeSpan.FromSeconds(5), _gap = TimeSpan.FromSeconds(12), _overlap = TimeSpan.FromSeconds(5);

    private ulong _draws;
    private int _strikes;

    /// <summary>Strikes from now on.</summary>
    public void Begin()
    {
        if (world.Settings.Faults.Strikes.Count > 0) world.Time.After(_first + Time(TimeSpan.Zero, _gap), Next);
    }

    private void Next()
    {
        if (world.IsDone || _strikes++ == world.Settings.Faults.Count) return;
        IReadOnlyList<Strike> kinds = world.Settings.Faults.Strikes;
        Strike kind = kinds[(int)Draw((ulong)kinds.Count)];
        TimeSpan over = TimeSpan.Zero;
        for (int node = 0; node < world.Settings.Faults.AtOnce; node++)
            if (Victim(kind) is { } victim)
            {
                world.Log.Add(victim, $"STRIKE {kind}");
                world.Log.Recoveries.OnStrike(victim, kind, world.Time.Now);
                TimeSpan one = Do(kind, victim);
                over = one > over ? one : over;
            }
        world.OnFault();
        // The next comes when this one is over, or on top of it.
        world.Time.After(Draw(3) == 0 ? Time(TimeSpan.Zero, _overlap) : over + Time(TimeSpan.Zero, _gap), Next);
    }

    private SimulatedNode? Victim(Strike kind)
    {
        SimulatedNode[] all = [.. world.Alive.Where(node => !node.IsFrozen && !node.IsEnding && node.HasActors
            && (kind is not (Strike.Leave or Strike.Reset) || node.Role == NodeRole.Decoder)
            && (world.Settings.Trainers > 0 || node.Role == NodeRole.Decoder))];
        return all.Length == 0 ? null : all[(int)Draw((ulong)all.Length)];
    }

    /// <summary>Strikes a node; how long that lasts.</summary>
    private TimeSpan Do(Strike kind, SimulatedNode victim)
    {
        switch (kind)
        {
            case Strike.Kill:
            case Strike.Lost:
            {
                world.Kill(victim, told: kind == Strike.Kill);
                TimeSpan again = Time(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(20));
                world.StartAgain(victim, again);
                return again;
            }
            case Strike.Freeze:
            {
                TimeSpan time = Time(TimeSpan.FromSeconds(0.5), TimeSpan.FromSeconds(20));
                world.Freeze(victim);
                world.Time.After(time, () => world.Thaw(victim));
                return time;
            }
            case Strike.Cut:
            {
                SimulatedNode[] one = [.. world.Alive.Where(node => node == victim || Draw(3) == 0)];
                SimulatedNode[] others = [.. world.Alive.Except(one)];
                return Cut(one, others);
            }
            case Strike.Pair:
                return Cut([victim], [Other(victim)]);
            case Strike.Break:
            {
                SimulatedNode other = Other(victim);
                TimeSpan time = TimeSpan.FromSeconds(0.5);
                world.Network.Lose(victim, other, world.Time.Now + time);
                return time;
            }
            case Strike.Reset:
                foreach (DataConnection.End end in victim.Connections.ToArray())
                {
                    ulong told = Draw(3);
                    end.Other.Break(told: told == 0);
                    if (told != 1) end.Break(told: told == 0);
                }
                return TimeSpan.Zero;
            default:
            {
                TimeSpan again = Time(TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(20));
                world.Leave(victim);
                world.StartAgain(victim, again);
                return again;
            }
        }
    }

    private SimulatedNode Other(SimulatedNode node)
    {
        SimulatedNode[] others = [.. world.Alive.Where(other => other != node)];
        return others[(int)Draw((ulong)others.Length)];
    }

    private TimeSpan Cut(SimulatedNode[] one, SimulatedNode[] others)
    {
        TimeSpan time = Time(TimeSpan.FromSeconds(0.5), TimeSpan.FromSeconds(20));
        world.Cut(one, others, connected: false);
        world.Time.After(time, () => world.Cut(one, others, connected: true));
        return time;
    }

    private ulong Draw(ulong of) => world.Chance.Of(Question.Fault, ++_draws) % of;

    private TimeSpan Time(TimeSpan least, TimeSpan most) => world.Chance.Between(least, most, Question.Fault, ++_draws, 1);
}
