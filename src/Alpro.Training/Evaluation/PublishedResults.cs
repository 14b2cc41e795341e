using System.Text.Json.Nodes;
using Alpro.Training.Configuration;

namespace Alpro.Training.Evaluation;

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
public sealed record ComparedReceipt(Receipt Receipt, string? Dataset, IReadOnlyList<ComparedFigure> Figures, IReadOnlyList<string> Remarks);

/// <summary>
/// The results of the fine-tuned checkpoints that were released with the paper (Li et al. 2021), all on test splits: ranks from text to
/// video for retrieval, accuracies in percent for question answering.
/// </summary>
public static class PublishedResults
{
    private static readonly string[] _retrievalFigures = ["r1", "r5", "r10", "medianR", "meanR"], _answerFigures = ["overall_acc", "what_acc", "who_acc", "how_acc", "where_acc", "when_acc"];

    private static readonly (LearningTask Task, string Dataset, double[] Figures)[] _rows =
    [
        (LearningTask.Retrieval, "msrvtt", [33.9, 60.7, 73.2, 3.0, 27.404]),
        (LearningTask.Retrieval, "didemo", [35.9, 67.5, 78.8, 3.0, 19.125]),
        (LearningTask.QuestionAnswering, "msrvtt", [42.12, 36.05, 52.24, 85.67, 42.8, 78.88]),
        (LearningTask.QuestionAnswering, "msvd", [45.91, 37.02, 58.59, 81.62, 46.43, 72.41]),
    ];

    /// <summary>Puts a receipt beside the paper. A figure of a validation split has nothing published beside it.</summary>
    public static ComparedReceipt Compare(Receipt receipt)
    {
        bool answering = receipt.Task == LearningTask.QuestionAnswering;
        (_, string? dataset, double[]? published) = Array.Find(_rows, row => row.Task == receipt.Task && $"{receipt.Corpus} {receipt.Annotations}".Contains(row.Dataset, StringComparison.OrdinalIgnoreCase));
        var remarks = new List<string>();
        if (dataset is null) remarks.Add("no results of this dataset and task were published");
        else if (receipt.Split != "test") remarks.Add($"these are figures of the {receipt.Split} split, and the paper's are of the test split: none stands beside them");
        if (receipt.Missing.Count > 0) remarks.Add($"{receipt.Missing.Count} of {receipt.Videos} videos are missing, and what belongs to them counts as wrong");
        if (receipt.Notes.Count > 0) remarks.AddRange(receipt.Notes);

        JsonObject figures = receipt.FiguresWithMissing ?? receipt.Figures;
        string[] names = answering ? _answerFigures : _retrievalFigures;
        return new(receipt, dataset, [.. names.Select((name, i) => (Name: name, Here: (answering ? figures : figures["text2video"]!)[name]?.GetValue<double>(), Published: receipt.Split == "test" ? published?[i] : null))
            .Where(figure => figure.Here is not null)
            .Select(figure => new ComparedFigure(figure.Name, figure.Here!.Value * (answering ? 100 : 1), figure.Published))], remarks);
    }
}
