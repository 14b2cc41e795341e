using System.Text.Json.Serialization;

namespace Alpro.Training.Records;

/// <summary>Where the wall time of a run went, over all its processes.</summary>
/// <param name="Seconds">From the begin of its first process to the end of its last word.</param>
/// <param name="Parts">The seconds of each cause. Their sum is the wall time.</param>
/// <param name="StepsDoneAgain">Steps that were lost, and done again.</param>
public sealed record TimeAccount(double Seconds, IReadOnlyDictionary<TimeCause, double> Parts, long StepsDoneAgain)
{
    /// <summary>Stretches that follow each other are no further apart.</summary>
    private static readonly TimeSpan _rounding = TimeSpan.FromMilliseconds(1);

    /// <summary>Share of the wall time that was training steps that counted.</summary>
    public double Goodput => Seconds > 0 ? Parts.GetValueOrDefault(TimeCause.Training) / Seconds : 0;

    /// <summary>The wall time, and what share of it counted, in words.</summary>
    [JsonIgnore]
    public string Words => $"{Clock(Seconds)} on the wall, {Goodput:P1} of it training steps that counted"
        + (StepsDoneAgain > 0 ? $"; {StepsDoneAgain} steps were done again." : ".");

    /// <summary>The causes and their shares, the largest first, without those that are next to nothing.</summary>
    [JsonIgnore]
    public string Shares => string.Join(", ", Parts.OrderByDescending(part => part.Value).Where(part => part.Value >= 0.0005 * Seconds)
        .Select(part => $"{part.Value / Seconds:P1} {Name(part.Key)}"));

    /// <summary>Seconds as hours, minutes and seconds.</summary>
    public static string Clock(double seconds) => $"{(int)(seconds / 3600)}:{TimeSpan.FromSeconds(Math.Max(0, seconds)):mm\\:ss}";

    /// <summary>The account of a run's timeline; null where it has none.</summary>
    public static TimeAccount? Of(RunFolder folder) => Of(RunLog.Read<Stretch>(folder.Timeline));

    /// <summary>The account of a timeline; null where it is empty.</summary>
    public static TimeAccount? Of(IEnumerable<Stretch> timeline)
    {
        var parts = new SortedDictionary<TimeCause, double>();
        var counted = new Stack<(long Step, long Steps, double Training)>();
        (DateTimeOffset? began, DateTimeOffset ended, long again) = (null, default, 0);
        foreach (Stretch next in timeline)
        {
            if (next.After(ended) is not { } stretch) continue;
            if (began is not null && stretch.Began - ended > _rounding) Add(TimeCause.Stopped, (stretch.Began - ended).TotalSeconds);
            began ??= stretch.Began;
            ended = stretch.Ended;
            foreach ((TimeCause cause, double seconds) in stretch.Seconds) Add(cause, seconds);
            if (stretch.Steps == 0) continue;
            while (counted.TryPeek(out var last) && last.Step + last.Steps > stretch.Step) Undo(counted.Pop(), stretch.Step);
            counted.Push((stretch.Step, stretch.Steps, stretch.Seconds.GetValueOrDefault(TimeCause.Training)));
        }
        return began is null ? null : new((ended - began.Value).TotalSeconds, parts, again);

        void Add(TimeCause cause, double seconds) => parts[cause] = parts.GetValueOrDefault(cause) + seconds;

        void Undo((long Step, long Steps, double Training) stretch, long from)
        {
            long stay = Math.Max(0, from - stretch.Step), gone = stretch.Steps - stay;
            double lost = stretch.Training * gone / stretch.Steps;
            Add(TimeCause.Training, -lost);
            Add(TimeCause.DoneAgain, lost);
            again += gone;
            if (stay > 0) counted.Push((stretch.Step, stay, stretch.Training - lost));
        }
    }

    /// <summary>What counts to a cause.</summary>
    public static string Meaning(TimeCause cause) => cause switch
    {
        TimeCause.Training => "steps that counted, without the waiting in them",
        TimeCause.Waiting => "the trainer had no batch: decoding was behind",
        TimeCause.Validation => "the model was scored",
        TimeCause.Checkpoint => "the disk was behind, or the last checkpoint was being written",
        TimeCause.StartUp => "from the begin of a process to its first step",
        TimeCause.Restart => "from a failure of the trainer to its next step",
        TimeCause.RankLost => "from the loss of a trainer to the next step without it",
        TimeCause.GroupGrown => "from the end of a group to the first step of a larger one",
        TimeCause.Paused => "there were too few trainers",
        TimeCause.DoneAgain => "steps that were lost with a process or a group, and done again",
        _ => "between a process that ended, or was killed, and the next",
    };

    /// <summary>What a cause is called.</summary>
    public static string Name(TimeCause cause) => cause switch
    {
        TimeCause.Training => "training",
        TimeCause.Waiting => "waiting for clips",
        TimeCause.Validation => "validation",
        TimeCause.Checkpoint => "waiting for checkpoints",
        TimeCause.StartUp => "start-up",
        TimeCause.Restart => "restarts of the trainer",
        TimeCause.RankLost => "recovery from a lost rank",
        TimeCause.GroupGrown => "making room for a larger group",
        TimeCause.Paused => "paused for more trainers",
        TimeCause.DoneAgain => "training done again",
        _ => "no process trained",
    };
}
