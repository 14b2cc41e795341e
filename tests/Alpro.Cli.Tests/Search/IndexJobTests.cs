using Alpro.Actors;
using Alpro.Actors.Evaluation;
using Alpro.Actors.Hosting;
using Alpro.Actors.Search;
using Alpro.Data;
using Alpro.Data.Corpora;
using Alpro.Data.Media;
using Alpro.Data.Packs;
using Alpro.Training.Search;

namespace Alpro.Cli.Tests.Search;

/// <summary>Indexing survives whatever ends it, takes in what changes, and says what it cannot read.</summary>
public sealed class IndexJobTests(IndexedRuns runs) : IClassFixture<IndexedRuns>, IDisposable
{
    private static readonly WindowSettings _short = new() { Seconds = 0.5, Stride = 0.25 };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Killed_five_times_and_completed_by_two_encoders_it_ends_at_the_same_bytes()
    {
        IndexReport straight = await runs.Job(_folder.File("straight"), _short).RunAsync(runs.Host, default);
        Assert.True(straight.Windows > 50, $"{straight.Windows} windows");
        string folder = _folder.File("killed");
        for (int kill = 0; kill < 5; kill++)
        {
            using var stop = new CancellationTokenSource();
            IndexJob job = runs.Job(folder, _short) with
            {
                CommitEvery = TimeSpan.Zero,
                Progressed = _ => stop.Cancel(),                     // after the first batch
            };
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => job.RunAsync(runs.Host, stop.Token));
            Assert.False(File.Exists(Path.Combine(folder, "index.json")));
            foreach (string file in Directory.EnumerateFiles(Path.Combine(folder, "generation-1")))
                if (!file.EndsWith(".json", StringComparison.Ordinal)) File.AppendAllText(file, "torn");
        }
        await using RunHost other = await RunHost.StartAsync(adjust: settings => settings with { Decoders = 3, Evaluators = 2 });
        IndexReport report = await runs.Job(folder, _short).RunAsync(other, default);
        Assert.Equal((straight.Windows, straight.Files), (report.Windows, report.Files));
        Assert.True(report.Encoded < straight.Encoded, $"{report.Encoded} of {straight.Encoded} windows were encoded at the end");
        Assert.Equal(Bytes(_folder.File("straight")), Bytes(folder));
    }

    [Fact]
    public async Task New_changed_removed_and_unreadable_files_are_taken_in()
    {
        string[] videos = [.. Directory.EnumerateFiles(runs.Videos).Order(StringComparer.Ordinal).Take(5)];
        string folder = Directory.CreateDirectory(_folder.File("videos/deep")).Parent!.FullName, index = _folder.File("index");
        foreach ((string name, string video) in new[] { "a.mp4", "b.mp4", "deep/c.mp4" }.Zip(videos))
            File.Copy(video, Path.Combine(folder, name));
        File.WriteAllText(Path.Combine(folder, "text.mp4"), "<html>not found</html>");
        File.WriteAllText(Path.Combine(folder, "notes.txt"), "no video");
        IndexReport report = await runs.Job(index, _short, folder).RunAsync(runs.Host, default);
        Assert.Equal((4, 4, 0, 0), (report.Files, report.New, report.Changed, report.Removed));
        Assert.Equal(["text.mp4"], report.Unreadable.Select(file => file.File));
        Assert.Contains("text.mp4", File.ReadAllText(Path.Combine(index, "unreadable.csv")), StringComparison.Ordinal);

        report = await runs.Job(index, _short, folder).RunAsync(runs.Host, default);
        Assert.Equal((0, 0, 0, 0), (report.Encoded, report.New, report.Changed, report.Removed));
        Assert.Equal(["generation-1"], Directory.EnumerateDirectories(index).Select(Path.GetFileName));

        File.Delete(Path.Combine(folder, "a.mp4"));
        File.Copy(videos[3], Path.Combine(folder, "b.mp4"), overwrite: true);
        File.SetLastWriteTimeUtc(Path.Combine(folder, "b.mp4"), new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        File.Copy(videos[4], Path.Combine(folder, "text.mp4"), overwrite: true);
        File.Copy(videos[0], Path.Combine(folder, "deep/z.mp4"));
        report = await runs.Job(index, _short, folder).RunAsync(runs.Host, default);
        Assert.Equal((4, 1, 2, 1), (report.Files, report.New, report.Changed, report.Removed));
        Assert.Empty(report.Unreadable);
        Assert.False(File.Exists(Path.Combine(index, "unreadable.csv")));
        await runs.Job(_folder.File("anew"), _short, folder).RunAsync(runs.Host, default);
        using SearchIndex completed = SearchIndex.Open(index), anew = SearchIndex.Open(_folder.File("anew"));
        Assert.Equal(anew.AllFiles(), completed.AllFiles());
        Assert.Equal(Enumerable.Range(0, anew.Count).Select(window => anew[window]),
            Enumerable.Range(0, completed.Count).Select(window => completed[window]));
        for (int window = 0; window < anew.Count; window++)
        {
            float similarity = anew.Feature(window).ToArray()
                .Zip(completed.Feature(window).ToArray(), (one, two) => (float)one * (float)two).Sum();
            Assert.Equal(1, similarity, 2e-3f);
            Assert.Equal(anew.Thumbnail(window), completed.Thumbnail(window));
        }
    }

    [Fact]
    public async Task An_index_refuses_other_weights()
    {
        string index = _folder.File("index"), other = _folder.File("other.pt");
        await runs.Job(index, new() { Seconds = null }).RunAsync(runs.Host, default);
        File.Copy(runs.Runs.File("output/downstreams/msrvtt_qa/public/ckpt/model_step_best.pt"), other);
        IndexJob job = runs.Job(index, new() { Seconds = null });
        EvaluationTarget target = job.Videos.Target with { Weights = other };
        DataException refused = await Assert.ThrowsAsync<DataException>(
            () => (job with { Videos = job.Videos with { Target = target } }).RunAsync(runs.Host, default));
        Assert.Contains("other weights", refused.Message, StringComparison.Ordinal);
        using SearchIndex opened = SearchIndex.Open(index);
        refused = await Assert.ThrowsAsync<DataException>(() => Searcher.OpenAsync(opened, other));
        Assert.Contains("other weights", refused.Message, StringComparison.Ordinal);
        refused = await Assert.ThrowsAsync<DataException>(() => Searcher.OpenAsync(opened, _folder.File("absent.pt")));
        Assert.Contains("no such checkpoint", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_packed_corpus_has_the_windows_of_the_raw_one_and_is_matched_again()
    {
        (CorpusConfig configured, _) = runs.Retrieval.CorpusOf(test: true);
        CorpusConfig raw = runs.Retrieval.For(configured, runs.Runs.Root).Data.Corpora[0];
        using (VideoTextCorpus corpus = VideoTextCorpus.Open(raw))
            await new CorpusPacker(new() { Side = 48, RateFactor = 1, Quality = 1 }, static () => FrameReaders.Create(new DecodeLimits()),
                workers: 2).PackAsync(corpus, raw.Media!, _folder.File("pack"));
        await runs.Job(_folder.File("raw"), _short, corpus: raw).RunAsync(runs.Host, default);
        IndexReport report = await runs.Job(_folder.File("packed"), _short,
            corpus: new() { Name = "packed", Annotations = _folder.File("pack/index") }).RunAsync(runs.Host, default);
        Assert.Empty(report.Unreadable);
        using SearchIndex made = SearchIndex.Open(_folder.File("packed")), other = SearchIndex.Open(_folder.File("raw"));
        Assert.Equal(other.AllFiles().Select(file => (file.Name, file.WindowCount)),
            made.AllFiles().Select(file => (file.Name, file.WindowCount)));
        for (int window = 0; window < other.Count; window++)
        {
            Assert.Equal((other[window].Start, other[window].End), (made[window].Start, made[window].End));
            float similarity = made.Feature(window).ToArray().Zip(other.Feature(window).ToArray(), (a, b) => (float)a * (float)b).Sum();
            Assert.InRange(similarity, 0.99, 1.01);
        }
        await using Searcher searcher = await Searcher.OpenAsync(made);
        SearchResult found = await searcher.SearchAsync(new() { Text = "a red circle", Top = 3, Rerank = 3 });
        Assert.Empty(found.Problems);
        Assert.All(found.Hits, hit => Assert.NotNull(hit.Match));
    }

    [Fact]
    public async Task A_model_that_answers_makes_no_index() =>
        Assert.Contains("question answering", (await Assert.ThrowsAsync<UsageException>(() => new IndexJob(
            new(IndexedRuns.Open(runs.Runs.QuestionAnswering), runs.Videos), new(), _folder.File("index"))
            .RunAsync(runs.Host, default))).Message, StringComparison.Ordinal);

    private static Dictionary<string, string> Bytes(string folder) => Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
        .ToDictionary(file => Path.GetRelativePath(folder, file), file => Convert.ToHexString(File.ReadAllBytes(file)));
}
