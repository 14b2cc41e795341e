using Alpro.Actors.Evaluation;
using Alpro.Actors.Hosting;
using Alpro.Actors.Search;
using Alpro.Cli.Tests.Evaluation;
using Alpro.Data.Corpora;
using Alpro.Training.Search;

namespace Alpro.Cli.Tests.Search;

/// <summary>A small world, models laid out as the released ones are, and an actor system in which its videos are indexed.</summary>
public sealed class IndexedRuns : IAsyncLifetime
{
    public ReleasedRuns Runs { get; } = new();

    internal RunHost Host { get; private set; } = null!;

    /// <summary>The retrieval run, with the weights of its best checkpoint.</summary>
    internal EvaluationTarget Retrieval => Open(Runs.Retrieval);

    /// <summary>The videos of the test split.</summary>
    internal string Videos => Runs.File("world/test/videos");

    public async Task InitializeAsync()
    {
        await Runs.InitializeAsync();
        Host = await RunHost.StartAsync(adjust: settings => settings with { Decoders = 2 });
    }

    public async Task DisposeAsync()
    {
        await Host.DisposeAsync();
        await Runs.DisposeAsync();
    }

    internal static EvaluationTarget Open(string run, params string[] settings) => EvaluationTarget.Open(run, null, null, settings);

    /// <summary>A job that indexes videos, those of the test split where no others are named.</summary>
    internal IndexJob Job(string output, WindowSettings windows, string? videos = null, CorpusConfig? corpus = null) =>
        new(new(Retrieval, videos ?? Videos) { Corpus = corpus, Data = Runs.Root }, windows, output);
}
