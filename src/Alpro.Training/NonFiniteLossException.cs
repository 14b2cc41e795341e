using Alpro.Training.Records;

namespace Alpro.Training;

/// <summary>A loss or gradient is not a finite number. The weights are as they were before the step.</summary>
/// <param name="record">The step's figures.</param>
/// <param name="keys">Its clips.</param>
/// <param name="file">Where the batch was kept for replay; null where it was not.</param>
public sealed class NonFiniteLossException(StepRecord record, IReadOnlyList<string> keys, string? file) : Exception(
    FormattableString.Invariant(
    $"step {record.Step}: {(double.IsFinite(record.Loss) ? "the gradient" : "the loss")} is not finite, and the weights were not updated: ")
    + FormattableString.Invariant(
    $"{string.Join(", ", record.Terms.Select(term => FormattableString.Invariant($"{term.Key} {term.Value.Loss:G6}")))}, ")
    + FormattableString.Invariant(
    $"gradient norm {record.GradientNorm:G6}, learning rate {record.LearningRate:G6}, clips {string.Join(", ", keys)}")
    + (file is null ? "" : $". The batch is in {file}: look at it with \"alpro replay {file}\""))
{
    /// <summary>The step's figures.</summary>
    public StepRecord Record { get; } = record;

    /// <summary>Its clips.</summary>
    public IReadOnlyList<string> Keys { get; } = keys;
}
