using System.Text.Json.Serialization;

namespace Alpro.Training.Records;

/// <summary>What holds a run up.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<FindingKind>))]
public enum FindingKind
{
    /// <summary>Too few steps were done to tell.</summary>
    TooEarly,

    /// <summary>Nothing: the trainer is the limit.</summary>
    Healthy,

    /// <summary>Many files cannot be read.</summary>
    UnreadableStorm,

    /// <summary>The trainer waits for its checkpoints to be written.</summary>
    SlowCheckpoints,

    /// <summary>One rank is slower than the others, which wait for it.</summary>
    SlowRank,

    /// <summary>More threads want a processor than there are.</summary>
    OverCommitted,

    /// <summary>Clips come slowly over the network.</summary>
    SlowNetwork,

    /// <summary>One decode node is slower than the others.</summary>
    SlowDecodeNode,

    /// <summary>Decoders stand idle because the window is full.</summary>
    WindowTooSmall,

    /// <summary>Decoders wait for their files.</summary>
    SlowDisk,

    /// <summary>Decoders work all the time, and make too few clips.</summary>
    TooFewDecoders,
}

/// <summary>What holds a run up, and what to do.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Sentence">A sentence that names it, with its evidence.</param>
/// <param name="Remedy">What to do.</param>
/// <param name="Share">The share of the time that it costs.</param>
public sealed record Finding(FindingKind Kind, string Sentence, string Remedy, double Share)
{
    /// <summary>Both sentences.</summary>
    public override string ToString() => Remedy.Length == 0 ? Sentence : $"{Sentence} {Remedy}";
}

/// <summary>Where a run is carried out.</summary>
/// <param name="Host">The host.</param>
/// <param name="Device">What computes: a GPU by its name, or the processor.</param>
/// <param name="Version">The version of the program.</param>
/// <param name="Began">When the process began.</param>
public sealed record RunOrigin(string Host, string Device, string Version, DateTimeOffset Began);

/// <summary>A node that works for a run.</summary>
/// <param name="Node">Its address, <c>host:port</c>; <c>here</c> for the decoders in the process that trains.</param>
/// <param name="Role">What it does: decoder or trainer, and in a cluster coordinator or evaluator too.</param>
/// <param name="Decoders">Decoders that work for this trainer; 0 for a trainer.</param>
/// <param name="ClipsPerSecond">Clips that it makes, or trains on.</param>
/// <param name="Busy">Share of the time that it works.</param>
public sealed record NodeStatus(string Node, string Role, int Decoders, double ClipsPerSecond, double Busy)
{
    /// <summary>The state of one that works, and of one that was there and is no more.</summary>
    public const string Up = "up", Left = "left", Lost = "lost";

    /// <summary>How it is: the word of its cluster, or one of those above.</summary>
    public string State { get; init; } = Up;

    /// <summary>Since when it has been so; null where nobody knows.</summary>
    public DateTimeOffset? Since { get; init; }
}

/// <summary>How a run is doing.</summary>
/// <param name="Time">When this was.</param>
/// <param name="Step">Steps done.</param>
/// <param name="TotalSteps">Steps of the whole run.</param>
/// <param name="SecondsLeft">How long the rest takes at the present rate.</param>
/// <param name="Loss">The last step's loss.</param>
/// <param name="ClipsPerSecond">The present rate.</param>
/// <param name="WaitShare">Share of the time that the trainer waits for clips.</param>
/// <param name="QueueDepth">Finished batches that wait for the trainer.</param>
/// <param name="Verdict">What holds it up.</param>
/// <param name="Nodes">Who works for it.</param>
public sealed record RunStatus(DateTimeOffset Time, long Step, long TotalSteps, double SecondsLeft, double Loss, double ClipsPerSecond,
    double WaitShare, int QueueDepth, Finding Verdict, IReadOnlyList<NodeStatus> Nodes)
{
    /// <summary>Finished batches for which there is room (<c>alpro.prefetch</c>).</summary>
    public int QueueRoom { get; init; }

    /// <summary>Clips that are being made for this trainer, or wait to become a batch.</summary>
    public long ClipsInHand { get; init; }

    /// <summary>Where the run is carried out; null for one of an older version.</summary>
    public RunOrigin? Origin { get; init; }

    /// <summary>How a run is doing before its first step.</summary>
    public static RunStatus NotBegun(DateTimeOffset time, long steps) => new(time, 0, steps, 0, double.NaN, 0, 0, 0,
        new(FindingKind.TooEarly, "The run has not begun: corpora are opened, or others are waited for.", "", 0), []);

    /// <summary>Writes it down, in place of what was there; it need not outlive a power cut.</summary>
    public void Write(RunFolder folder) => NewestFile.Write(folder.Status, this);

    /// <summary>What was written last; null where there is nothing, or it is none.</summary>
    public static RunStatus? Read(RunFolder folder) => NewestFile.Read<RunStatus>(folder.Status);
}
