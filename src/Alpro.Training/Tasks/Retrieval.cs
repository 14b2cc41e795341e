using Alpro.Data.Batches;
using Alpro.Model;
using Alpro.Training.Configuration;
using Alpro.Training.Evaluation;
using static TorchSharp.torch;

namespace Alpro.Training.Tasks;

/// <summary>
/// Text-video retrieval (paper section 4.3), in both directions. In the first stage videos are encoded, in the second each text is
/// matched with the videos on its shortlist.
/// </summary>
internal class Retrieval : DownstreamTask
{
    public override LearningTask Setting => LearningTask.Retrieval;

    public override string Title => "retrieval";

    public override bool HasTextStage => true;

    public override PublishedFigures Published { get; } = new(["r1", "r5", "r10", "medianR", "meanR"],
    [
        ("msrvtt", [33.9, 60.7, 73.2, 3.0, 27.404]),
        ("didemo", [35.9, 67.5, 78.8, 3.0, 19.125]),
    ])
    { Part = "text2video" };

    public override AlproModel CreateModel(ModelConfig config) => new AlproForRetrieval(config);

    /// <summary>Scores pairs of the texts of a plan and of videos.</summary>
    /// <param name="model">The model, in evaluation mode from here on.</param>
    /// <param name="plan">The texts, sizes of the chunks, precision.</param>
    /// <param name="videos">The videos, one lot after another; their tokens are disposed here.</param>
    /// <exception cref="NotANumberException">A contrastive score is not a number.</exception>
    public PairScorer Scorer(AlproModel model, EvaluationPlan plan, IEnumerable<EncodedVideos> videos) => new(model, plan, videos, Wanted);

    public override Evaluator Open(AlproModel model, EvaluationPlan plan, PartialResults results, ReadVideos read) =>
        new RetrievalEvaluator(this, model, plan, results, read);

    public override DownstreamScores Read(EvaluationPlan plan, PartialResults results)
    {
        var missing = new List<MissingVideo>();
        var videos = new List<string>();
        foreach (EvaluationShare share in plan.Shares(EvaluationStage.Videos))
        {
            using var scope = NewDisposeScope();
            (_, string[] read, MissingVideo[] lost) = results.Read(share);
            missing.AddRange(lost);
            videos.AddRange(read);
        }
        plan.Set.RequireVideos(missing);
        int pairs = plan.Set.Texts.Count * videos.Count;
        var scores = new PairScores(videos, new float[pairs], new float[pairs]);
        foreach (EvaluationShare share in plan.Shares(EvaluationStage.Texts))
        {
            using var scope = NewDisposeScope();
            scores.Take(results.Read(share).Tensors);
        }
        return Count(plan, missing, scores);
    }

    public override IReadOnlyList<TextPrediction> Predict(AlproModel model, EvaluationPlan plan, ClipBatch video, int top)
    {
        RunConfig config = plan.Config with { Evaluation = plan.Config.Evaluation with { Rerank = null } };
        using PairScorer scorer = Scorer(model, plan with { Config = config }, EncodedVideos.Of(model, config.Training.Precision, [video]));
        bool matches = config.Evaluation.Score == RetrievalScore.Matching;         // else the evaluation asks for no match either
        if (matches) scorer.Match(0, plan.Set.Texts.Count);
        return [.. Enumerable.Range(0, plan.Set.Texts.Count).Select(text =>
            new TextPrediction(matches ? scorer.Scores.Matching_TV[text] : null, scorer.Scores.Contrastive_TV[text], []))];
    }

    private protected override DownstreamScores Score(
        AlproModel model, EvaluationPlan plan, IEnumerable<ClipBatch> videos, IReadOnlyList<MissingVideo> missing)
    {
        using PairScorer scorer = Scorer(model, plan, EncodedVideos.Of(model, plan.Config.Training.Precision, videos));
        if (plan.Config.Evaluation.Score == RetrievalScore.Matching) scorer.Match(0, plan.Set.Texts.Count);
        return Count(plan, missing, scorer.Scores);
    }

    /// <summary>Which pairs [T, V] are matched: all, or the best of each text and of each video by the contrastive score.</summary>
    /// <param name="plan">The texts, and how many are kept.</param>
    /// <param name="scores">The videos and the contrastive scores.</param>
    private protected virtual bool[] Wanted(EvaluationPlan plan, PairScores scores)
    {
        bool[] wanted = new bool[scores.Contrastive_TV.Length];
        int videos = scores.VideoKeys.Count, texts = plan.Set.Texts.Count;
        float Score(int text, int video) => scores.Contrastive_TV[text * videos + video];
        if (plan.Config.Evaluation.Rerank is not { } keep)
        {
            Array.Fill(wanted, true);
            return wanted;
        }
        for (int t = 0; t < texts; t++)
            foreach (int v in Enumerable.Range(0, videos).OrderByDescending(v => Score(t, v)).Take(keep)) wanted[t * videos + v] = true;
        for (int v = 0; v < videos; v++)
            foreach (int t in Enumerable.Range(0, texts).OrderByDescending(t => Score(t, v)).Take(keep)) wanted[t * videos + v] = true;
        return wanted;
    }

    /// <summary>Counts what was found.</summary>
    private protected virtual DownstreamScores Count(EvaluationPlan plan, IReadOnlyList<MissingVideo> missing, PairScores pairs) =>
        new RetrievalScores(plan, missing, pairs);
}

/// <summary>Does shares of retrieval.</summary>
internal sealed class RetrievalEvaluator(Retrieval task, AlproModel model, EvaluationPlan plan, PartialResults results, ReadVideos read)
    : Evaluator(model, plan, results, read)
{
    private const string Tokens = "tokens", Features = "features";

    private PairScorer? _scorer;

    public override void Dispose()
    {
        _scorer?.Dispose();
        base.Dispose();
    }

    private protected override (IReadOnlyDictionary<string, Tensor> Tensors, IReadOnlyList<string> Keys) DoVideos(
        IEnumerable<ClipBatch> videos)
    {
        EncodedVideos[] encoded = [.. EncodedVideos.Of(Model, Plan.Config.Training.Precision, videos)];
        var tensors = new Dictionary<string, Tensor>();
        if (encoded.Length > 0)                                      // else none of the share could be read
        {
            tensors[Tokens] = cat([.. encoded.Select(some => some.Tokens_BVD)], 0).cpu();
            tensors[Features] = cat([.. encoded.Select(some => some.Features_BF)], 0).cpu();
        }
        return (tensors, [.. encoded.SelectMany(some => some.Keys)]);
    }

    private protected override IReadOnlyDictionary<string, Tensor> DoTexts(int first, int count, CancellationToken stop)
    {
        _scorer ??= task.Scorer(Model, Plan, Encoded());
        if (Plan.Config.Evaluation.Score == RetrievalScore.Matching) _scorer.Match(first, count, stop);
        return _scorer.Scores.ToTensors(_scorer.Stretch(first, count));
    }

    /// <summary>The videos that all evaluators have encoded.</summary>
    private IEnumerable<EncodedVideos> Encoded()
    {
        var missing = new List<MissingVideo>();
        foreach (EvaluationShare share in Plan.Shares(EvaluationStage.Videos))
        {
            (IReadOnlyDictionary<string, Tensor> tensors, string[] videos, MissingVideo[] lost) = Results.Read(share);
            missing.AddRange(lost);
            if (videos.Length > 0) yield return new(videos, tensors[Tokens], tensors[Features]);
        }
        Plan.Set.RequireVideos(missing);
    }
}
