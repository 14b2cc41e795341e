using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;
using Alpro.Data.Sampling;
using Alpro.Data.Synthetic;
using FFMpegCore;

namespace Alpro.Data.Tests.Synthetic;

public sealed partial class SyntheticWorldTests(SyntheticWorldTests.World world) : IClassFixture<SyntheticWorldTests.World>
{
    public sealed class World : IAsyncLifetime
    {
        public TemporaryFolder Folder { get; } = new();

        public static SyntheticWorldSettings Settings { get; } = new() { Clips = 60, Seed = 5 };

        public string File(string name) => Folder.File(name);

        public Task InitializeAsync() => SyntheticWorld.CreateAsync(Folder.Path, Settings);

        public Task DisposeAsync()
        {
            Folder.Dispose();
            return Task.CompletedTask;
        }
    }

    [Fact]
    public async Task The_same_seed_makes_the_same_bytes_and_another_seed_others()
    {
        using TemporaryFolder again = new(), other = new();
        SyntheticWorldSettings few = World.Settings with { Clips = 2, TestClips = 1 };
        await SyntheticWorld.CreateAsync(again.Path, few);
        await SyntheticWorld.CreateAsync(other.Path, few with { Seed = 6 });
        Assert.NotEqual(Hashes(again.Path)["train/videos/1000000.mp4"], Hashes(other.Path)["train/videos/1000000.mp4"]);
        await SyntheticWorld.CreateAsync(again.Path, World.Settings);    // over an earlier world
        Assert.Equal(Hashes(world.Folder.Path), Hashes(again.Path));
    }

    [Fact]
    public async Task Clips_are_h264_of_the_size_and_length_asked_for()
    {
        Assert.Equal(60, Directory.GetFiles(world.File("train/videos"), "*.mp4").Length);
        Assert.Equal(100, Directory.GetFiles(world.File("test/videos"), "*.mp4").Length);
        foreach (string name in (string[])["train/videos/1000000.mp4", "train/videos/1000059.mp4", "test/videos/3000099.mp4"])
        {
            IMediaAnalysis clip = await FFProbe.AnalyseAsync(world.File(name));
            Assert.Equal(((string, int?, int?, double, double))("h264", 96, 96, 12.0, 2.0),
                (clip.PrimaryVideoStream!.CodecName, clip.PrimaryVideoStream.Width, clip.PrimaryVideoStream.Height,
                clip.PrimaryVideoStream.AverageFrameRate, clip.Duration.TotalSeconds));
        }
    }

    [Fact]
    public void Every_annotated_file_exists()
    {
        string[] train = [.. File.ReadLines(world.File("train/results_train.csv")).Skip(1).Select(line => line.Split(',')[0])];
        Assert.Equal(60, train.Length);
        Assert.All(train, id => Assert.True(File.Exists(world.File($"train/videos/{id}.mp4"))));
        using JsonDocument images = JsonDocument.Parse(File.ReadAllText(world.File("images/annotations.json")));
        Assert.Equal(30, images.RootElement.GetArrayLength());
        Assert.All(images.RootElement.EnumerateArray(),
            image => Assert.True(File.Exists(world.File("images/" + image.GetProperty("image").GetString()))));
    }

    [Fact]
    public void Combinations_of_the_test_split_never_occur_in_training()
    {
        Dictionary<string, HashSet<string>> splits = new()
        {
            ["train"] = [.. File.ReadLines(world.File("train/results_train.csv")).Skip(1).Select(line => Combination(line.Split(',')[1]))],
            ["val"] = [.. Captions("val/retrieval.jsonl").Select(Combination)],
            ["test"] = [.. Captions("test/retrieval.jsonl").Select(Combination)],
        };
        Assert.Empty(splits["train"].Intersect(splits["test"]));
        Assert.Empty(splits["train"].Intersect(splits["val"]));
        Assert.Empty(splits["val"].Intersect(splits["test"]));
        Assert.True(splits["test"].Count >= 35);
    }

    [Fact]
    public void Each_test_caption_is_true_of_one_clip_only()
    {
        List<string> facts = [.. Captions("test/retrieval.jsonl")
            .Select(caption => string.Join(' ', Words().Matches(caption).Select(m => m.Value).Where(IsAttribute).Order()))];
        Assert.Equal(100, facts.Distinct().Count());
        Assert.All(facts, fact => Assert.Equal(7, fact.Split(' ').Length));
    }

    [Fact]
    public void Answers_of_every_split_have_labels_and_no_question_gives_its_answer_away()
    {
        var labels = JsonSerializer.Deserialize<Dictionary<string, int>>(File.ReadAllText(world.File("qa/train_ans2label.json")))!;
        Assert.Equal(Enumerable.Range(0, labels.Count), labels.Values.Order());
        foreach (string split in (string[])["train", "val", "test"])
        {
            foreach (string line in File.ReadLines(world.File($"qa/{split}.jsonl")))
            {
                JsonElement row = JsonDocument.Parse(line).RootElement;
                string question = row.GetProperty("question").GetString()!, answer = row.GetProperty("answer").GetString()!;
                Assert.Contains(answer, labels.Keys);
                Assert.DoesNotContain(answer, Words().Matches(question).Select(m => m.Value));
                Assert.StartsWith(row.GetProperty("answer_type").GetString()!, question);
            }
        }
    }

    [Fact]
    public void The_vocabulary_covers_the_world_and_spells_every_other_word()
    {
        HashSet<string> pieces = [.. File.ReadLines(world.File("vocab.txt"))];
        Assert.Equal(pieces.Count, File.ReadLines(world.File("vocab.txt")).Count());
        Assert.Equal("[PAD]", File.ReadLines(world.File("vocab.txt")).First());
        var texts = Captions("test/retrieval.jsonl").Concat(File.ReadLines(world.File("qa/train.jsonl")).SelectMany(line => (string[])
            [JsonDocument.Parse(line).RootElement.GetProperty("question").GetString()!,
            JsonDocument.Parse(line).RootElement.GetProperty("answer").GetString()!]));
        foreach (Match word in texts.SelectMany(text => Words().Matches(text)))
            Assert.True(pieces.Contains(word.Value) || pieces.Contains(word.Value[..^1]) && word.Value.EndsWith('s')
                || pieces.Contains(word.Value[..^2]) && word.Value.EndsWith("es"), word.Value);
        Assert.All("abcdefghijklmnopqrstuvwxyz0123456789",
            letter => Assert.True(pieces.Contains($"{letter}") && pieces.Contains($"##{letter}")));
    }

    [Fact]
    public void Entities_are_listed_commonest_first()
    {
        List<int> counts = [.. File.ReadLines(world.File("entities.txt")).Select(line => int.Parse(line.Split(' ')[1]))];
        Assert.Equal(15, counts.Count);
        Assert.Equal(counts.OrderDescending(), counts);
        Assert.Equal(3 * 60, counts.Sum());
    }

    [Fact]
    public void Motion_color_and_count_are_visible_in_the_pixels()
    {
        const int Side = 96;
        byte[] first = new byte[Side * Side * 3], last = new byte[Side * Side * 3];
        for (int combination = 0; combination < SyntheticScene.Combinations; combination++)
        {
            SyntheticScene scene = SyntheticScene.From(combination, look: 1);    // large, plain, black
            var random = new SeededRandom((ulong)combination);
            var painter = new ScenePainter(scene, Side, ref random);
            painter.Paint(0, first);
            painter.Paint(1, last);
            (double x0, double y0, int area0) = Centroid(first);
            (double x1, double y1, int area1) = Centroid(last);
            (int dx, int dy) = (Math.Sign(Math.Round((x1 - x0) / 20)), Math.Sign(Math.Round((y1 - y0) / 20)));
            Assert.Equal(SyntheticScene.Motions[scene.Motion] switch { "left" => (-1, 0), "right" => (1, 0), "up" => (0, -1), "down" => (0,
                1), _ => (0, 0) }, (dx, dy));
            // shapes inside the frame, but for three pixels at either end of their way
            Assert.InRange(area0 / (double)scene.Count, 220, 800);
            Assert.InRange(area1, 0.8 * area0, 1.2 * area0);
        }

        static (double X, double Y, int Area) Centroid(byte[] rgb)
        {
            long x = 0, y = 0;
            int area = 0, brightest = Enumerable.Range(0, Side * Side).Max(i => rgb[3 * i] + rgb[3 * i + 1] + rgb[3 * i + 2]);
            for (int i = 0; i < Side * Side; i++)
            {
                // the background, the trail, an edge over either
                if (rgb[3 * i] + rgb[3 * i + 1] + rgb[3 * i + 2] < 0.98 * brightest) continue;
                (x, y, area) = (x + i % Side, y + i / Side, area + 1);
            }
            return (x / (double)area, y / (double)area, area);
        }
    }

    [Fact]
    public async Task A_folder_with_other_things_is_left_alone()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("thesis.txt"), "x");
        var error = await Assert.ThrowsAsync<DataException>(() => SyntheticWorld.CreateAsync(folder.Path, World.Settings));
        Assert.Contains("is not empty and holds no synthetic world", error.Message);
        Assert.Single(Directory.GetFileSystemEntries(folder.Path));
        error = await Assert.ThrowsAsync<DataException>(
            () => SyntheticWorld.CreateAsync(folder.File("new"), new SyntheticWorldSettings { Clips = 0, Side = 97 }));
        Assert.Equal("No such world can be made: clips must be at least 1, not 0; the side must be even and 32 to 1024 pixels, not 97.",
            error.Message);
    }

    private IEnumerable<string> Captions(string file) =>
        File.ReadLines(world.File(file)).Select(line => JsonDocument.Parse(line).RootElement.GetProperty("caption").GetString()!);

    private static string Combination(string caption)
    {
        string[] words = [.. Words().Matches(caption).Select(m => Singular(m.Value))];
        return string.Join(' ', ((IReadOnlyList<string>[])[SyntheticScene.Shapes, SyntheticScene.Colors, SyntheticScene.Motions,
            SyntheticScene.Counts]).Select(words.Intersect).Select(Assert.Single));
    }

    private static bool IsAttribute(string word) =>
        ((IReadOnlyList<string>[])[SyntheticScene.Shapes, SyntheticScene.Colors, SyntheticScene.Motions, SyntheticScene.Counts,
        SyntheticScene.Sizes, SyntheticScene.Patterns, SyntheticScene.Grounds])
            .Any(values => values.Contains(Singular(word)));

    private static string Singular(string word) =>
        SyntheticScene.Shapes.FirstOrDefault(shape => word == shape + "s" || word == shape + "es") ?? word;

    private static Dictionary<string, string> Hashes(string folder) =>
        Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).ToDictionary(file => Path.GetRelativePath(folder, file),
        file => Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(file))));

    [GeneratedRegex("[a-z]+")]
    private static partial Regex Words();
}
