using Alpro.Actors.Evaluation;
using Alpro.Data.Corpora;
using Alpro.Data.Places;
using Alpro.Training.Configuration;
using Alpro.Training.Evaluation;
using Alpro.Training.Search;
using Alpro.Training.Tasks;

namespace Alpro.Actors.Search;

/// <summary>Videos that are indexed, and the model that encodes them.</summary>
/// <param name="Target">Weights and configuration.</param>
/// <param name="Source">A folder of videos; the name of a corpus, where one is given.</param>
public sealed record IndexedVideos(EvaluationTarget Target, string Source)
{
    /// <summary>The corpus whose media are indexed, in place of a folder.</summary>
    public CorpusConfig? Corpus { get; init; }

    /// <summary>A folder to look in for the vocabulary and the corpus first; null for none.</summary>
    public string? Data { get; init; }

    /// <summary>The configuration reduced to what decides the features, with every file found.</summary>
    /// <exception cref="UsageException">The model answers questions, or a file is nowhere.</exception>
    internal RunConfig Config() => !DownstreamTask.Of(Target.Config.Task).AsksQuestions ? Target.For(Corpus, Data)
        : throw new UsageException($"{Target.Folder}: is a run of {DownstreamTask.Of(Target.Config.Task).Title}, whose features are not "
            + "made for search; index with one of retrieval or pretraining");

    /// <summary>The videos, in the order of their names.</summary>
    /// <exception cref="Alpro.Data.DataException">There are none.</exception>
    internal IReadOnlyList<IndexedFile> Files(RunConfig config, PlaceSettings places)
    {
        if (Corpus is null) return IndexSource.Below(Source);
        using var corpus = VideoTextCorpus.Open(config.Data.Corpora[0], Directory.GetCurrentDirectory(), places);
        return IndexSource.Of(corpus);
    }

    /// <summary>What the model is known by.</summary>
    internal IndexedModel Model(RunConfig config) => new(Target.Name, Target.Config.Task,
        [.. Target.Config.Data.Corpora.Select(corpus => corpus.Name)], Target.Weights, Receipt.HashOf(Target.Weights),
        Receipt.HashOf(config with { Data = config.Data with { Corpora = [] } }), Target.HasMatching);
}
