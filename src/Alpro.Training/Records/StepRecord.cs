using System.Text.Json.Serialization;

namespace Alpro.Training.Records;

/// <summary>A loss of one step.</summary>
/// <param name="Loss">Its value.</param>
/// <param name="Correct">How many of its decisions were right; null where it has none.</param>
/// <param name="Count">Of how many.</param>
public sealed record TermRecord(double Loss, double? Correct, double? Count)
{
    /// <summary>Share of right decisions; null where there were none to make.</summary>
    public double? Accuracy => Count > 0 ? Correct / Count : null;
}

/// <summary>What happened in one step: a line of the run's log, and all that the console and the report show.</summary>
public sealed record StepRecord
{
    /// <summary>The step, from 0.</summary>
    public required long Step { get; init; }

    /// <summary>Its epoch, from 0.</summary>
    public required int Epoch { get; init; }

    /// <summary>Number of the corpus its clips came from.</summary>
    public required int Corpus { get; init; }

    /// <summary>
    /// Hash of the keys of the step's clips, in their order over all ranks: equal for equal batches, however they were shared out.
    /// </summary>
    public required string Clips { get; init; }

    /// <summary>The weighted sum of the losses.</summary>
    public required double Loss { get; init; }

    /// <summary>The losses, by name: vtc, vtm, mlm, pem, qa.</summary>
    public required IReadOnlyDictionary<string, TermRecord> Terms { get; init; }

    /// <summary>The learning rate.</summary>
    public required double LearningRate { get; init; }

    /// <summary>Norm of all gradients before clipping.</summary>
    public required double GradientNorm { get; init; }

    /// <summary>Whether the update was left out because a figure above is not finite.</summary>
    public bool Skipped { get; init; }

    /// <summary>Milliseconds of the whole step, waiting included.</summary>
    public double StepMs { get; init; }

    /// <summary>Milliseconds waited for the batch.</summary>
    public double WaitMs { get; init; }

    /// <summary>Milliseconds to make tensors of the batch and move them to the device.</summary>
    public double TransferMs { get; init; }

    /// <summary>Milliseconds of the forward pass; on a GPU, to enqueue it.</summary>
    public double ForwardMs { get; init; }

    /// <summary>Milliseconds of the backward pass; on a GPU, to enqueue it.</summary>
    public double BackwardMs { get; init; }

    /// <summary>Milliseconds to sum gradients and figures over all ranks, waiting for the other ranks included; 0 on one rank.</summary>
    public double ReduceMs { get; init; }

    /// <summary>Milliseconds of the step's one wait for the device: the gradient norm and all figures above come with it.</summary>
    public double SynchronizeMs { get; init; }

    /// <summary>Milliseconds of the optimizer; on a GPU, to enqueue it.</summary>
    public double OptimizerMs { get; init; }

    /// <summary>
    /// Milliseconds from the end of the step before to the begin of this one: records, checkpoints, validation, collections.
    /// </summary>
    public double BetweenMs { get; init; }

    /// <summary>Where the time of the step went: what its parts are called everywhere, and their milliseconds.</summary>
    [JsonIgnore]
    public IReadOnlyList<(string Name, double Milliseconds)> Phases =>
    [
        ("wait", WaitMs), ("transfer", TransferMs), ("forward", ForwardMs), ("backward", BackwardMs), ("reduce", ReduceMs),
        ("synchronize", SynchronizeMs), ("optimizer", OptimizerMs), ("between", BetweenMs),
    ];

    /// <summary>Clips per second, waiting and what lies between the steps included.</summary>
    public double ClipsPerSecond { get; init; }

    /// <summary>Share of the step spent waiting for data.</summary>
    public double WaitShare { get; init; }

    /// <summary>What each rank did and waited for, in their order; null on one rank, and on a GPU, which works at its own time.</summary>
    public IReadOnlyList<RankTimes>? Ranks { get; init; }

    /// <summary>Finished batches that waited when this one was taken.</summary>
    public int QueueDepth { get; init; }

    /// <summary>Clips for which others stood in, in the run up to this step, on all ranks.</summary>
    public long Rejected { get; init; }

    /// <summary>Resident memory of the process in MB.</summary>
    public double ResidentMb { get; init; }

    /// <summary>Managed bytes that the training thread allocated in the step.</summary>
    public long AllocatedBytes { get; init; }

    /// <summary>Garbage collections of the process so far.</summary>
    public int Collections { get; init; }

    /// <summary>Its figures by name, as TensorBoard and the page show them.</summary>
    public IEnumerable<(string Name, double Value)> Figures()
    {
        yield return ("loss/total", Loss);
        foreach ((string name, TermRecord term) in Terms)
        {
            yield return ($"loss/{name}", term.Loss);
            if (term.Accuracy is { } accuracy) yield return ($"accuracy/{name}", accuracy);
        }
        yield return ("optimizer/learningRate", LearningRate);
        yield return ("optimizer/gradientNorm", GradientNorm);
        yield return ("speed/clipsPerSecond", ClipsPerSecond);
        yield return ("speed/waitShare", WaitShare);
        foreach ((string phase, double milliseconds) in Phases) yield return ($"milliseconds/{phase}", milliseconds);
        yield return ("memory/residentMb", ResidentMb);
        yield return ("clips/rejected", Rejected);
    }
}

/// <summary>A rank's share of a step.</summary>
/// <param name="BusyMs">Milliseconds that its training thread ran, or could have run.</param>
/// <param name="WaitMs">Milliseconds that it waited for its batch.</param>
public sealed record RankTimes(double BusyMs, double WaitMs);

/// <summary>The scores of one validation.</summary>
/// <param name="Step">Steps done before it.</param>
/// <param name="Score">What decides which checkpoint is best; higher is better.</param>
/// <param name="Figures">All figures by name.</param>
/// <param name="Seconds">How long it took.</param>
public sealed record ValidationRecord(long Step, double Score, IReadOnlyDictionary<string, double> Figures, double Seconds);

/// <summary>The scores of a checkpoint that another process than the run's evaluated.</summary>
/// <param name="Corpus">On what.</param>
/// <param name="Split"><c>test</c> or <c>validation</c>.</param>
/// <param name="WeightHash">SHA-256 of the weights.</param>
/// <param name="Step">Steps done before.</param>
/// <param name="Score">As of a validation: higher is better.</param>
/// <param name="Figures">All figures by name.</param>
/// <param name="Seconds">How long it took.</param>
public sealed record EvaluationRecord(string Corpus, string Split, string WeightHash, long Step, double Score,
    IReadOnlyDictionary<string, double> Figures, double Seconds);
