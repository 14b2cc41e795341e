namespace Alpro.Training.Evaluation;

/// <summary>A model gave a score that is not a finite number: what it would be ranked by says nothing.</summary>
/// <param name="of">What it is the score of.</param>
/// <param name="score">The score.</param>
public sealed class NotANumberException(string of, double score) : Exception(
    FormattableString.Invariant(
    $"the score of {of} is {score}: the weights are damaged, or training had gone astray before they were written"))
{
    /// <summary>Refuses scores of which one is not a finite number, and names the first.</summary>
    /// <param name="scores">The scores.</param>
    /// <param name="nameOf">What one of them is the score of.</param>
    /// <exception cref="NotANumberException">There is one.</exception>
    internal static void ThrowIfAny(ReadOnlySpan<float> scores, Func<int, string> nameOf)
    {
        for (int at = 0; at < scores.Length; at++)
            if (!float.IsFinite(scores[at])) throw new NotANumberException(nameOf(at), scores[at]);
    }
}
