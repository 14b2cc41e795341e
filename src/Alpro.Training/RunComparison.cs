using Alpro.Model.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Training;

/// <summary>Whether two runs did the same, bit for bit: the same clips and losses at every step, and the same weights at the end.</summary>
/// <param name="Steps">Steps that were compared.</param>
/// <param name="Tensors">Weights that were compared.</param>
/// <param name="Difference">The first difference; null when there is none.</param>
public sealed record RunComparison(int Steps, int Tensors, string? Difference)
{
    /// <summary>Compares the output folders of two runs.</summary>
    /// <param name="one">The records' folder of the first run.</param>
    /// <param name="oneEnd">Its last checkpoint.</param>
    /// <param name="other">The records' folder of the second run.</param>
    /// <param name="otherEnd">Its last checkpoint.</param>
    public static RunComparison Of(string one, Checkpoint oneEnd, string other, Checkpoint otherEnd)
    {
        StepRecord[] left = [.. RunLog.Read<StepRecord>(RunLog.StepsFile(one))], right = [.. RunLog.Read<StepRecord>(RunLog.StepsFile(other))];
        string? difference = left.Length != right.Length ? $"{left.Length} steps and {right.Length}" : null;
        foreach ((StepRecord a, StepRecord b) in left.Zip(right))
        {
            if (a.Step != b.Step) difference ??= $"step {a.Step} beside step {b.Step}";
            if (a.Clips != b.Clips) difference ??= $"step {a.Step}: other clips";
            if (!a.Loss.Equals(b.Loss) || !a.GradientNorm.Equals(b.GradientNorm))
                difference ??= FormattableString.Invariant($"step {a.Step}: loss {a.Loss:R} and {b.Loss:R}, gradient norm {a.GradientNorm:R} and {b.GradientNorm:R}");
        }
        (int tensors, string? key) = DifferentWeights(oneEnd.Weights, otherEnd.Weights);
        return new(left.Length, tensors, difference ?? (key is null ? null : $"the final weights differ, first in {key}"));
    }

    private static (int Tensors, string? Key) DifferentWeights(string one, string other)
    {
        using CheckpointFile left = CheckpointFile.Open(one), right = CheckpointFile.Open(other);
        if (left.Tensors.Keys.Except(right.Tensors.Keys).Concat(right.Tensors.Keys.Except(left.Tensors.Keys)).FirstOrDefault() is { } alone) return (0, alone);
        foreach (string key in left.Tensors.Keys)
        {
            using var scope = NewDisposeScope();
            if (!left.Read(key).bytes.SequenceEqual(right.Read(key).bytes)) return (left.Tensors.Count, key);
        }
        return (left.Tensors.Count, null);
    }
}
