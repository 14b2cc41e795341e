using Alpro.Training.Configuration;
using Alpro.Training.Records;

namespace Alpro.Training.Evaluation;

/// <summary>The scores of a model on the videos and texts of a corpus.</summary>
/// <param name="Corpus">The corpus.</param>
/// <param name="Videos">Videos asked for.</param>
/// <param name="Texts">Captions or questions.</param>
/// <param name="Missing">Videos that could not be read, with the reason.</param>
/// <param name="Retrieval">Figures over the videos that were read, ranked as the configuration says; null for question answering.</param>
/// <param name="RetrievalRounded">The same with scores rounded to four decimals first, as the released code ranks them.</param>
/// <param name="RetrievalByContrast">The same videos ranked by the contrastive scores, where that is not what the configuration says.</param>
/// <param name="RetrievalWithMissing">The same with the texts of missing videos counted as not found; null when nothing is missing.</param>
/// <param name="QuestionAnswering">Figures over the videos that were read; null for retrieval.</param>
/// <param name="QuestionAnsweringWithMissing">The same with the questions on missing videos counted as wrong; null when nothing is missing.</param>
public sealed record DownstreamScores(
    string Corpus, int Videos, int Texts, IReadOnlyList<MissingVideo> Missing,
    RetrievalMetrics? Retrieval, RetrievalMetrics? RetrievalRounded, RetrievalMetrics? RetrievalByContrast, RetrievalMetrics? RetrievalWithMissing,
    QuestionAnsweringMetrics? QuestionAnswering, QuestionAnsweringMetrics? QuestionAnsweringWithMissing)
{
    /// <summary>Decimals to which the released code rounds a score before it ranks by it.</summary>
    public const int ReferenceDecimals = 4;

    /// <summary>R@1 that a random order would reach, in percent; 0 for question answering.</summary>
    public double Chance => Retrieval is null ? 0 : 100.0 / (Videos - Missing.Count);

    /// <summary>The line that the released code prints: over the videos that were read.</summary>
    public string Line => Retrieval?.ToString() ?? QuestionAnswering!.ToString();

    /// <summary>Counts what an evaluation found.</summary>
    /// <param name="corpus">The corpus's name.</param>
    /// <param name="config">What pairs are ranked by.</param>
    /// <param name="set">What belongs to what.</param>
    /// <param name="found">What was found.</param>
    public static DownstreamScores Of(string corpus, RunConfig config, EvaluationSet set, EvaluationOutcome found)
    {
        bool missing = found.Missing.Count > 0, byContrast = config.Evaluation.Score == RetrievalScore.Contrastive;
        var scores = new DownstreamScores(corpus, set.VideoKeys.Count, set.Texts.Count, found.Missing, null, null, null, null, null, null);
        return found.Retrieval is { } retrieval
            ? scores with
            {
                Retrieval = retrieval.Metrics(set, withMissing: false, byContrast),
                RetrievalRounded = retrieval.Metrics(set, withMissing: false, byContrast, ReferenceDecimals),
                RetrievalByContrast = byContrast ? null : retrieval.Metrics(set, withMissing: false, byContrast: true),
                RetrievalWithMissing = missing ? retrieval.Metrics(set, withMissing: true, byContrast) : null,
            }
            : scores with
            {
                QuestionAnswering = QuestionAnsweringEvaluator.Metrics(set, found.Answers!, withMissing: false),
                QuestionAnsweringWithMissing = missing ? QuestionAnsweringEvaluator.Metrics(set, found.Answers!, withMissing: true) : null,
            };
    }

    /// <summary>As the record of a validation: the mean of both R@1, or the accuracy, decides which checkpoint is best.</summary>
    public ValidationRecord ToRecord(long step, double seconds) => Retrieval is { } retrieval
        ? new(step, (retrieval.TextToVideo.R1 + retrieval.VideoToText.R1) / 2, new Dictionary<string, double>
        {
            ["text2videoR1"] = retrieval.TextToVideo.R1,
            ["text2videoR5"] = retrieval.TextToVideo.R5,
            ["text2videoR10"] = retrieval.TextToVideo.R10,
            ["video2textR1"] = retrieval.VideoToText.R1,
        }, seconds)
        : new(step, QuestionAnswering!.Overall.Accuracy, new Dictionary<string, double> { ["accuracy"] = QuestionAnswering.Overall.Accuracy }, seconds);
}
