using Alpro.Actors.Pipeline;
using Alpro.Data.Batches;
using Alpro.Data.Corpus;
using Alpro.Model;
using Alpro.Training;
using Alpro.Training.Evaluation;

namespace Alpro.Actors;

/// <summary>The scores of a model on the videos and texts of a corpus.</summary>
/// <param name="Corpus">The corpus.</param>
/// <param name="Videos">Videos asked for.</param>
/// <param name="Texts">Captions or questions.</param>
/// <param name="Missing">Videos that could not be read, with the reason.</param>
/// <param name="Retrieval">Figures over the videos that were read, ranked as the configuration says; null for question answering.</param>
/// <param name="RetrievalByContrast">The same videos ranked by the contrastive scores, where that is not what the configuration says.</param>
/// <param name="RetrievalWithMissing">The same with the texts of missing videos counted as not found; null when nothing is missing.</param>
/// <param name="QuestionAnswering">Figures over the videos that were read; null for retrieval.</param>
/// <param name="QuestionAnsweringWithMissing">The same with the questions on missing videos counted as wrong; null when nothing is missing.</param>
public sealed record DownstreamScores(
    string Corpus, int Videos, int Texts, IReadOnlyList<string> Missing,
    RetrievalMetrics? Retrieval, RetrievalMetrics? RetrievalByContrast, RetrievalMetrics? RetrievalWithMissing,
    QuestionAnsweringMetrics? QuestionAnswering, QuestionAnsweringMetrics? QuestionAnsweringWithMissing)
{
    /// <summary>R@1 that a random order would reach, in percent; 0 for question answering.</summary>
    public double Chance => Retrieval is null ? 0 : 100.0 / (Videos - Missing.Count);

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

/// <summary>Scores models on corpora: retrieval or question answering, every video decoded and encoded once.</summary>
public static class Downstream
{
    /// <summary>Texts matched with all their videos between two looks at the progress.</summary>
    private const int TextsPerStretch = 32;

    /// <summary>Scores a model; a question-answering model answers, any other retrieves.</summary>
    /// <param name="host">Where the clips are made.</param>
    /// <param name="config">The run: evaluation clip, batch sizes, precision.</param>
    /// <param name="data">The data, of which the first corpus is scored.</param>
    /// <param name="model">The model; it is left in evaluation mode. Everything runs on the calling thread.</param>
    /// <param name="progress">Told how much of the work is done, 0 to 1.</param>
    public static DownstreamScores Score(RunHost host, RunConfig config, RunData data, AlproModel model, IProgress<double>? progress = null)
    {
        VideoTextCorpus corpus = data.Corpora[0];
        var clips = config.Data.ClipForEvaluation();
        EvaluationSet set = EvaluationSet.Of(corpus, data.Tokenizer, clips.TextLength, data.Answers);
        var ledger = new ClipLedger();
        int read = 0;
        IEnumerable<ClipBatch> videos = host.Read(data, set.VideoRows, clips with { MaskProbability = 0, RegionPatch = 0 }, config.Evaluation.BatchSize, ledger)
            .Select(batch =>
            {
                progress?.Report(0.5 * (read += batch.Size) / set.VideoRows.Count);
                return batch;
            });
        if (model is AlproForQuestionAnswering answering)
        {
            List<Answered> answers = [.. new QuestionAnsweringEvaluator(answering, config.Evaluation, config.Training.Precision).Answer(videos, set)];
            return Scores(null, null, null, QuestionAnsweringEvaluator.Metrics(set, answers, withMissing: false),
                ledger.Rejected == 0 ? null : QuestionAnsweringEvaluator.Metrics(set, answers, withMissing: true));
        }
        using var evaluator = new RetrievalEvaluator(model, config.Evaluation, config.Training.Precision, videos, set.Texts);
        RetrievalMetrics contrast = Metrics(withMissing: false, byContrast: true);
        if (config.Evaluation.Score == RetrievalScore.Contrastive)
            return Scores(contrast, null, ledger.Rejected == 0 ? null : Metrics(withMissing: true, byContrast: true), null, null);
        for (int text = 0; text < set.Texts.Count; text += TextsPerStretch)
        {
            evaluator.Match(text, Math.Min(TextsPerStretch, set.Texts.Count - text));
            progress?.Report(0.5 + 0.5 * text / set.Texts.Count);
        }
        return Scores(Metrics(withMissing: false, byContrast: false), contrast, ledger.Rejected == 0 ? null : Metrics(withMissing: true, byContrast: false), null, null);

        RetrievalMetrics Metrics(bool withMissing, bool byContrast) => evaluator.Scores.Metrics(set, withMissing, byContrast);

        DownstreamScores Scores(RetrievalMetrics? retrieval, RetrievalMetrics? byContrast, RetrievalMetrics? retrievalWithMissing, QuestionAnsweringMetrics? answers, QuestionAnsweringMetrics? answersWithMissing) =>
            new(corpus.Name, set.VideoKeys.Count, set.Texts.Count, [.. ledger.Rejections.Select(rejection => $"{corpus[rejection.Request.Row].Key}: {rejection.Reason}")],
                retrieval, byContrast, retrievalWithMissing, answers, answersWithMissing);
    }
}
