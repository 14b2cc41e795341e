
namespace Alpro.Training.Configuration;

/// <summary>AdamW (<c>optimizer</c>), as the released recipes use it.</summary>
public sealed record OptimizerConfig
{
    /// <summary>The highest learning rate of the schedule.</summary>
    public double LearningRate { get; init; } = 1e-4;

    /// <summary>Decay of the first moment.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the second moment.</summary>
    public double Beta2 { get; init; } = 0.98;

    /// <summary>Added to the square root of the second moment.</summary>
    public double Epsilon { get; init; } = 1e-6;

    /// <summary>
    /// Decoupled weight decay; biases and layer norms are left out by rule. The released runs trained with 0, whatever their files say.
    /// </summary>
    public double WeightDecay { get; init; }

    internal void Check(ConfigProblems problems)
    {
        problems.Require(LearningRate > 0, "optimizer.learningRate", LearningRate, "above 0");
        problems.Require(Beta1 is >= 0 and < 1, "optimizer.beta1", Beta1, "at least 0 and below 1");
        problems.Require(Beta2 is >= 0 and < 1, "optimizer.beta2", Beta2, "at least 0 and below 1");
        problems.Require(Epsilon > 0, "optimizer.epsilon", Epsilon, "above 0");
        problems.Require(WeightDecay >= 0, "optimizer.weightDecay", WeightDecay, "at least 0");
    }
}
