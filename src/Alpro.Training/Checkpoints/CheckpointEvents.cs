using Microsoft.Extensions.Logging;

namespace Alpro.Training.Checkpoints;

/// <summary>What is said of checkpoints.</summary>
internal static partial class CheckpointEvents
{
    [LoggerMessage(EventId = 701, Level = LogLevel.Warning, Message = "a checkpoint is damaged, and the one before is used: {Damage}")]
    public static partial void CheckpointDamaged(this ILogger log, string damage);

    [LoggerMessage(EventId = 702, Level = LogLevel.Warning, Message = "a checkpoint is damaged, and there is none before it: {Damage}")]
    public static partial void FirstCheckpointDamaged(this ILogger log, string damage);
}
