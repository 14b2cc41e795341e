using Alpro.Model.Checkpoints;
using Alpro.Training.Checkpoints;
using static TorchSharp.torch;

namespace Alpro.Training.Records;

/// <summary>Whether two runs did the same: the same clips at every step, the same losses, and the same weights at the end.</summary>
/// <param name="Steps">Steps that were compared.</param>
/// <param name="Tensors">Weights that were compared.</param>
/// <param name="Difference">The first difference that counts; null when there is none.</param>
internal sealed record RunComparison(int Steps, int Tensors, string? Difference)
{
    /// <summary>
    /// A rectified unit that is at zero has its gradient or has none, as rounding decides, and the loss is the same. Where losses agreed
    /// within 1.5e-6, norms differed by up to 1.7e-3 in single steps. A clip that is missing changes losses too.
    /// </summary>
    private const double Rectified = 250;

    /// <summary>The largest difference of a loss.</summary>
    public double LossDifference { get; init; }

    /// <summary>The largest difference of a weight.</summary>
    public double WeightDifference { get; init; }

    /// <summary>Compares the output folders of two runs.</summary>
    /// <param name="one">The folder of the first run.</param>
    /// <param name="oneEnd">Its last checkpoint.</param>
    /// <param name="other">The folder of the second run.</param>
    /// <param name="otherEnd">Its last checkpoint.</param>
    /// <param name="tolerance">
    /// How far losses and weights may be apart, and gradient norms <see cref="Rectified"/> times as far in proportion. A tolerance of 0
    /// asks for the same bits. Clips must always be the same.
    /// </param>
    public static RunComparison Of(RunFolder one, Checkpoint oneEnd, RunFolder other, Checkpoint otherEnd, double tolerance = 0)
    {
        StepRecord[] left = [.. RunLog.Read<StepRecord>(one.Steps)], right = [.. RunLog.Read<StepRecord>(other.Steps)];
        string? difference = left.Length != right.Length ? $"{left.Length} steps and {right.Length}" : null;
        double losses = 0;
        foreach ((StepRecord a, StepRecord b) in left.Zip(right))
        {
            if (a.Step != b.Step) difference ??= $"step {a.Step} beside step {b.Step}";
            if (a.Clips != b.Clips) difference ??= $"step {a.Step}: other clips";
            if (a.Rejected != b.Rejected) difference ??= $"step {a.Step}: {a.Rejected} rejected clips and {b.Rejected}";
            losses = Math.Max(losses, Apart(a.Loss, b.Loss));
            if (Apart(a.Loss, b.Loss) > tolerance || Apart(a.GradientNorm, b.GradientNorm) > Rectified * tolerance
                * Math.Max(1, Math.Abs(a.GradientNorm)))
                difference ??= FormattableString.Invariant(
                    $"step {a.Step}: loss {a.Loss:R} and {b.Loss:R}, gradient norm {a.GradientNorm:R} and {b.GradientNorm:R}")
                    + string.Concat(a.Terms.Where(term => !(Apart(term.Value.Loss, b.Terms[term.Key].Loss) <= tolerance)).Select(term =>
                        FormattableString.Invariant($", {term.Key} {term.Value.Loss:R} and {b.Terms[term.Key].Loss:R}")));
        }
        (int tensors, double weights, string? key) = CompareWeights(oneEnd.Weights, otherEnd.Weights, tolerance);
        return new(left.Length, tensors, difference
            ?? (key is null ? null : FormattableString.Invariant($"the final weights differ by up to {weights:G3}, first in {key}")))
        {
            LossDifference = losses,
            WeightDifference = weights,
        };
    }

    /// <summary>How far two numbers are apart; what is not finite is like itself alone.</summary>
    private static double Apart(double a, double b) => a.Equals(b) ? 0 : double.IsFinite(a - b) ? Math.Abs(a - b) : double.PositiveInfinity;

    private static (int Tensors, double Most, string? Key) CompareWeights(string one, string other, double tolerance)
    {
        using CheckpointFile left = CheckpointFile.Open(one), right = CheckpointFile.Open(other);
        if (left.Tensors.Keys.Except(right.Tensors.Keys).Concat(right.Tensors.Keys.Except(left.Tensors.Keys)).FirstOrDefault() is { } alone)
            return (0, double.PositiveInfinity, alone);
        double most = 0;
        string? first = null;
        foreach (string key in left.Tensors.Keys)
        {
            using var scope = NewDisposeScope();
            (Tensor a, Tensor b) = (left.Read(key), right.Read(key));
            if (a.bytes.SequenceEqual(b.bytes)) continue;
            double apart = a.shape.SequenceEqual(b.shape)
                ? a.to(ScalarType.Float64).sub(b.to(ScalarType.Float64)).abs().max().item<double>() : double.PositiveInfinity;
            if (!double.IsFinite(apart)) apart = double.PositiveInfinity;
            most = Math.Max(most, apart);
            if (apart > tolerance || tolerance == 0) first ??= key;
        }
        return (left.Tensors.Count, most, first);
    }
}
