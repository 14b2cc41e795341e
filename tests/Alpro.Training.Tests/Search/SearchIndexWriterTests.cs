using Alpro.Data;
using Alpro.Data.Media;
using Alpro.Training.Configuration;
using Alpro.Training.Search;

namespace Alpro.Training.Tests.Search;

/// <summary>What is written is read; a writer that was killed is followed by one that ends at the same bytes.</summary>
public sealed class SearchIndexWriterTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void An_index_has_what_was_written()
    {
        Write(_folder.File("index"), Plan("a", "b", "c"));
        using SearchIndex index = SearchIndex.Open(_folder.File("index"));
        Assert.Equal((9, 3, 1), (index.Count, index.FileCount, index.Manifest.Generation));
        IndexedFile file = index.Find("b")!;
        Assert.Equal((1, 3, 3, "b.mp4", 2.5), (file.Number, file.FirstWindow, file.WindowCount, file.Media.Path, file.Seconds));
        Assert.Null(index.Find("bb"));
        Window window = index[4];
        Assert.Equal((4, 1, 10, 10, 1, 2), (window.Number, window.File, window.FirstFrame, window.FrameCount, window.Start, window.End));
        Assert.Equal(Feature("b", 1), index.Feature(4).ToArray().Select(value => (float)value).ToArray());
        Assert.Equal("b1"u8.ToArray(), index.Thumbnail(4));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(5)]
    public void A_killed_writer_is_followed_by_one_that_ends_at_the_same_bytes(int windows)
    {
        string folder = _folder.File("killed");
        IndexedFile[] plan = Plan("a", "b", "c", "d", "e", "f", "g", "h", "i");
        for (int kill = 0; kill < 5; kill++)
        {
            // Committed after some windows; what is behind that was written, and is torn.
            WriteUntil(folder, plan, windows);
            foreach (string file in Directory.EnumerateFiles(Path.Combine(folder, "generation-1")).Where(IsData))
                File.AppendAllText(file, "torn");
        }
        Write(folder, plan);
        Write(_folder.File("straight"), plan);
        Assert.Equal(Bytes(_folder.File("straight")), Bytes(folder));
    }

    [Fact]
    public void New_changed_and_removed_files_make_the_index_that_they_would_make_alone()
    {
        string folder = _folder.File("index");
        Write(folder, Plan("a", "b", "c", "d"));
        var added = new List<string>();
        IndexedFile[] plan = [.. Plan("aa", "b", "c", "d").Select(file => file.Name == "c" ? file with { Changed = 99 } : file)];
        Write(folder, plan, added);
        Assert.Equal(["aa", "c"], added.Distinct());
        Write(_folder.File("alone"), plan);
        Assert.Equal(2, SearchIndex.ReadManifest(folder)!.Generation);
        Assert.Equal(Data(_folder.File("alone")), Data(folder));
        Assert.False(Directory.Exists(Path.Combine(folder, "generation-1")));
    }

    [Fact]
    public void Files_that_changed_while_a_writer_was_dead_are_written_anew()
    {
        string folder = _folder.File("index");
        WriteUntil(folder, Plan("a", "b", "c"), 5);
        IndexedFile[] plan = [.. Plan("a", "b", "c").Select(file => file.Name == "b" ? file with { Size = 7 } : file)];
        Write(folder, plan);
        Write(_folder.File("straight"), plan);
        Assert.Equal(Bytes(_folder.File("straight")), Bytes(folder));
    }

    [Fact]
    public void What_cannot_be_read_is_said_of_its_file()
    {
        using (SearchIndexWriter writer = SearchIndexWriter.Open(_folder.File("index"), Manifest(), Plan("a", "b")))
        {
            Add(writer, "a", 0);
            writer.Skip("Corrupt: a frame is damaged");
            writer.Skip("Corrupt: another is");
            writer.EndFile(writer.Plan[0]);
            writer.EndFile(writer.Plan[1] with { Problem = "NotMedia: text" });
            writer.Complete();
        }
        using SearchIndex index = SearchIndex.Open(_folder.File("index"));
        Assert.Equal(["Corrupt: a frame is damaged; and 1 windows more", "NotMedia: text"], index.AllFiles().Select(file => file.Problem));
        Assert.Equal([1, 0], index.AllFiles().Select(file => file.WindowCount));
    }

    [Theory]
    [InlineData("weights")]
    [InlineData("settings")]
    [InlineData("windows")]
    [InlineData("tokens")]
    public void An_index_of_others_is_refused(string what)
    {
        Write(_folder.File("index"), Plan("a"));
        SearchManifest other = what switch
        {
            "weights" => Manifest() with { Model = Manifest().Model with { WeightHash = "other" } },
            "settings" => Manifest() with { Model = Manifest().Model with { ConfigHash = "other" } },
            "windows" => Manifest() with { Windows = new() { Stride = 9 } },
            _ => Manifest() with { Tokens = [2, 2] },
        };
        DataException refused = Assert.Throws<DataException>(() => SearchIndexWriter.Open(_folder.File("index"), other, Plan("a")));
        Assert.Contains(what, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Two_writers_do_not_meet()
    {
        using SearchIndexWriter first = SearchIndexWriter.Open(_folder.File("index"), Manifest(), Plan("a"));
        Assert.Contains("another process", Assert.Throws<DataException>(
            () => SearchIndexWriter.Open(_folder.File("index"), Manifest(), Plan("a"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_damaged_index_is_refused()
    {
        Write(_folder.File("index"), Plan("a"));
        File.AppendAllText(Path.Combine(_folder.File("index"), "generation-1", "features.f16"), "torn");
        Assert.Contains("damaged", Assert.Throws<DataException>(() => SearchIndex.Open(_folder.File("index"))).Message,
            StringComparison.Ordinal);
        Assert.Contains("alpro index", Assert.Throws<DataException>(() => SearchIndex.Open(_folder.Path)).Message,
            StringComparison.Ordinal);
    }

    private static SearchManifest Manifest() => new()
    {
        Source = "videos",
        Model = new("step_1", LearningTask.Retrieval, ["world"], "weights.pt", "hash", "config", HasMatching: true),
        Windows = new(),
        Width = 4,
    };

    private static IndexedFile[] Plan(params string[] names) =>
        [.. names.Select((name, number) => new IndexedFile(number, name, new($"{name}.mp4")) { Size = 5, Changed = 6 })];

    private static float[] Feature(string name, int window) => [name[0] / 128f, window / 4f, -1, 0];

    private static void Add(SearchIndexWriter writer, string name, int window) => writer.Add(
        new(0, 0, 10 * window, 10, window, window + 1), SearchIndexWriter.Halves(Feature(name, window)), [],
        System.Text.Encoding.UTF8.GetBytes($"{name}{window}"));

    private static void Write(string folder, IndexedFile[] plan, List<string>? added = null) => WriteUntil(folder, plan, null, added);

    /// <summary>Writes three windows a file; or commits after so many, writes one more, and is killed.</summary>
    private static void WriteUntil(string folder, IndexedFile[] plan, int? windows, List<string>? added = null)
    {
        using SearchIndexWriter writer = SearchIndexWriter.Open(folder, Manifest(), plan);
        int all = 0;
        while (writer.Files < plan.Length)
        {
            IndexedFile file = plan[writer.Files];
            if (writer.Unchanged(writer.Files) is { } same)
            {
                writer.Copy(same);
                continue;
            }
            while (writer.Settled < 3)
            {
                if (all++ == windows)
                {
                    writer.Commit();
                    Add(writer, "torn", writer.Settled);
                    return;
                }
                added?.Add(file.Name);
                Add(writer, file.Name, writer.Settled);
            }
            writer.EndFile(file with { Info = new VideoInfo(25, 10, 64, 36, 0) });
        }
        writer.Complete();
    }

    private static bool IsData(string file) => !file.EndsWith(".json", StringComparison.Ordinal);

    private static Dictionary<string, string> Data(string folder) => Bytes(folder).Where(file => file.Key.Contains('.') && IsData(file.Key))
        .ToDictionary(file => Path.GetFileName(file.Key), file => file.Value);

    private static Dictionary<string, string> Bytes(string folder) => Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
        .ToDictionary(file => Path.GetRelativePath(folder, file), file => Convert.ToHexString(File.ReadAllBytes(file)));
}
