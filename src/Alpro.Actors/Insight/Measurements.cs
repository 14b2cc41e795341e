using Alpro.Training.Records;

namespace Alpro.Actors.Insight;

/// <summary>What the decoders of one node did in a window.</summary>
/// <param name="Node">The node's address; <see cref="Measurements.Here"/> for the process that trains.</param>
/// <param name="Decoders">How many compute at once.</param>
/// <param name="Load">What they did.</param>
public sealed record NodeLoad(string Node, int Decoders, DecodeLoad Load);

/// <summary>What was measured of a run in a window of time, by the process that writes it down.</summary>
public sealed record Measurements
{
    /// <summary>The name of the process that trains among those that decode.</summary>
    public const string Here = "here";

    /// <summary>Length of the window in seconds.</summary>
    public required double Seconds { get; init; }

    /// <summary>The steps that were done in it.</summary>
    public required IReadOnlyList<StepRecord> Steps { get; init; }

    /// <summary>Clips of a step, on all ranks.</summary>
    public required int BatchSize { get; init; }

    /// <summary>Seconds in which the trainer waited for its checkpoints.</summary>
    public double CheckpointSeconds { get; init; }

    /// <summary>What was decoded for this rank, and where.</summary>
    public IReadOnlyList<NodeLoad> Decoders { get; init; } = [];

    /// <summary>Where the ranks are, in their order; none where one process trains.</summary>
    public IReadOnlyList<string> Ranks { get; init; } = [];

    /// <summary>Steps ahead for which clips may be made (<c>alpro.window</c>).</summary>
    public int Window { get; init; } = 1;

    /// <summary>Whether decoders work in child processes, whose waiting is not seen from here.</summary>
    public bool Isolated { get; init; }

    /// <summary>Processors of this host.</summary>
    public int Cores { get; init; } = 1;

    /// <summary>Threads of libtorch.</summary>
    public int TorchThreads { get; init; } = 1;

    /// <summary>Where unreadable clips are listed.</summary>
    public string Unreadable { get; init; } = "unreadable.csv";

    /// <summary>Milliseconds that a step takes, with what lies between steps.</summary>
    public double StepMs => Steps.Average(step => step.StepMs + step.BetweenMs);

    /// <summary>
    /// Milliseconds that a rank waits for its clips in a step. A batch that was there is not waited for: the time went to other threads.
    /// </summary>
    public double WaitMs(int rank) => Steps.Average(step => step.Ranks is { } ranks && rank > 0 ? ranks[rank].WaitMs
        : step.QueueDepth == 0 ? step.WaitMs : 0);

    /// <summary>Share of the time that this rank waits for clips.</summary>
    public double WaitShare => Steps.Count == 0 ? 0 : WaitMs(0) / StepMs;
}
