using Alpro.Training.Records;

namespace Alpro.Actors.Insight;

/// <summary>
/// Says what holds a run up. Each cause that its measurements show costs some share of the time. The one that costs most is the finding; of
/// equal ones it is the first that is looked at here. What costs less than a tenth is not worth a word. Files that cannot be read come
/// before all others: they are damage, and not just slow.
/// </summary>
public static class Verdict
{
    /// <summary>Steps without which nothing is said.</summary>
    internal const int FewestSteps = 8;

    /// <summary>The least share of the time that is worth a word.</summary>
    internal const double Notable = 0.1;

    /// <summary>How much slower than the others a rank, or a decode node, is.</summary>
    internal const double SlowerRank = 1.15, SlowerNode = 1.5;

    /// <summary>Threads that want to run, for each processor.</summary>
    internal const double Crowded = 1.5;

    /// <summary>Shares of the time from which on sending or reading is what decoders do, and below which they stand idle.</summary>
    internal const double MostlySending = 0.5, MostlyBlocked = 0.5, Idle = 0.6;

    /// <summary>The finding on a window.</summary>
    public static Finding Of(Measurements window)
    {
        if (window.Steps.Count < FewestSteps)
            return new(FindingKind.TooEarly, $"Too few steps to tell what holds the run up: {window.Steps.Count} of {FewestSteps}.", "", 0);
        if (Unreadable(window) is { Share: >= Notable } storm) return storm;
        return new[] { Checkpoints(window), Rank(window), Waiting(window), Processors(window) }
            .OfType<Finding>().Where(finding => finding.Share >= Notable).MaxBy(finding => finding.Share)
            ?? new(FindingKind.Healthy,
                $"Nothing is wrong: the trainer is the limit, and waits {window.WaitShare:P0} of each step for clips.", "", 0);
    }

    private static Finding Unreadable(Measurements window)
    {
        long rejected = window.Steps[^1].Rejected - window.Steps[0].Rejected, clips = (window.Steps.Count - 1L) * window.BatchSize;
        return new(FindingKind.UnreadableStorm, $"{rejected} of the latest {clips + rejected} clips cannot be read.",
            $"See {window.Unreadable}, and look at the disk or the share that they are on.", (double)rejected / (clips + rejected));
    }

    private static Finding Checkpoints(Measurements window)
    {
        double share = window.CheckpointSeconds / window.Seconds;
        return new(FindingKind.SlowCheckpoints, $"Training waits {share:P0} of the time until checkpoints are written.",
            "Raise training.checkpointEvery, or put the run's folder on a faster disk.", share);
    }

    private static Finding? Rank(Measurements window)
    {
        if (window.Steps.Any(step => step.Ranks is null || step.Ranks.Count != window.Steps[0].Ranks!.Count)) return null;
        double[] busy = [.. window.Steps[0].Ranks!.Select((_, rank) => window.Steps.Average(step => step.Ranks![rank].BusyMs))];
        (int slowest, double others) = Slowest(busy);
        if (slowest < 0 || busy[slowest] < SlowerRank * others) return null;
        return new(FindingKind.SlowRank,
            $"Rank {slowest} is {busy[slowest] / others - 1:P0} slower than the others: {Name(window, slowest)}.",
            "See what else runs there, or go on without it.", (busy[slowest] - others) / window.StepMs);
    }

    /// <summary>The largest of some numbers, and the median of the rest; -1 where there are not two.</summary>
    private static (int Slowest, double Others) Slowest(double[] numbers)
    {
        if (numbers.Length < 2) return (-1, 0);
        int slowest = Array.IndexOf(numbers, numbers.Max());
        double[] others = [.. numbers.Where((_, at) => at != slowest).Order()];
        return (slowest, others[others.Length / 2]);
    }

    private static Finding? Waiting(Measurements window)
    {
        int ranks = window.Steps.Min(step => step.Ranks?.Count ?? 1);
        int rank = Enumerable.Range(0, ranks).MaxBy(window.WaitMs);
        double share = window.WaitMs(rank) / window.StepMs;
        if (share < Notable) return null;
        string waits = $"Training waits {share:P0} of each step for clips";
        if (rank > 0)                                                // what its decoders do is not known here
            return new(FindingKind.TooFewDecoders, $"{waits} of rank {rank}: {Name(window, rank)}.", "Add decode nodes, or decoders there.",
                share);
        NodeLoad[] nodes = [.. window.Decoders.Where(node => node.Decoders > 0)];
        if (nodes.Length == 0) return new(FindingKind.TooFewDecoders, $"{waits}: nobody makes any.", "Start decode nodes.", share);
        if (nodes.MaxBy(node => node.Load.Sending)! is var sender && sender.Load.Sending >= MostlySending * window.Seconds
            && HasProcessors(sender.Load, sender.Decoders * window.Seconds))
            return new(FindingKind.SlowNetwork,
                $"{waits}: decode node {sender.Node} sends them {Math.Min(1, sender.Load.Sending / window.Seconds):P0} of the time.",
                "Use a faster network, or decode where training is.", share);
        if (SlowNode(nodes, window.Seconds, waits, share) is { } slow) return slow;
        double capacity = nodes.Sum(node => node.Decoders) * window.Seconds, busy = nodes.Sum(node => node.Load.Busy);
        if (busy < Idle * capacity)
            return new(FindingKind.WindowTooSmall,
                $"{waits}, and decoders idle {1 - busy / capacity:P0} of the time: the window is full (alpro.window = {window.Window}).",
                "Raise alpro.window.", share);
        DecodeLoad load = nodes.Aggregate(DecodeLoad.None, (sum, node) => sum + node.Load);
        if (!window.Isolated && load.Blocked >= MostlyBlocked * load.Busy && HasProcessors(load, capacity))
            return new(FindingKind.SlowDisk,
                $"{waits}: of the {1000 * load.Busy / Math.Max(1, load.Clips):0} ms that one takes, decoders wait "
                + $"{load.Blocked / load.Busy:P0} for their files.",
                "Put them on a faster disk, pack the corpus, or add decoders to wait at once.", share);
        if (Processors(window) is { } crowded) return crowded with { Share = Math.Max(share, crowded.Share) };
        double makes = load.Clips / window.Seconds, takes = 1000 * window.BatchSize / Math.Max(ranks, 1) / (window.StepMs * (1 - share));
        return new(FindingKind.TooFewDecoders,
            $"{waits}: {nodes.Sum(node => node.Decoders)} decoders make {makes:0} clips/s, the step takes {takes:0}.",
            "Add decode nodes, or pack the corpus.", share);
    }

    /// <summary>Whether decoders leave processors idle: only then is it files, or the network, that they wait for.</summary>
    /// <param name="load">What they did.</param>
    /// <param name="capacity">Seconds in which as many could have run as compute at once.</param>
    private static bool HasProcessors(DecodeLoad load, double capacity) => load.Running + load.Queued < Idle * capacity;

    private static Finding? SlowNode(NodeLoad[] nodes, double seconds, string waits, double share)
    {
        NodeLoad[] working = [.. nodes.Where(node => node.Load.Clips > 0)];
        double[] clipMs = [.. working.Select(node => 1000 * node.Load.Busy / node.Load.Clips)];
        (int slowest, double others) = Slowest(clipMs);
        if (slowest < 0 || clipMs[slowest] < SlowerNode * others) return null;
        NodeLoad slow = working[slowest];                            // what does little is slow for nobody
        return slow.Load.Busy < Idle * slow.Decoders * seconds ? null : new(FindingKind.SlowDecodeNode,
            $"{waits}: decode node {slow.Node} takes {clipMs[slowest]:0} ms for one, the others {others:0}.",
            "See what else runs there, or go on without it.", share);
    }

    private static Finding? Processors(Measurements window)
    {
        double decoders = window.Decoders.Where(node => node.Node == Measurements.Here)
            .Sum(node => node.Load.Running + node.Load.Queued) / window.Seconds;
        double wanted = decoders + window.TorchThreads * (1 - window.WaitShare);
        return wanted < Crowded * window.Cores ? null : new(FindingKind.OverCommitted,
            $"{wanted:0.0} threads want to run, {decoders:0.0} of them decoders, and the host has {window.Cores} processors.",
            "Lower alpro.decoders or torchThreads, or let decode nodes on other hosts do it.", 1 - window.Cores / wanted);
    }

    private static string Name(Measurements window, int rank) => rank < window.Ranks.Count ? window.Ranks[rank] : "its host is not known";
}
