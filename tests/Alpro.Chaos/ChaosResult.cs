using Alpro.Actors.Hosting;
using Alpro.Training.Parity;
using Alpro.Training.Records;

namespace Alpro.Chaos;

/// <summary>How a run whose nodes were struck ended.</summary>
/// <param name="Strikes">What was done to whom, and how often.</param>
/// <param name="Recoveries">Seconds from a strike to what is named.</param>
/// <param name="Comparison">The run beside one that was not disturbed, in one process.</param>
/// <param name="Accounts">What became of the clips, as the run says at its end.</param>
/// <param name="GivenUp">Nodes that ended because the cluster took them for lost, though nobody had struck them.</param>
/// <param name="Problems">What should not have been; empty when all is well.</param>
internal sealed record ChaosResult(
    IReadOnlyDictionary<string, int> Strikes, IReadOnlyDictionary<string, IReadOnlyList<double>> Recoveries, RunComparison Comparison,
    RunAccounts? Accounts,
    IReadOnlyList<string> GivenUp, IReadOnlyList<string> Problems)
{
    /// <summary>The result in lines to print.</summary>
    public IEnumerable<string> Lines() =>
    [
        $"strikes: {string.Join(", ", Strikes.Select(strike => $"{strike.Value} x {strike.Key}"))}",
        .. Recoveries.Select(recovery => recovery.Value.Order().ToArray() is var seconds
            ? (
            $"{recovery.Key}: median {seconds[(seconds.Length - 1) / 2]:0.000} s, worst {seconds[^1]:0.000} s, of {seconds.Length}") : ""),
        Comparison.Difference is { } difference ? $"not the undisturbed run: {difference}" : (
            $"the undisturbed run: {Comparison.Steps} steps with the same clips, losses within {Comparison.LossDifference:0.#e+0}, "
            + $"{Comparison.Tensors} final weights within {Comparison.WeightDifference:0.#e+0}"),
        Accounts is null ? "no accounts"
        : $"clips: {Accounts.Planned} planned = {Accounts.Delivered} delivered + {Accounts.Rejected} rejected + {Accounts.Tail} tail",
        .. GivenUp.Select(node => $"taken for lost: {node}"),
        .. Problems.Select(problem => $"PROBLEM: {problem}"),
    ];
}
