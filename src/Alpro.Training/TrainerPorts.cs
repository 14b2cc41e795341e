using Alpro.Data.Batches;
using Alpro.Model;
using Alpro.Training.Checkpoints;
using Alpro.Training.Records;

namespace Alpro.Training;

/// <summary>What a trainer tells the world. All are called on the training thread, and hold it while they run.</summary>
public sealed record TrainerPorts
{
    /// <summary>Receives every step's record.</summary>
    public Action<StepRecord> Record { get; init; } = static _ => { };

    /// <summary>Shown every batch while the device computes its step; what is wanted of it has to be copied.</summary>
    public Action<ClipBatch> Seen { get; init; } = static _ => { };

    /// <summary>Receives a snapshot to write, and disposes it when it is written.</summary>
    public Action<Snapshot> Checkpoint { get; init; } = static snapshot => snapshot.Dispose();

    /// <summary>
    /// Scores the model; null where there is nothing to validate on. Of several ranks all have it or none, and one calls it.
    /// </summary>
    public Func<AlproModel, TrainState, ValidationRecord>? Validate { get; init; }

    /// <summary>Receives every validation's scores, on all ranks, when all know them.</summary>
    public Action<ValidationRecord> Validated { get; init; } = static _ => { };

    /// <summary>Told of the seconds, since the last record, that went to something else than steps.</summary>
    public Action<TimeCause, double> Spent { get; init; } = static (_, _) => { };

    /// <summary>Keeps the batch of a step that is not finite and says where; null keeps nothing.</summary>
    public Func<ClipBatch, Snapshot, string>? KeepForReplay { get; init; }
}
