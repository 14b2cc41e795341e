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

/// <summary>A node that works for a run.</summary>
/// <param name="Node">Its address, <c>host:port</c>; <c>here</c> for the decoders in the process that trains.</param>
/// <param name="Role">What it does: decoder or trainer.</param>
/// <param name="Decoders">Decoders that work for this trainer; 0 for a trainer.</param>
/// <param name="ClipsPerSecond">Clips that it makes, or trains on.</param>
/// <param name="Busy">Share of the time that it works.</param>
public sealed record NodeStatus(string Node, string Role, int Decoders, double ClipsPerSecond, double Busy);

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
    /// <summary>Writes it down, in place of what was there; it need not outlive a power cut.</summary>
    public void Write(RunFolder folder) => NewestFile.Write(folder.Status, this);

    /// <summary>What was written last; null where there is nothing, or it is none.</summary>
    public static RunStatus? Read(RunFolder folder) => NewestFile.Read<RunStatus>(folder.Status);
}
