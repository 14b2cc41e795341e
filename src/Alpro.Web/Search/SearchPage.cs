using Alpro.Actors;
using Alpro.Data;
using Alpro.Training.Configuration;
using Alpro.Training.Search;
using Microsoft.Extensions.Logging;

namespace Alpro.Web.Search;

/// <summary>A model that answers questions.</summary>
/// <param name="Name">Its name, for visitors.</param>
/// <param name="Config">Its configuration, with every file found.</param>
/// <param name="Weights">The file of its weights.</param>
public sealed record AnsweringModel(string Name, RunConfig Config, string Weights);

/// <summary>The page on which people search an index and ask about what they find, and its API for programs.</summary>
public sealed class SearchPage : IAsyncDisposable
{
    private readonly SearchIndex _index;
    private readonly Searcher _searcher;
    private readonly PageServer _server;

    private SearchPage(SearchIndex index, Searcher searcher, PageServer server) => (_index, _searcher, _server) = (index, searcher, server);

    /// <summary>Where it is.</summary>
    public Uri Address => _server.Address;

    /// <summary>Opens an index and its page.</summary>
    /// <param name="settings">Where, and for whom.</param>
    /// <param name="index">The index's folder.</param>
    /// <param name="weights">The weights of the index's model, where they have moved; null for where they were.</param>
    /// <param name="answers">The model that answers questions; null for none.</param>
    /// <param name="log">The log of the process.</param>
    /// <exception cref="DataException">The index or the weights cannot be used.</exception>
    /// <exception cref="UsageException">The address cannot be had, or may not be used.</exception>
    public static async Task<SearchPage> OpenAsync(PageSettings settings, string index, string? weights, AnsweringModel? answers,
        ILogger log)
    {
        SearchIndex opened = SearchIndex.Open(index);
        Searcher? searcher = null;
        try
        {
            searcher = await Searcher.OpenAsync(opened, weights, answers is null ? null : (answers.Config, answers.Weights));
            var service = new SearchService(searcher, answers, TimeProvider.System);
            PageServer server = await PageServer.OpenAsync(settings, "search/index.html", site => SearchApi.Map(site, service, log), log,
                SearchApi.Add)
                ?? throw new UsageException("--page: there is no page to search on; expected an address with a port that is free");
            return new(opened, searcher, server);
        }
        catch
        {
            if (searcher is not null) await searcher.DisposeAsync();
            opened.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _searcher.DisposeAsync();
        _index.Dispose();
    }
}
