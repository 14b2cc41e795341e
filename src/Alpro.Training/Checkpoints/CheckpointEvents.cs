using Microsoft.Extensions.Logging;

namespace Alpro.Training.Checkpoints;

/// <summary>What is said of checkpoints.</summary>
internal static partial class CheckpointEvents
{
    [LoggerMessage(701, LogLevel.Warning, "a checkpoint is damaged, and the one before is used: {Damage}")]
    public static partial void CheckpointDamaged(this ILogger log, string damage);

    [LoggerMessage(702, LogLevel.Warning, "a checkpoint is damaged, and there is none before it: {Damage}")]
    public static partial void FirstCheckpointDamaged(this ILogger log, string damage);
}
