using Alpro.Training.Configuration;

namespace Alpro.Training.Optimization;

/// <summary>The learning rate of every step of a run, as the released code computes it.</summary>
/// <param name="config">Warm-up and decay.</param>
/// <param name="peak">The highest learning rate.</param>
/// <param name="totalSteps">Steps of the run.</param>
internal sealed class LearningRateSchedule(ScheduleConfig config, double peak, long totalSteps)
{
    /// <summary>The learning rate where the schedule says 0: an update of nothing would hide that a step was taken.</summary>
    private const double Least = 1e-8;

    private readonly long _warmup = (long)(config.WarmupRatio * totalSteps);

    /// <summary>The learning rate of a step.</summary>
    /// <param name="step">The step counted from 1: the first update of a run with warm-up is not at 0.</param>
    /// <param name="epoch">The epoch counted from 0, which multi-step goes by.</param>
    public double At(long step, int epoch = 0)
    {
        double rate = peak * config.Decay switch
        {
            LearningRateDecay.Constant => 1,
            LearningRateDecay.MultiStep => MultiStep(epoch),
            _ when step < _warmup => step / (double)_warmup,
            LearningRateDecay.Linear => (totalSteps - step) / (double)Math.Max(1, totalSteps - _warmup),
            _ => Math.Sqrt(Math.Max(1, _warmup) / (double)Math.Max(1, step)),
        };
        return rate > 0 ? rate : Least;
    }

    /// <summary>One power of gamma per milestone passed, and, as in the released code, one more after the last.</summary>
    private double MultiStep(int epoch)
    {
        int passed = config.Milestones.Count(milestone => epoch >= milestone);
        return Math.Pow(config.Gamma, passed < config.Milestones.Count ? passed : passed + 1);
    }
}
