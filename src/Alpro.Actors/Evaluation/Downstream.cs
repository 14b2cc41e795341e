using Alpro.Actors.Hosting;
using Alpro.Model;
using Alpro.Training.Configuration;
using Alpro.Training.Evaluation;

namespace Alpro.Actors.Evaluation;

/// <summary>Scores a model that is in memory, on the thread that trains it: the validation of a downstream run.</summary>
public static class Downstream
{
    /// <summary>Scores a model; a question-answering model answers, any other retrieves.</summary>
    /// <param name="host">Where the clips are made.</param>
    /// <param name="config">The run: evaluation clip, batch sizes, precision.</param>
    /// <param name="data">The data, of which the first corpus is scored.</param>
    /// <param name="model">The model; it is left in evaluation mode. Everything runs on the calling thread.</param>
    public static DownstreamScores Score(RunHost host, RunConfig config, RunData data, AlproModel model)
    {
        EvaluationSet set = data.EvaluationSet();
        var missing = new List<MissingVideo>();
        var videos = host.Videos(config, data, set)([.. Enumerable.Range(0, set.VideoKeys.Count)], missing.Add);
        return DownstreamScores.Of(data.Corpora[0].Name, config, set, model is AlproForQuestionAnswering answering ? Answer(answering) : Retrieve());

        EvaluationOutcome Answer(AlproForQuestionAnswering answering) =>
            new(missing, null, [.. new QuestionAnsweringEvaluator(answering, config.Evaluation, config.Training.Precision).Answer(videos, set)]);

        EvaluationOutcome Retrieve()
        {
            using var evaluator = new RetrievalEvaluator(model, config.Evaluation, config.Training.Precision, EncodedVideos.Of(model, config.Training.Precision, videos), set.Texts);
            if (config.Evaluation.Score == RetrievalScore.Matching) evaluator.Match(0, set.Texts.Count);
            return new(missing, evaluator.Scores, null);
        }
    }
}
