using Alpro.Training.Configuration;
using Alpro.Training.Evaluation;

namespace Alpro.Training.Tasks;

/// <summary>What is evaluated, and how the work is shared out.</summary>
/// <param name="Corpus">The corpus's name.</param>
/// <param name="Config">The task, batch sizes, what pairs are ranked by, precision.</param>
/// <param name="Set">Videos and texts.</param>
public sealed record EvaluationPlan(string Corpus, RunConfig Config, EvaluationSet Set)
{
    private const int BatchesPerShare = 4, TextsPerShare = 32;

    /// <summary>What the model is scored on.</summary>
    public DownstreamTask Task => DownstreamTask.Of(Config.Task);

    /// <summary>The shares of a stage. They depend on the plan alone, so that the scores do not depend on who evaluates.</summary>
    public IReadOnlyList<EvaluationShare> Shares(EvaluationStage stage) => stage switch
    {
        EvaluationStage.Videos => Stretches(stage, Set.VideoKeys.Count, BatchesPerShare * Config.Evaluation.BatchSize),
        _ => Task.HasTextStage ? Stretches(stage, Set.Texts.Count, TextsPerShare) : [],
    };

    private static EvaluationShare[] Stretches(EvaluationStage stage, int all, int size) =>
        [.. Enumerable.Range(0, (all + size - 1) / size)
            .Select(share => new EvaluationShare(stage, share * size, Math.Min(size, all - share * size)))];
}
