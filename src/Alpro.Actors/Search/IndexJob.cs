using System.Diagnostics;
using System.Globalization;
using Alpro.Actors.Evaluation;
using Alpro.Actors.Hosting;
using Alpro.Actors.Pipeline;
using Alpro.Data.Batches;
using Alpro.Data.Clips;
using Alpro.Data.Corpora;
using Alpro.Data.Media;
using Alpro.Model;
using Alpro.Training;
using Alpro.Training.Configuration;
using Alpro.Training.Devices;
using Alpro.Training.Evaluation;
using Alpro.Training.Search;
using Alpro.Training.Tasks;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using static TorchSharp.torch;

namespace Alpro.Actors.Search;

/// <summary>How far an indexing is.</summary>
/// <param name="Surveying">Whether files are still being opened, to find their windows; the numbers are then of files.</param>
/// <param name="Done">Windows, or files, that are done.</param>
/// <param name="All">How many there are.</param>
/// <param name="PerSecond">How many were done a second by this process.</param>
public sealed record IndexProgress(bool Surveying, int Done, int All, double PerSecond)
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
/// Makes or completes an index: finds the windows of new and changed files, streams them through the decoders, encodes them, and writes
/// them down. It goes on where an earlier one of the same was stopped, however it ended.
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
        IndexedFile?[] unchanged = [.. Enumerable.Range(0, plan.Count).Select(writer.Unchanged)];
        int added = plan.Count(file => writer.Before?.Find(file.Name) is null), kept = unchanged.Count(file => file is not null);
        int removed = (writer.Before?.FileCount ?? 0) - (plan.Count - added), encoded = 0;
        if (writer.IsComplete) writer.Discard();
        else
        {
            SearchIndexWriter.WriteModel(Output, config);
            WindowsToDo todo = await SurveyAsync(host.Settings, writer, unchanged, stop);
            Log.WindowsFound(todo.Count, plan.Count - kept, kept, BytesOf(manifest, todo.Count) / 1e6);
            RequireRoom(manifest, todo.Count);
            encoded = todo.Count;
            if (todo.Count > 0)
            {
                using var thread = new ModelThread("index", config.TorchThreads);
                await thread.RunAsync(() => Encode(host, config, writer, todo, stop), stop);
            }
            todo.SettleTo(todo.Count);
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

    /// <summary>Files and their windows, which are rows of one stream; those that the writer has already are not among them.</summary>
    private sealed class WindowsToDo(SearchIndexWriter writer, IReadOnlyList<IndexedFile?> unchanged)
    {
        private readonly Dictionary<int, (IndexedFile File, IReadOnlyList<Window> Windows, int FirstRow)> _surveyed = [];
        private readonly Dictionary<long, string> _rejected = [];
        private readonly List<(IndexedFile, Window)> _rows = [];

        public int Count => _rows.Count;

        public IndexedFile FileOf(int row) => _rows[row].Item1;

        public WindowCorpus ToCorpus() => new(_rows);

        /// <summary>The next file with its windows; of the file in hand, those that are not settled.</summary>
        public void Add(IndexedFile file, IReadOnlyList<Window> windows)
        {
            int settled = file.Number == writer.Files ? writer.Settled : 0;
            _surveyed[file.Number] = (file, windows, _rows.Count - settled);
            _rows.AddRange(windows.Skip(settled).Select(window => (file, window)));
        }

        /// <summary>A row cannot be read.</summary>
        public void Reject(Rejection rejection)
        {
            lock (_rejected) _rejected[rejection.Request.Row] = WindowCutter.Describe(rejection.Reason, rejection.Message);
        }

        /// <summary>The window of a row that is written next: all before it are settled.</summary>
        public Window At(int row)
        {
            SettleTo(row);
            return _rows[row].Item2;
        }

        /// <summary>Leaves out the rejected windows before a row, and finishes the files that have no more.</summary>
        public void SettleTo(int row)
        {
            while (writer.Files < writer.Plan.Count)
            {
                if (unchanged[writer.Files] is { } same)
                {
                    writer.Copy(same);
                    continue;
                }
                (IndexedFile file, IReadOnlyList<Window> windows, int first) = _surveyed[writer.Files];
                for (int next; writer.Settled < windows.Count && (next = first + writer.Settled) < row;)
                    lock (_rejected) writer.Skip(_rejected.Remove(next, out string? problem) ? problem : "it was not delivered");
                if (writer.Settled < windows.Count) return;
                writer.EndFile(file);
            }
        }
    }

    /// <summary>Opens all files that are new or changed, several at once, and finds their windows.</summary>
    private async Task<WindowsToDo> SurveyAsync(ActorSettings settings, SearchIndexWriter writer, IndexedFile?[] unchanged,
        CancellationToken stop)
    {
        int[] files = [.. Enumerable.Range(writer.Files, writer.Plan.Count - writer.Files).Where(file => unchanged[file] is null)];
        var surveyed = new (IndexedFile, IReadOnlyList<Window>)[files.Length];
        long began = Stopwatch.GetTimestamp();
        (int next, int done) = (-1, 0);
        await Task.WhenAll(Enumerable.Range(0, Math.Clamp(settings.Decoders, 1, Math.Max(1, files.Length))).Select(_ => Task.Run(() =>
        {
            var limits = new DecodeLimits { Deadline = settings.DecodeDeadline, Places = settings.Places };
            using IFrameReader reader = FrameReaders.Create(limits,
                settings.IsolateDecoders ? WorkerCommand.ThisProgram(DecodeWorker.CommandName) : null);
            for (int at; (at = Interlocked.Increment(ref next)) < files.Length;)
            {
                stop.ThrowIfCancellationRequested();
                surveyed[at] = WindowCutter.Survey(reader, writer.Plan[files[at]], Windows);
                int all = Interlocked.Increment(ref done);
                Progressed(new(true, all, files.Length, all / Stopwatch.GetElapsedTime(began).TotalSeconds));
            }
        }, stop)));
        var todo = new WindowsToDo(writer, unchanged);
        foreach ((IndexedFile file, IReadOnlyList<Window> windows) in surveyed) todo.Add(file, windows);
        return todo;
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

    /// <summary>All on the model's thread: decoders fill batches ahead, the encoder takes them, the writer has the last word.</summary>
    private bool Encode(RunHost host, RunConfig config, SearchIndexWriter writer, WindowsToDo todo, CancellationToken stop)
    {
        using var data = new RunData(config, host.Settings, todo.ToCorpus());
        using AlproModel model = RunModel.Load(config, Target.Weights, RunModel.DefaultDevice);
        long[] rows = [.. Enumerable.Range(0, todo.Count).Select(row => (long)row)];
        int size = config.Evaluation.BatchSize;
        (long began, long committed, byte[][] pictures, long step) = (Stopwatch.GetTimestamp(), Stopwatch.GetTimestamp(), [], 0);
        foreach (EncodedVideos some in EncodedVideos.Of(model, config.Training.Precision, Batches()))
        {
            Write(some);
            int done = (int)Math.Min(todo.Count, (step + 1) * size);
            todo.SettleTo(done);                                     // the next batch begins there, whoever encodes it
            if (Stopwatch.GetElapsedTime(committed) >= CommitEvery)
            {
                writer.Commit();
                committed = Stopwatch.GetTimestamp();
            }
            Progressed(new(false, done, todo.Count, done / Stopwatch.GetElapsedTime(began).TotalSeconds));
            stop.ThrowIfCancellationRequested();
        }
        return true;

        IEnumerable<ClipBatch> Batches()
        {
            var ledger = new ClipLedger(todo.Reject);
            foreach (ClipBatch batch in host.Read(data, rows, config.Data.Clip, size, ledger, ((WindowCorpus)data.Corpora[0]).NameOf))
            {
                step = batch.Step;
                pictures = [.. batch.Keys.AsParallel().AsOrdered().Select((key, place) => Picture(batch, place, todo.FileOf(RowOf(key))))];
                yield return batch;
            }
        }

        void Write(EncodedVideos some)
        {
            using var scope = NewDisposeScope();
            float[] features = some.Features_BF.cpu().view(-1).data<float>().ToArray();
            float[] tokens = Tokens ? some.Tokens_BVD.to(ScalarType.Float32).cpu().view(-1).data<float>().ToArray() : [];
            NotANumberException.ThrowIfAny(features, at => $"window {some.Keys[at / config.Model.ProjectionWidth]}");
            int width = config.Model.ProjectionWidth, of = tokens.Length / some.Keys.Count;
            for (int i = 0; i < some.Keys.Count; i++)
            {
                writer.Add(todo.At(RowOf(some.Keys[i])), features.AsSpan(i * width, width), tokens.AsSpan(i * of, of), pictures[i]);
            }
            some.Tokens_BVD.Dispose();
            some.Features_BF.Dispose();
        }
    }

    private static int RowOf(string key) => int.Parse(key, CultureInfo.InvariantCulture);

    /// <summary>The frame in the middle of a clip.</summary>
    private static byte[] Picture(ClipBatch batch, int clip, IndexedFile file)
    {
        int bytes = batch.Side * batch.Side * 3, frame = clip * batch.Frames + batch.Frames / 2;
        return FramePicture.Jpeg(batch.Pixels_BTHWC.Slice(frame * bytes, bytes), batch.Side, file.Info.Width, file.Info.Height);
    }
}
