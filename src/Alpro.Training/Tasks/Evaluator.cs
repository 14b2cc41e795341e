using Alpro.Data.Batches;
using Alpro.Model;
using Alpro.Training.Evaluation;
using static TorchSharp.torch;

namespace Alpro.Training.Tasks;

/// <summary>
/// Does shares of an evaluation, one after another and in any order within a stage, on the one thread that calls it. All it hands on
/// are the files it writes: what several evaluators found is put together from there (<see cref="DownstreamTask.Read"/>).
/// </summary>
/// <param name="model">The model; the evaluator disposes it.</param>
/// <param name="plan">What is evaluated.</param>
/// <param name="results">Where finished shares are written.</param>
/// <param name="read">Reads the videos.</param>
public abstract class Evaluator(AlproModel model, EvaluationPlan plan, PartialResults results, ReadVideos read) : IDisposable
{
    private protected AlproModel Model => model;

    private protected EvaluationPlan Plan => plan;

    private protected PartialResults Results => results;

    /// <summary>Does a share and writes it down.</summary>
    /// <param name="share">The share; texts only when all videos are done.</param>
    /// <param name="stop">Gives the share up between two passes of the model.</param>
    public void Do(EvaluationShare share, CancellationToken stop = default)
    {
        using var scope = NewDisposeScope();
        if (share.Stage == EvaluationStage.Texts)
        {
            results.Write(share, DoTexts(share.First, share.Count, stop), [], []);
            return;
        }
        var missing = new List<MissingVideo>();
        (IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyList<string> keys) = DoVideos(Read(share, missing, stop));
        results.Write(share, tensors, keys, missing);
    }

    /// <inheritdoc/>
    public virtual void Dispose()
    {
        model.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>What is found of videos, and the names of those that the tensors are of, where a later stage needs them.</summary>
    private protected abstract (IReadOnlyDictionary<string, Tensor> Tensors, IReadOnlyList<string> Keys) DoVideos(
        IEnumerable<ClipBatch> videos);

    /// <summary>What is found of a stretch of texts, for a task with such a stage.</summary>
    private protected virtual IReadOnlyDictionary<string, Tensor> DoTexts(int first, int count, CancellationToken stop) =>
        throw new InvalidOperationException($"{plan.Task.Title} has no stage of texts.");

    private IEnumerable<ClipBatch> Read(EvaluationShare share, List<MissingVideo> missing, CancellationToken stop)
    {
        foreach (ClipBatch batch in read([.. Enumerable.Range(share.First, share.Count)], missing.Add))
        {
            yield return batch;
            stop.ThrowIfCancellationRequested();
        }
    }
}
