using Alpro.Training.Search;

namespace Alpro.Cli.Tests.Search;

/// <summary>The sample of docs/search.md: it is shown there as it stands here, and run.</summary>
internal static class SearchSample
{
    public static async Task<IReadOnlyList<string>> RunAsync(string folder, string text)
    {
        // sample
        using SearchIndex index = SearchIndex.Open(folder);
        await using Searcher searcher = await Searcher.OpenAsync(index);
        SearchResult result = await searcher.SearchAsync(new() { Text = text, Top = 3, Rerank = 32 });
        foreach (SearchHit hit in result.Hits)
            Console.WriteLine($"{hit.Match:P0}  {hit.Window.Start:0.0} s  {hit.File.Name}");

        // The same windows, as any vector store has them: a program may search there, or copy them to another store.
        var names = new List<string>();
        var windows = new WindowCollection(index, searcher.EncodeAsync);
        await foreach (var found in windows.SearchAsync(text, top: 3, new() { Filter = window => window.Seconds < 60 }))
            names.Add(found.Record.Name);
        // end of sample
        return names;
    }
}
