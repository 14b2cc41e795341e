using System.Text.Json.Serialization;

namespace Alpro.Training.Records;

/// <summary>What the wall time of a run goes to.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<TimeCause>))]
public enum TimeCause
{
    /// <summary>Steps, without the waiting in them.</summary>
    Training,

    /// <summary>Waiting for the clips of a step.</summary>
    Waiting,

    /// <summary>Scoring the model.</summary>
    Validation,

    /// <summary>Taking snapshots: the trainer waits while the disk is behind; and at the end until the last is written.</summary>
    Checkpoint,

    /// <summary>From the begin of a process to its first step.</summary>
    StartUp,

    /// <summary>From a failure of the trainer to its next step.</summary>
    Restart,

    /// <summary>From the loss of a rank to the next group's first step.</summary>
    RankLost,

    /// <summary>From the end of a group that makes room for a larger one to that one's first step.</summary>
    GroupGrown,

    /// <summary>Waiting until there are enough trainers.</summary>
    Paused,

    /// <summary>Training that was lost with its process or its group, and done again.</summary>
    DoneAgain,

    /// <summary>No process trained: between one that ended, or was killed, and the next.</summary>
    Stopped,
}

/// <summary>A stretch of a run's wall time: a line of its timeline.</summary>
/// <param name="Began">When it began.</param>
/// <param name="Step">Steps done before it.</param>
/// <param name="Steps">Steps done in it.</param>
/// <param name="Seconds">Its seconds by cause. Their sum is its length.</param>
public sealed record Stretch(DateTimeOffset Began, long Step, long Steps, IReadOnlyDictionary<TimeCause, double> Seconds)
{
    /// <summary>When it ended.</summary>
    [JsonIgnore]
    public DateTimeOffset Ended => Began.AddSeconds(Seconds.Values.Sum());

    /// <summary>What of it comes after a time; null where nothing does. Its causes and its steps shrink alike.</summary>
    public Stretch? After(DateTimeOffset time)
    {
        if (time <= Began) return this;
        double length = (Ended - Began).TotalSeconds, left = (Ended - time).TotalSeconds;
        long steps = (long)Math.Round(Steps * left / length);
        return left <= 0 ? null : this with
        {
            Began = time,
            Step = Step + Steps - steps,
            Steps = steps,
            Seconds = Seconds.ToDictionary(part => part.Key, part => part.Value * left / length),
        };
    }
}
