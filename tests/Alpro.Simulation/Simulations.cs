using System.Diagnostics;
using Alpro.Actors.Distributed.Membership;

namespace Alpro.Simulation;

/// <summary>What a seed gave.</summary>
/// <param name="Seed">The seed.</param>
/// <param name="Failure">What went wrong; null for nothing.</param>
/// <param name="Hash">The hash of the log.</param>
/// <param name="Virtual">Virtual time.</param>
/// <param name="Real">Real time.</param>
/// <param name="Events">Things done.</param>
/// <param name="LongestWait">Longest time without a step since the last fault.</param>
/// <param name="Repeated">Steps done again, from a checkpoint.</param>
internal sealed record Outcome(ulong Seed, string? Failure, ulong Hash, TimeSpan Virtual, TimeSpan Real, long Events, TimeSpan LongestWait,
    long Repeated)
{
    /// <summary>The end of the log, where it was kept.</summary>
    public IReadOnlyList<string> Lines { get; init; } = [];

    /// <summary>What was recovered from, and how long that took.</summary>
    public IReadOnlyList<(string What, TimeSpan Took)> Recoveries { get; init; } = [];

    /// <summary>What the nodes said to each other, where it was asked for.</summary>
    public string Traffic { get; init; } = "";
}

/// <summary>Runs seeds.</summary>
internal static class Simulations
{
    private const int LastLines = 60;

    /// <summary>Runs a seed.</summary>
    /// <param name="settings">What is simulated.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="keep">Whether the log is kept.</param>
    public static Outcome Of(SimulationSettings settings, ulong seed, bool keep = false)
    {
        // On a thread of its own: where a test runner has a context, what is awaited would go on on other threads.
        return Task.Factory.StartNew(() => OfThisThread(settings, seed, keep), CancellationToken.None, TaskCreationOptions.LongRunning,
            TaskScheduler.Default).GetAwaiter().GetResult();
    }

    private static Outcome OfThisThread(SimulationSettings settings, ulong seed, bool keep)
    {
        long began = Stopwatch.GetTimestamp();
        using var world = new World(settings, seed, keep);
        world.RunToEnd();
        return new(seed, world.Failure, world.Log.Hash, world.Time.Now, Stopwatch.GetElapsedTime(began), world.Time.Events,
            world.LongestWait, world.Repeated)
        {
            Lines = world.Log.Lines,
            Recoveries = world.Log.Recoveries.All,
            Traffic = Describe(world),
        };
    }

    /// <summary>Runs seeds, and says what they gave; a seed that fails is said with its last events and how to repeat it.</summary>
    public static int Run(SimulationSettings settings, ulong first, ulong last, Func<ulong, string> again, FileInfo? log)
    {
        long began = Stopwatch.GetTimestamp();
        (int failed, TimeSpan passed, long events, TimeSpan longest, long repeated) = (0, TimeSpan.Zero, 0, TimeSpan.Zero, 0);
        string traffic = "";
        List<(string What, TimeSpan Took)> recoveries = [];
        for (ulong seed = first; seed <= last; seed++)
        {
            Outcome outcome = Of(settings, seed, keep: log is not null && seed == last);
            (passed, events, repeated) = (passed + outcome.Virtual, events + outcome.Events, repeated + outcome.Repeated);
            if (outcome.LongestWait > longest) longest = outcome.LongestWait;
            traffic = outcome.Traffic;
            recoveries.AddRange(outcome.Recoveries);
            if (log is not null && seed == last) File.WriteAllLines(log.FullName, outcome.Lines);
            if (outcome.Failure is null) continue;
            failed++;
            Outcome told = Of(settings, seed, keep: true);
            foreach (string line in told.Lines.TakeLast(LastLines)) Console.WriteLine(line);
            Console.WriteLine($"seed {seed} failed after {outcome.Virtual.TotalSeconds:0.0} s: {outcome.Failure}");
            if (told.Hash != outcome.Hash) Console.WriteLine("and a second time it went otherwise: the simulation itself is at fault");
            Console.WriteLine($"again: {again(seed)}");
        }
        double real = Stopwatch.GetElapsedTime(began).TotalSeconds;
        Console.WriteLine(traffic);
        foreach (string line in Recoveries.Describe(recoveries)) Console.WriteLine(line);
        Console.WriteLine($"{last - first + 1} seeds, {failed} failed; {passed.TotalSeconds:0} virtual seconds in {real:0.0} real, "
            + $"{events} events; longest wait for a step after a change {longest.TotalSeconds:0.0} s; {repeated} steps done again");
        return failed == 0 ? 0 : 1;
    }

    private static string Describe(World world)
    {
        var lines = new List<string>();
        foreach (IGrouping<NodeRole, SimulatedNode> role in world.Nodes.GroupBy(node => node.Role))
        {
            double seconds = world.Time.Now.TotalSeconds, all = seconds * role.Count();
            string kinds = string.Join(", ", role.SelectMany(node => node.Sent.Kinds).GroupBy(kind => kind.Key, kind => kind.Value)
                .OrderByDescending(kind => kind.Sum(one => one.Bytes)).Take(4)
                .Select(kind => $"{kind.Key} {kind.Sum(one => one.Messages) / all:0.0}"));
            lines.Add($"{ClusterNode.RoleName(role.Key)}: a second, a node sends {role.Sum(node => node.Sent.Messages) / all:0.0} messages "
                + $"with {role.Sum(node => node.Sent.Bytes) / all:0} bytes ({kinds}) and receives "
                + $"{role.Sum(node => node.Received.Messages) / all:0.0} with {role.Sum(node => node.Received.Bytes) / all:0}; "
                + $"the one that receives most, {role.Max(node => node.Received.Bytes) / seconds:0} bytes");
        }
        return string.Join(Environment.NewLine, lines);
    }
}
