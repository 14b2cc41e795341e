namespace Alpro.Training.Configuration;

/// <summary>What happens to the learning rate after the warm-up.</summary>
public enum LearningRateDecay
{
    /// <summary>Falls in a line to 0 at the last step.</summary>
    Linear,

    /// <summary>Stays at its highest.</summary>
    Constant,

    /// <summary>Falls with the inverse square root of the step.</summary>
    Invsqrt,

    /// <summary>Is multiplied by <see cref="ScheduleConfig.Gamma"/> at each milestone.</summary>
    MultiStep,
}

/// <summary>The learning rate over a run (<c>schedule</c>).</summary>
public sealed record ScheduleConfig
{
    /// <summary>What happens after the warm-up.</summary>
    public LearningRateDecay Decay { get; init; } = LearningRateDecay.Linear;

    /// <summary>Share of the run's steps over which the learning rate rises from 0, where it is linear or invsqrt.</summary>
    public double WarmupRatio { get; init; } = 0.05;

    /// <summary>Epochs at which <see cref="LearningRateDecay.MultiStep"/> falls.</summary>
    public IReadOnlyList<int> Milestones { get; init; } = [];

    /// <summary>What <see cref="LearningRateDecay.MultiStep"/> multiplies by.</summary>
    public double Gamma { get; init; } = 0.5;

    internal void Check(ConfigProblems problems)
    {
        problems.Require(WarmupRatio is >= 0 and < 1, "schedule.warmupRatio", WarmupRatio, "at least 0 and below 1");
        problems.Require(Gamma > 0, "schedule.gamma", Gamma, "above 0");
        problems.Require(Decay != LearningRateDecay.MultiStep || Milestones.Count > 0, "schedule.milestones", "empty",
            "the epochs at which multi-step falls");
    }
}
