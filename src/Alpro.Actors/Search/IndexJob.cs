using System.Diagnostics;
using Alpro.Actors.Hosting;
using Alpro.Data.Workers;
using Alpro.Model;
using Alpro.Training.Configuration;
using Alpro.Training.Search;
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
/// <param name="Videos">The videos, and the model.</param>
/// <param name="Windows">How videos are cut.</param>
/// <param name="Output">The index's folder.</param>
public sealed record IndexJob(IndexedVideos Videos, WindowSettings Windows, string Output)
{
    private static readonly TimeSpan _commitEvery = TimeSpan.FromSeconds(2);

    /// <summary>Whether the tokens that matching needs are kept.</summary>
    public bool Tokens { get; init; }

    /// <summary>Told how far it is.</summary>
    public Action<IndexProgress> Progressed { get; init; } = static _ => { };

    /// <summary>Told of what there is to do.</summary>
    public ILogger Log { get; init; } = NullLogger.Instance;

    /// <summary>Lets encoders of other processes join while windows are encoded, until what it returns is disposed.</summary>
    internal Func<IndexTerms, WorkerPool<IWindowEncoder>, IDisposable>? Invite { get; init; }

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
        RunConfig config = Videos.Config();
        IReadOnlyList<IndexedFile> plan = Videos.Files(config, host.Settings.Places);
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
            using var encoders = new WindowEncoders(host, config, Videos.Target.Weights, Windows, Tokens);
            using var pool = new WorkerPool<IWindowEncoder>(encoders.Open, WindowEncoders.PlacesOf(host.Settings));
            using IDisposable? guests = Invite?.Invoke(IndexTerms.Of(manifest), pool);
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

    private SearchManifest Describe(RunConfig config)
    {
        VisionConfig vision = config.Model.Vision;
        int side = vision.ImageSize / vision.PatchSize;
        return new()
        {
            Source = Videos.Corpus?.Name ?? Path.GetFullPath(Videos.Source),
            Model = Videos.Model(config),
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
