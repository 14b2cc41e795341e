using Alpro.Data.Media;
using Alpro.Training.Configuration;

namespace Alpro.Training.Evaluation;

/// <summary>The stages of an evaluation, one after the other.</summary>
public enum EvaluationStage
{
    /// <summary>Videos are decoded and encoded; question answering then also answers their questions, and is done.</summary>
    Videos,

    /// <summary>Texts are matched with all videos.</summary>
    Texts,
}

/// <summary>A stretch of an evaluation's videos or texts: what one evaluator does at a time, and writes down as one file.</summary>
/// <param name="Stage">Videos or texts.</param>
/// <param name="First">The first of the stretch; texts are numbered by length.</param>
/// <param name="Count">How many.</param>
public sealed record EvaluationShare(EvaluationStage Stage, int First, int Count)
{
    private const int BatchesPerShare = 4, TextsPerShare = 32;

    /// <summary>The shares of a stage. They depend on what is evaluated alone, so that the scores do not depend on who evaluates it.</summary>
    public static IReadOnlyList<EvaluationShare> Of(RunConfig config, EvaluationSet set, EvaluationStage stage) => stage switch
    {
        EvaluationStage.Videos => Stretches(stage, set.VideoKeys.Count, BatchesPerShare * config.Evaluation.BatchSize),
        _ when config.Task == LearningTask.QuestionAnswering => [],
        _ => Stretches(stage, set.Texts.Count, TextsPerShare),
    };

    private static EvaluationShare[] Stretches(EvaluationStage stage, int all, int size) =>
        [.. from first in Enumerable.Range(0, (all + size - 1) / size) select new EvaluationShare(stage, first * size, Math.Min(size, all - first * size))];
}

/// <summary>A video that could not be read.</summary>
/// <param name="Video">Its name.</param>
/// <param name="Reason">Why.</param>
public sealed record MissingVideo(string Video, RejectReason Reason)
{
    /// <summary>Both, for a person.</summary>
    public override string ToString() => $"{Video}: {Reason}";
}
