using Alpro.Actors.Pipeline;
using Alpro.Data.Corpora;
using Alpro.Data.Sampling;
using Alpro.Model.Checkpoints;
using Alpro.Training.Checkpoints;
using Alpro.Training.Configuration;
using Alpro.Training.Records;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Hosting;

/// <summary>A training run: what, from where, and who watches.</summary>
/// <param name="Config">What is trained.</param>
/// <param name="Folder">Where the run is kept.</param>
/// <param name="Resume">Whether to continue from the folder's last checkpoint, if there is one.</param>
public sealed record TrainingRun(RunConfig Config, RunFolder Folder, bool Resume)
{
    /// <summary>Told of each corpus when it is open.</summary>
    public Action<VideoTextCorpus> Opened { get; init; } = static _ => { };

    /// <summary>Told when the trainer knows where it stands: at the start, and again after a restart.</summary>
    public Action<TrainState, IReadOnlyList<LoadReport>> Started { get; init; } = static (_, _) => { };

    /// <summary>Told of every step that this process has done, whatever its rank.</summary>
    public Action<StepRecord> Trained { get; init; } = static _ => { };

    /// <summary>Told when a validation begins, and after which step, on the trainer's thread.</summary>
    public Action<long> Validating { get; init; } = static _ => { };

    /// <summary>Told of every step that this process writes down: those of all ranks, where it is the first.</summary>
    public Action<StepRecord> Stepped { get; init; } = static _ => { };

    /// <summary>Told of every validation.</summary>
    public Action<ValidationRecord> Validated { get; init; } = static _ => { };

    /// <summary>Told every few seconds how the run is doing, by the process that writes it down.</summary>
    public Action<RunStatus> Judged { get; init; } = static _ => { };

    /// <summary>Given pictures of the newest batch every few seconds, by every process that trains.</summary>
    public Action<BatchSample> Pictured { get; init; } = static _ => { };

    /// <summary>Told how to look up the nodes of the cluster, when this process is in one.</summary>
    internal Action<Func<IReadOnlyList<NodeStatus>, IReadOnlyList<NodeStatus>>> Joined { get; init; } = static _ => { };

    /// <summary>Writes the report of a run that has ended, from what its folder holds.</summary>
    public Action<RunFolder> Report { get; init; } = static _ => { };

    /// <summary>When the process began to carry the run out: from here on its time is accounted for.</summary>
    public DateTimeOffset Began { get; init; } = TimeProvider.System.GetUtcNow();

    /// <summary>What <see cref="CheckpointStore.Touching"/> becomes: a slow disk is put in here.</summary>
    internal Action<string> Touching { get; init; } = static _ => { };

    /// <summary>
    /// Told of an error after which this process cannot use its GPU. The thread that met the error calls it, before anything is unwound.
    /// Null where the process is to end.
    /// </summary>
    public Action<Exception>? DeviceLost { get; init; }

    /// <summary>The list of clips that this process could not read.</summary>
    public string Unreadable { get; init; } = Folder.Unreadable;

    /// <summary>The run's checkpoints.</summary>
    /// <param name="log">Told of those that are damaged; null for nobody.</param>
    public CheckpointStore Store(ILogger? log = null) => new(Folder.Checkpoints, Config.Training.Keep, log) { Touching = Touching };

    /// <summary>Holds the run's folder until the lock is disposed.</summary>
    /// <param name="cluster">The cluster whose nodes hold it together; null for a process that trains alone.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="UsageException">The folder cannot be written.</exception>
    /// <exception cref="RunFolderHeldException">Others hold it.</exception>
    public Task<RunLock> HoldAsync(string? cluster, CancellationToken stop) =>
        OutputPath.WriteAsync(Folder.Path, "--out", () => RunLock.HoldAsync(Folder, cluster, TimeProvider.System, stop));

    /// <summary>Refuses to begin a run over another.</summary>
    /// <exception cref="UsageException">The folder holds checkpoints, and the run is not resumed.</exception>
    public void RequireNewOrResumed()
    {
        if (!Resume && Store().Steps() is [.., long last])
            throw new UsageException(
                $"{Folder}: holds a run that has come to step {last}; continue it with --resume, or name another folder with --out");
    }
}

/// <summary>How a training run ended.</summary>
/// <param name="Completed">Whether all steps were done; false when it was asked to stop before.</param>
/// <param name="FirstStep">The step at which this process began.</param>
/// <param name="State">Where the run stands.</param>
/// <param name="Ledger">What became of the clips that this process asked for, in all its generations and groups.</param>
/// <param name="Restarts">How often the trainer was restarted from a checkpoint.</param>
/// <param name="Checkpoint">The last checkpoint.</param>
/// <param name="Seconds">How long it took.</param>
public sealed record RunResult(bool Completed, long FirstStep, TrainState State, LedgerTotals Ledger, int Restarts, string? Checkpoint,
    double Seconds)
{
    /// <summary>What became of the clips of the whole run.</summary>
    public required RunAccounts Accounts { get; init; }

    /// <summary>This process's rank among the trainers; the first wrote down the run.</summary>
    public int Rank { get; init; }

    /// <summary>The list of clips that this process could not read.</summary>
    public required string Unreadable { get; init; }
}

/// <summary>
/// What became of a run's clips since its first step, on all ranks, whoever died and however often it was resumed. The state that every
/// checkpoint and every newcomer is given carries the counts: planned = delivered + rejected + tail.
/// </summary>
/// <param name="Planned">The places of the steps done, the clips that stood in for others, and the tail.</param>
/// <param name="Delivered">Clips trained on.</param>
/// <param name="Rejected">Clips that could not be made, for which others stood in.</param>
/// <param name="Tail">Rows at the end of an epoch that do not fill a batch.</param>
public sealed record RunAccounts(long Planned, long Delivered, long Rejected, long Tail)
{
    /// <summary>The accounts of a run that stands somewhere in its plan.</summary>
    public static RunAccounts Of(TrainState state, SamplingPlan plan)
    {
        long tail = plan.TailBefore(state.Step);
        return new(state.Step * plan.BatchSize + state.Rejected + tail, state.Clips, state.Rejected, tail);
    }
}
