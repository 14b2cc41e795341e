using Alpro.Actors;
using Alpro.Actors.Search;
using Alpro.Data;
using Alpro.Training.Search;

namespace Alpro.Cli.Tests.Search;

/// <summary>Indexing survives whatever ends it, takes in what changes, and says what it cannot read.</summary>
public sealed class IndexJobTests(IndexedRuns runs) : IClassFixture<IndexedRuns>, IDisposable
{
    private static readonly WindowSettings _short = new() { Seconds = 0.5, Stride = 0.25 };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Killed_five_times_it_ends_at_the_same_bytes()
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
        IndexReport report = await runs.Job(folder, _short).RunAsync(runs.Host, default);
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
        DataException refused = await Assert.ThrowsAsync<DataException>(
            () => (job with { Target = job.Target with { Weights = other } }).RunAsync(runs.Host, default));
        Assert.Contains("other weights", refused.Message, StringComparison.Ordinal);
        using SearchIndex opened = SearchIndex.Open(index);
        refused = await Assert.ThrowsAsync<DataException>(() => Searcher.OpenAsync(opened, other));
        Assert.Contains("other weights", refused.Message, StringComparison.Ordinal);
        refused = await Assert.ThrowsAsync<DataException>(() => Searcher.OpenAsync(opened, _folder.File("absent.pt")));
        Assert.Contains("no such checkpoint", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_model_that_answers_makes_no_index() =>
        Assert.Contains("question answering", (await Assert.ThrowsAsync<UsageException>(() => new IndexJob(
            IndexedRuns.Open(runs.Runs.QuestionAnswering), runs.Videos, new(), _folder.File("index"))
            .RunAsync(runs.Host, default))).Message, StringComparison.Ordinal);

    private static Dictionary<string, string> Bytes(string folder) => Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
        .ToDictionary(file => Path.GetRelativePath(folder, file), file => Convert.ToHexString(File.ReadAllBytes(file)));
}
