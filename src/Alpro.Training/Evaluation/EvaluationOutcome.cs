using Alpro.Data;
using Alpro.Training.Configuration;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Training.Evaluation;

/// <summary>What an evaluation found, before anything is counted.</summary>
/// <param name="Missing">Videos that could not be read.</param>
/// <param name="Retrieval">The scores of every pair; null for question answering.</param>
/// <param name="Answers">The answer to every question on a video that was read; null for retrieval.</param>
public sealed record EvaluationOutcome(IReadOnlyList<MissingVideo> Missing, RetrievalScores? Retrieval, IReadOnlyList<Answered>? Answers)
{
    private const string Questions = "questions", Labels = "labels", Probabilities = "probabilities";

    /// <summary>Puts the results of all shares together.</summary>
    /// <param name="config">What was evaluated.</param>
    /// <param name="set">Videos and texts.</param>
    /// <param name="results">The finished shares: all there are.</param>
    public static EvaluationOutcome Read(RunConfig config, EvaluationSet set, PartialResults results)
    {
        using var scope = NewDisposeScope();
        var missing = new List<MissingVideo>();
        var videos = new List<string>();
        var answers = new List<Answered>();
        foreach (EvaluationShare share in EvaluationShare.Of(config, set, EvaluationStage.Videos))
        {
            (IReadOnlyDictionary<string, Tensor> tensors, string[] read, MissingVideo[] lost) = results.Read(share);
            missing.AddRange(lost);
            videos.AddRange(read);
            if (config.Task == LearningTask.QuestionAnswering) answers.AddRange(FromTensors(tensors));
        }
        RequireVideos(set, missing);
        if (config.Task == LearningTask.QuestionAnswering) return new(missing, null, answers);
        int pairs = set.Texts.Count * videos.Count;
        var scores = new RetrievalScores(videos, new float[pairs], new float[pairs]);
        foreach (EvaluationShare share in EvaluationShare.Of(config, set, EvaluationStage.Texts)) scores.Take(results.Read(share).Tensors);
        return new(missing, scores, null);
    }

    /// <summary>Refuses to score a set of which no video can be read.</summary>
    /// <exception cref="DataException">None can.</exception>
    internal static void RequireVideos(EvaluationSet set, IReadOnlyList<MissingVideo> missing)
    {
        if (set.VideoKeys.Count == 0) throw new DataException("There is nothing to evaluate: the annotations have no row that can be used.");
        if (missing.Count == set.VideoKeys.Count) throw new DataException($"None of the {missing.Count} videos can be read; the first is {missing[0]}. Do they lie where the configuration says?");
    }

    /// <summary>The best answers, as an evaluator writes them down.</summary>
    internal static IReadOnlyDictionary<string, Tensor> ToTensors(IReadOnlyCollection<Answered> answers) => new Dictionary<string, Tensor>
    {
        [Questions] = tensor([.. answers.Select(answer => (long)answer.Question)]),
        [Labels] = tensor([.. answers.Select(answer => (long)answer.Labels[0])]),
        [Probabilities] = tensor([.. answers.Select(answer => answer.Probabilities[0])]),
    };

    private static IEnumerable<Answered> FromTensors(IReadOnlyDictionary<string, Tensor> tensors)
    {
        (long[] labels, float[] probabilities) = (tensors[Labels].data<long>().ToArray(), tensors[Probabilities].data<float>().ToArray());
        return tensors[Questions].data<long>().ToArray().Select((question, i) => new Answered((int)question, [(int)labels[i]], [probabilities[i]]));
    }
}
