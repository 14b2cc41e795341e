using System.Text.Json.Nodes;
using Alpro.Training.Evaluation;

namespace Alpro.Training.Tasks;

/// <summary>A figure beside the published one.</summary>
/// <param name="Figure">Its name.</param>
/// <param name="Here">Here.</param>
/// <param name="Published">In the paper; null where no published figure may stand beside this one.</param>
public sealed record ComparedFigure(string Figure, double Here, double? Published)
{
    /// <summary>Here less published.</summary>
    public double? Difference => Here - Published;
}

/// <summary>A receipt beside the paper.</summary>
/// <param name="Receipt">The receipt.</param>
/// <param name="Dataset">The published dataset it is of; null for any other.</param>
/// <param name="Figures">Its figures: with what belongs to missing videos counted as wrong.</param>
/// <param name="Remarks">What keeps the two from being comparable.</param>
public sealed record ComparedReceipt(Receipt Receipt, string? Dataset, IReadOnlyList<ComparedFigure> Figures,
    IReadOnlyList<string> Remarks);

/// <summary>
/// What was published of a task: the results of the fine-tuned checkpoints that were released with the paper (Li et al. 2021). All are on
/// test splits.
/// </summary>
/// <param name="Names">The figures' names, as receipts have them.</param>
/// <param name="ByDataset">Datasets, by a word in the name of a corpus or its annotation file; figures in the order of the names.</param>
public sealed record PublishedFigures(IReadOnlyList<string> Names, IReadOnlyList<(string Dataset, double[] Figures)> ByDataset)
{
    /// <summary>The part of a receipt's figures that is compared; null for all of them.</summary>
    public string? Part { get; init; }

    /// <summary>What a receipt's figures are multiplied by: 100 where percentages were published.</summary>
    public double Factor { get; init; } = 1;
}

/// <summary>Receipts beside the paper.</summary>
public static class PublishedResults
{
    /// <summary>Puts a receipt beside the paper. A figure of a validation split has nothing published beside it.</summary>
    public static ComparedReceipt Compare(Receipt receipt)
    {
        PublishedFigures published = DownstreamTask.Of(receipt.Task).Published;
        string corpus = $"{receipt.Corpus} {receipt.Annotations}";
        (string? dataset, double[]? there) =
            published.ByDataset.FirstOrDefault(row => corpus.Contains(row.Dataset, StringComparison.OrdinalIgnoreCase));
        var remarks = new List<string>();
        if (dataset is null) remarks.Add("no results of this dataset and task were published");
        else if (receipt.Split != "test")
            remarks.Add($"these are figures of the {receipt.Split} split, and the paper's are of the test split: none stands beside them");
        if (receipt.Missing.Count > 0)
            remarks.Add($"{receipt.Missing.Count} of {receipt.Videos} videos are missing, and what belongs to them counts as wrong");
        if (receipt.Notes.Count > 0) remarks.AddRange(receipt.Notes);

        JsonNode figures = receipt.FiguresWithMissing ?? receipt.Figures;
        if (published.Part is { } part) figures = figures[part]!;
        return new(receipt, dataset, [.. published.Names
            .Select((name, i) => (Name: name, Here: figures[name]?.GetValue<double>(),
            Published: receipt.Split == "test" ? there?[i] : null))
            .Where(figure => figure.Here is not null)
            .Select(figure => new ComparedFigure(figure.Name, figure.Here!.Value * published.Factor, figure.Published))], remarks);
    }
}
