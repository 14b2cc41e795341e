using System.Diagnostics;
using Alpro.Actors.Evaluation;
using Alpro.Actors.Hosting;
using Alpro.Data.Corpora;
using Alpro.Data.Workers;
using Alpro.Model;
using Alpro.Training.Configuration;
using Alpro.Training.Evaluation;
using Alpro.Training.Search;
using Alpro.Training.Tasks;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Alpro.Actors.Search;

/// <summary>How far an indexing is.</summary>
/// <param name="Done">Windows that are done.</param>
/// <param name="All">How many there are, by those of the files that have been opened.</param>
/// <param name="IsEstimate">Whether some have not been opened.</param>
/// <param name="PerSecond">How many were done a second.</param>
public sealed record IndexProgress(int Done, int All, bool IsEstimate, double PerSecond)
{
    /// <summary>The time left at that rate.</summary>
    public TimeSpan Left => PerSecond > 0 ? TimeSpan.FromSeconds((All - Done) / PerSecond) : TimeSpan.Zero;
}

/// <summary>What an indexing came to.</summary>
/// <param name="Folder">The index's folder.</param>
/// <param name="Files">Files in the index.</param>
/// <param name="Windows">Windows in the index.</param>
/// <param name="Encoded">Windows that were encoded by this process.</param>
/// <param name="New">Files that are new.</param>
/// <param name="Changed">Files that have changed.</param>
/// <param name="Removed">Files that have gone.</param>
/// <param name="Unreadable">Files that could not be read, or not all of them, and why.</param>
/// <param name="Bytes">Bytes of the index's data.</param>
/// <param name="Seconds">How long it took.</param>
public sealed record IndexReport(string Folder, int Files, int Windows, int Encoded, int New, int Changed, int Removed,
    IReadOnlyList<UnreadableFile> Unreadable, long Bytes, double Seconds);

/// <summary>A file that could not be read, or not all of it.</summary>
public sealed record UnreadableFile(string File, string Problem);

/// <summary>
/// Makes or completes an index: finds the windows of new and changed files, decodes and encodes them, and writes them down, all at once
/// (<see cref="WindowStream"/>). It goes on where an earlier one of the same was stopped, however it ended.
/// </summary>
/// <param name="Target">Weights and configuration.</param>
/// <param name="Source">A folder of videos; the name of a corpus, where one is given.</param>
/// <param name="Windows">How videos are cut.</param>
/// <param name="Output">The index's folder.</param>
public sealed record IndexJob(EvaluationTarget Target, string Source, WindowSettings Windows, string Output)
{
    private static readonly TimeSpan _commitEvery = TimeSpan.FromSeconds(2);

    /// <summary>The corpus whose media are indexed, in place of a folder.</summary>
    public CorpusConfig? Corpus { get; init; }

    /// <summary>Whether the tokens that matching needs are kept.</summary>
    public bool Tokens { get; init; }

    /// <summary>A folder to look in for the vocabulary and the corpus first; null for none.</summary>
    public string? Data { get; init; }

    /// <summary>Told how far it is.</summary>
    public Action<IndexProgress> Progressed { get; init; } = static _ => { };

    /// <summary>Told of what there is to do.</summary>
    public ILogger Log { get; init; } = NullLogger.Instance;

    /// <summary>How often what is done is made sure of.</summary>
    internal TimeSpan CommitEvery { get; init; } = _commitEvery;

    /// <summary>Indexes.</summary>
    /// <param name="host">Where the decoders are.</param>
    /// <param name="stop">Asks it to stop; what is done stays, and the same job goes on from there.</param>
    /// <exception cref="UsageException">The model answers questions, or the disk has no room.</exception>
    /// <exception cref="Alpro.Data.DataException">There are no videos, or the index is of other weights or settings.</exception>
    /// <exception cref="OperationCanceledException">It was asked to stop.</exception>
    public async Task<IndexReport> RunAsync(RunHost host, CancellationToken stop)
    {
        long began = Stopwatch.GetTimestamp();
        if (DownstreamTask.Of(Target.Config.Task).AsksQuestions)
            throw new UsageException($"{Target.Folder}: is a run of {DownstreamTask.Of(Target.Config.Task).Title}, whose features are not "
                + "made for search; index with one of retrieval or pretraining");
        RunConfig config = Target.For(Corpus, Data);
        IReadOnlyList<IndexedFile> plan = Plan(config, host.Settings);
        SearchManifest manifest = Describe(config);
        using SearchIndexWriter writer = SearchIndexWriter.Open(Output, manifest, plan);
        int added = plan.Count(file => writer.Before?.Find(file.Name) is null);
        int kept = Enumerable.Range(0, plan.Count).Count(file => writer.Unchanged(file) is not null);
        int removed = (writer.Before?.FileCount ?? 0) - (plan.Count - added), encoded = 0;
        if (writer.IsComplete) writer.Discard();
        else
        {
            SearchIndexWriter.WriteModel(Output, config);
            Log.IndexBegins(plan.Count - kept, BytesOf(manifest, 1) / 1e3, kept);
            using var encoders = new WindowEncoders(host, config, Target.Weights, Windows, Tokens);
            using var pool = new WorkerPool<IWindowEncoder>(encoders.Open, WindowEncoders.PlacesOf(host.Settings));
            encoded = await new WindowStream(writer, pool, config.Evaluation.BatchSize)
            {
                Found = found => RequireRoom(manifest, found),
                Progressed = Progressed,
                CommitEvery = CommitEvery,
            }.RunAsync(stop);
            writer.Complete();
        }
        using SearchIndex index = SearchIndex.Open(Output);
        UnreadableFile[] unreadable = [.. index.AllFiles().Where(file => file.Problem is not null)
            .Select(file => new UnreadableFile(file.Name, file.Problem!))];
        SearchIndexWriter.WriteUnreadable(Output, [.. unreadable.Select(file => (file.File, file.Problem))]);
        return new(index.Folder, index.FileCount, index.Count, encoded, added, plan.Count - added - kept, removed, unreadable, index.Bytes,
            Stopwatch.GetElapsedTime(began).TotalSeconds);
    }

    private IReadOnlyList<IndexedFile> Plan(RunConfig config, ActorSettings settings)
    {
        if (Corpus is null) return IndexSource.Below(Source);
        using var corpus = VideoTextCorpus.Open(config.Data.Corpora[0], Directory.GetCurrentDirectory(), settings.Places);
        return IndexSource.Of(corpus);
    }

    private SearchManifest Describe(RunConfig config)
    {
        RunConfig features = config with { Data = config.Data with { Corpora = [] } };
        VisionConfig vision = config.Model.Vision;
        int side = vision.ImageSize / vision.PatchSize;
        return new()
        {
            Source = Corpus?.Name ?? Path.GetFullPath(Source),
            Model = new(Target.Name, Target.Config.Task, [.. Target.Config.Data.Corpora.Select(corpus => corpus.Name)],
                Target.Weights, Receipt.HashOf(Target.Weights), Receipt.HashOf(features), Target.HasMatching),
            Windows = Windows,
            Width = config.Model.ProjectionWidth,
            Tokens = Tokens ? [1 + side * side, vision.Width] : null,
        };
    }

    /// <summary>Bytes of the features and tokens of so many windows.</summary>
    private static long BytesOf(SearchManifest manifest, int windows) =>
        2L * windows * (manifest.Width + (manifest.Tokens is [int tokens, int width] ? tokens * width : 0));

    private void RequireRoom(SearchManifest manifest, int windows)
    {
        long bytes = BytesOf(manifest, windows), free = new DriveInfo(Path.GetFullPath(Output)).AvailableFreeSpace;
        if (bytes > free) throw new UsageException($"{Output}: the features{(Tokens ? " and tokens" : "")} of {windows:N0} windows have "
            + $"{bytes / 1e9:0.0} GB, and {free / 1e9:0.0} GB are free; {(Tokens ? "leave out --tokens, or " : "")}name another disk with "
            + "--out");
    }
}
