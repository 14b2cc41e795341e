using Alpro.Data.Batches;
using Alpro.Model;
using Alpro.Training.Configuration;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Training.Evaluation;

/// <summary>Reads videos, in order, as batches; those that cannot be read are told to <paramref name="missing"/>.</summary>
/// <param name="videos">Numbers of the videos.</param>
/// <param name="missing">Told of every video that cannot be read.</param>
public delegate IEnumerable<ClipBatch> ReadVideos(IReadOnlyList<int> videos, Action<MissingVideo> missing);

/// <summary>
/// Does shares of an evaluation, one after another and in any order within a stage, on the one thread that calls it. All it hands on
/// are the files it writes: what several evaluators found is put together from there (<see cref="EvaluationOutcome.Read"/>).
/// </summary>
/// <param name="model">The model; the evaluator disposes it.</param>
/// <param name="config">Batch sizes, shortlist, precision.</param>
/// <param name="set">Videos and texts.</param>
/// <param name="results">Where finished shares are written.</param>
/// <param name="read">Reads the videos.</param>
public sealed class Evaluator(AlproModel model, RunConfig config, EvaluationSet set, PartialResults results, ReadVideos read) : IDisposable
{
    private const string Tokens = "tokens", Features = "features";

    private RetrievalEvaluator? _retrieval;

    /// <summary>Does a share and writes it down.</summary>
    /// <param name="share">The share; texts only when all videos are done.</param>
    /// <param name="stop">Gives the share up between two passes of the model.</param>
    public void Do(EvaluationShare share, CancellationToken stop = default)
    {
        using var scope = NewDisposeScope();
        if (share.Stage == EvaluationStage.Texts) Match(share, stop);
        else if (model is AlproForQuestionAnswering answering) Answer(answering, share, stop);
        else Encode(share, stop);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _retrieval?.Dispose();
        model.Dispose();
    }

    private void Encode(EvaluationShare share, CancellationToken stop)
    {
        var missing = new List<MissingVideo>();
        EncodedVideos[] videos = [.. EncodedVideos.Of(model, config.Training.Precision, Read(share, missing, stop))];
        var tensors = new Dictionary<string, Tensor>();
        if (videos.Length > 0)                                       // else none of the share could be read
        {
            tensors[Tokens] = cat([.. videos.Select(some => some.Tokens_BVD)], 0).cpu();
            tensors[Features] = cat([.. videos.Select(some => some.Features_BF)], 0).cpu();
        }
        results.Write(share, tensors, [.. videos.SelectMany(some => some.Keys)], missing);
    }

    private void Answer(AlproForQuestionAnswering answering, EvaluationShare share, CancellationToken stop)
    {
        var missing = new List<MissingVideo>();
        var answers = new QuestionAnsweringEvaluator(answering, config.Evaluation, config.Training.Precision).Answer(Read(share, missing, stop), set);
        results.Write(share, EvaluationOutcome.ToTensors([.. answers]), [], missing);
    }

    private void Match(EvaluationShare share, CancellationToken stop)
    {
        _retrieval ??= new RetrievalEvaluator(model, config.Evaluation, config.Training.Precision, Encoded(), set.Texts);
        int[] texts = _retrieval.Stretch(share.First, share.Count);
        if (config.Evaluation.Score == RetrievalScore.Matching) _retrieval.Match(share.First, share.Count, stop);
        results.Write(share, _retrieval.Scores.ToTensors(texts), [], []);
    }

    /// <summary>The videos that all evaluators have encoded.</summary>
    private IEnumerable<EncodedVideos> Encoded()
    {
        var missing = new List<MissingVideo>();
        foreach (EvaluationShare share in EvaluationShare.Of(config, set, EvaluationStage.Videos))
        {
            (IReadOnlyDictionary<string, Tensor> tensors, string[] videos, MissingVideo[] lost) = results.Read(share);
            missing.AddRange(lost);
            if (videos.Length > 0) yield return new(videos, tensors[Tokens], tensors[Features]);
        }
        EvaluationOutcome.RequireVideos(set, missing);
    }

    private IEnumerable<ClipBatch> Read(EvaluationShare share, List<MissingVideo> missing, CancellationToken stop)
    {
        foreach (ClipBatch batch in read([.. Enumerable.Range(share.First, share.Count)], missing.Add))
        {
            yield return batch;
            stop.ThrowIfCancellationRequested();
        }
    }
}
