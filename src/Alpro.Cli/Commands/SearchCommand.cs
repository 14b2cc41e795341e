using System.CommandLine;
using System.Globalization;
using Alpro.Actors;
using Alpro.Training.Search;
using Spectre.Console;

namespace Alpro.Cli.Commands;

/// <summary><c>alpro search</c>: finds windows of an index by a text.</summary>
internal static class SearchCommand
{
    private const int UsualTop = 10;

    private sealed record Line(int Window, string File, double Start, double End, double Similarity, double Contrastive, double? Match);

    private sealed record Found(string Text, string Model, IReadOnlyList<Line> Windows, IReadOnlyList<string> UnknownWords,
        IReadOnlyList<string> Problems, double SearchMilliseconds, double MatchMilliseconds);

    public static Command Create()
    {
        var folder = new Argument<string>("INDEX") { Description = "The index's folder." };
        var text = new Argument<string>("TEXT") { Description = "What is looked for." };
        var top = new Option<int?>("--top") { Description = "Windows to find; 10 by default." };
        var rerank = new Option<int>("--rerank") { Description =
            "Match so many of the most similar windows with the text, and rank them by that; slower, and usually better." };
        var below = new Option<string?>("--folder") { Description = "Only videos below this folder of the index." };
        var checkpoint = new Option<string?>("--checkpoint") { Description =
            "The weights that the index was made with, where they have been moved." };
        var command = new Command("search", CommandLine.Describe(
            "Find the moments of indexed videos that a text describes.",
            "alpro search videos.index \"a man plays the guitar\" --rerank 32")) { folder, text, top, rerank, below, checkpoint };
        CommandLine.Between(top, 1, 100_000);
        CommandLine.Between(rerank, 0, 100_000);
        command.SetAction(async (arguments, stop) =>
        {
            string words = arguments.GetValue(text)!;
            if (string.IsNullOrWhiteSpace(words)) throw new UsageException("TEXT is empty: say what is looked for");
            using SearchIndex index = SearchIndex.Open(arguments.GetValue(folder)!);
            await using Searcher searcher = await Searcher.OpenAsync(index, arguments.GetValue(checkpoint));
            if (arguments.GetValue(rerank) > 0 && !searcher.CanMatch)
                throw new UsageException($"{arguments.GetValue(folder)}: was made with a model that does not match texts with videos; "
                    + "leave --rerank out");
            SearchResult result = await searcher.SearchAsync(new()
            {
                Text = words,
                Top = arguments.GetValue(top) ?? UsualTop,
                Rerank = arguments.GetValue(rerank),
                Folder = arguments.GetValue(below),
            }, stop);
            if (result.UnknownWords.Count > 0) CommandLine.Log.WordsUnknown(words, string.Join(", ", result.UnknownWords));
            var found = new Found(words, index.Manifest.Model.Name, [.. result.Hits.Select(hit => new Line(hit.Window.Number, hit.File.Name,
                hit.Window.Start, hit.Window.End, hit.Similarity, hit.Contrastive, hit.Match))], result.UnknownWords, result.Problems,
                result.SearchMilliseconds, result.MatchMilliseconds);
            CommandLine.Result(arguments, found, console => Show(console, found));
            return ExitCode.Success;
        });
        return command;
    }

    private static void Show(IAnsiConsole console, Found found)
    {
        foreach (string problem in found.Problems) console.WriteLine($"not matched: {problem}");
        console.WriteLine("  match  contrastive   from     to  file");
        foreach (Line line in found.Windows)
            console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{(line.Match is { } match ? $"{match:P1}" : "-"),7}  "
                + $"{line.Contrastive,11:0.00}  {line.Start,5:0.0}  {line.End,5:0.0}  {line.File}"));
    }
}
