using System.Diagnostics;
using System.Text.Json;

namespace Alpro.Cli.Tests.Commands;

/// <summary>The commands that make, scan and prepare corpora, as a person runs them.</summary>
public sealed class CorpusCommandsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_synthetic_world_is_made_scanned_and_its_entities_listed()
    {
        JsonElement made = Json(AlproProgram.Run("corpus", "synthesize", "--out", _folder.File("world"), "--clips", "12", "--seed", "3",
            "--json"));
        Assert.Equal((12, 6, 100), (made.GetProperty("settings").GetProperty("clips").GetInt32(),
            made.GetProperty("settings").GetProperty("imageCount").GetInt32(),
            made.GetProperty("settings").GetProperty("testClips").GetInt32()));

        string config = _folder.File("run.json");
        File.WriteAllText(config, """
            { // whatever else a run needs may be absent still
              "data": {
                "corpora": [ { "name": "clips", "annotations": "world/train/results_train.csv", "media": "world/train/videos" } ],
                "validation": [ { "name": "images", "annotations": "world/images/annotations.json", "media": "world/images" } ],
                "entities": "lists/entities.txt"
              }
            }
            """);
        File.WriteAllText(_folder.File("world/train/videos/1000004.mp4"), "<html>404</html>");
        File.Delete(_folder.File("world/train/videos/1000009.mp4"));
        JsonElement[] scans = [.. Json(AlproProgram.RunAlone("scan", config, "--out", _folder.File("lists"), "--json"))
            .GetProperty("corpora")
            .EnumerateArray()];
        Assert.Equal((12, 10, 2), (scans[0].GetProperty("rows").GetInt32(), scans[0].GetProperty("readable").GetInt32(),
            scans[0].GetProperty("unreadable").GetInt32()));
        Assert.Equal((6, 0), (scans[1].GetProperty("readable").GetInt32(), scans[1].GetProperty("unreadable").GetInt32()));
        string[] list = File.ReadAllLines(_folder.File("lists/clips.unreadable.csv"));
        Assert.Equal(3, list.Length);
        Assert.StartsWith($"\"clips\",4,\"{_folder.File("world/train/videos/1000004.mp4")}\",NotMedia,", list[1]);
        Assert.StartsWith($"\"clips\",9,\"{_folder.File("world/train/videos/1000009.mp4")}\",Missing,", list[2]);

        JsonElement entities = Json(AlproProgram.Run("entities", "--config", config, "--count", "5", "--json"));
        Assert.Equal(5, entities.GetProperty("count").GetInt32());
        Assert.Equal("background 9", File.ReadLines(_folder.File("lists/entities.txt")).First());
    }

    [Fact]
    public async Task A_pack_that_was_killed_five_times_is_completed_with_the_same_bytes()
    {
        AlproProgram.Run("corpus", "synthesize", "--out", _folder.File("world"), "--clips", "24", "--seed", "3");
        string config = _folder.File("run.json");
        File.WriteAllText(config, """
            { "data": { "corpora": [ { "name": "clips", "annotations": "world/train/results_train.csv", "media": "world/train/videos" } ] } }
            """);
        string[] Pack(string name) =>
            ["pack", config, "--out", _folder.File(name), "--size", "64", "--rate", "50%", "--shard-size", "0.02", "--json"];
        JsonElement whole = Json(AlproProgram.RunAlone(Pack("whole"))).GetProperty("packs")[0];
        Assert.Equal((24, 24), (whole.GetProperty("rows").GetInt32(), whole.GetProperty("clips").GetInt32()));
        Assert.True(whole.GetProperty("shards").GetInt32() > 6);
        for (int kill = 1; kill <= 5; kill++)
        {
            using Process packing = AlproProgram.Start(Pack("killed"));
            string shard = _folder.File($"killed/parts/{kill:D5}");
            while (!File.Exists(shard) && !packing.HasExited) await Task.Delay(5);
            Assert.False(packing.HasExited);
            packing.Kill();
            await packing.WaitForExitAsync();
        }
        Json(AlproProgram.RunAlone(Pack("killed")));
        string[] names = [.. Directory.EnumerateFileSystemEntries(_folder.File("whole")).Select(path => Path.GetFileName(path)).Order()];
        Assert.Equal(names, Directory.EnumerateFileSystemEntries(_folder.File("killed")).Select(path => Path.GetFileName(path)).Order());
        foreach (string name in names.Where(name => name != "pack-report.json"))
            Assert.Equal(File.ReadAllBytes(_folder.File($"whole/{name}")), File.ReadAllBytes(_folder.File($"killed/{name}")));

        File.WriteAllText(config, """{ "data": { "corpora": [ { "name": "packed", "annotations": "killed/index" } ] } }""");
        JsonElement scan = Json(AlproProgram.RunAlone("scan", config, "--out", _folder.File("scan"), "--json")).GetProperty("corpora")[0];
        Assert.Equal((24, 24), (scan.GetProperty("rows").GetInt32(), scan.GetProperty("readable").GetInt32()));
    }

    [Fact]
    public void A_dataset_is_prepared_and_an_incomplete_one_is_a_failure()
    {
        Directory.CreateDirectory(_folder.File("from"));
        File.WriteAllText(_folder.File("from/a.avi"), "not a video");
        (int code, string output, string errors) = AlproProgram.Run("prepare", "msvd", "--from", _folder.File("from"), "--out",
            _folder.File("out"), "--size", "64", "--json");
        Assert.True(code == 1, errors);
        JsonElement report = JsonDocument.Parse(output).RootElement;
        Assert.Equal((1, 0, 1970), (report.GetProperty("sources").GetInt32(), report.GetProperty("prepared").GetInt32(),
            report.GetProperty("expected").GetInt32()));
        Assert.Contains("Invalid data", report.GetProperty("failures")[0].GetProperty("reason").GetString());
        Assert.True(File.Exists(_folder.File("out/prepare-report.json")));
    }

    [Fact]
    public void Published_annotations_are_prepared_without_media_and_differences_are_a_failure()
    {
        File.WriteAllText(_folder.File("test_qa.json"), """[{"answer": "meat", "id": 1, "question": "what is cut?", "video_id": 2}]""");
        (int code, string output, string errors) = AlproProgram.Run("prepare", "msvd", "--annotations", _folder.File("test_qa.json"), "--out",
            _folder.File("out"), "--json");
        Assert.True(code == 1, errors);
        JsonElement annotations = JsonDocument.Parse(output).RootElement.GetProperty("annotations");
        Assert.Equal("test: 1 questions, published are 13,157", annotations.GetProperty("differences")[0].GetString());
        Assert.True(File.Exists(_folder.File("out/txt/test.jsonl")));
        Assert.Contains("\"published\": 13157", File.ReadAllText(_folder.File("out/prepare-report.json")));
    }

    [Fact]
    public void Lists_of_ones_own_rows_are_built_where_the_configuration_names_them()
    {
        File.WriteAllText(_folder.File("own.csv"), "clip,ask,say\na,what is it?,dog\nb,who runs?,dog\nb,who sits?,cat\n");
        File.WriteAllText(_folder.File("run.json"), """
            { "data": { "corpora": [ { "name": "own", "annotations": "own.csv", "media": ".", "columns": { "media": "clip", "caption": "ask", "answer": "say" } } ],
                        "answers": "lists/answers.json", "vocabulary": "lists/vocab.txt" },
              "model": { "answers": 1, "text": { "vocabularySize": 125 } } }
            """);
        JsonElement answers = Json(AlproProgram.Run("prepare", "answers", "--config", _folder.File("run.json"), "--json"));
        Assert.Equal((1, 3, 2), (answers.GetProperty("count").GetInt32(), answers.GetProperty("rows").GetInt32(),
            answers.GetProperty("labelled").GetInt32()));
        Assert.Equal("{\"dog\":0}", File.ReadAllText(_folder.File("lists/answers.json")).Trim());
        JsonElement vocabulary = Json(AlproProgram.Run("prepare", "vocabulary", "--config", _folder.File("run.json"), "--json"));
        Assert.Equal(File.ReadLines(_folder.File("lists/vocab.txt")).Count(), vocabulary.GetProperty("count").GetInt32());
        Assert.Contains("who", File.ReadLines(_folder.File("lists/vocab.txt")));
        (int code, _, string errors) = AlproProgram.Run("prepare", "vocabulary", "--config", _folder.File("run.json"));
        Assert.Equal(2, code);
        Assert.Contains("is there, and weights may depend on it", errors);
    }

    [Theory]
    [InlineData("nowhere.json: 1 problem", "scan", "nowhere.json")]
    [InlineData("--from FOLDER, --annotations FILE…, or both must be given.", "prepare", "didemo", "--out", "out")]
    [InlineData("There is no annotation file nowhere.json.", "prepare", "didemo", "--annotations", "nowhere.json", "--out", "out")]
    [InlineData("there is no command 'mscoco'; there are webvid, cc3m, msrvtt, msvd, didemo, answers, vocabulary", "prepare", "mscoco")]
    [InlineData("--workers must be at least 1.", "scan", "run.json", "--workers", "0")]
    [InlineData("--size must be even.", "pack", "run.json", "--out", "p", "--size", "65")]
    [InlineData("--rate must be a number of frames per second", "pack", "run.json", "--out", "p", "--rate", "fast")]
    [InlineData("nowhere.json: 1 problem", "pack", "nowhere.json", "--out", "p")]
    [InlineData("--out https://h/p: expected a folder, or s3://bucket/prefix; a web server takes no files.", "pack", "run.json", "--out",
        "https://h/p?token=secret")]
    [InlineData("There is no folder nowhere.", "prepare", "didemo", "--from", "nowhere", "--out", "out")]
    [InlineData("not 10x.", "prepare", "webvid", "--from", "a", "--out", "b", "--rate", "10x")]
    [InlineData("clips must be at least 1, not 0", "corpus", "synthesize", "--out", "never-made", "--clips", "0")]
    public void Wrong_input_is_named_and_exits_with_2(string message, params string[] arguments)
    {
        (int code, _, string errors) = AlproProgram.Run(arguments);
        Assert.Contains(message, errors);
        Assert.Equal(2, code);
    }

    private static JsonElement Json((int Code, string Output, string Errors) run)
    {
        Assert.True(run.Code == 0, run.Errors);
        return JsonDocument.Parse(run.Output).RootElement;
    }
}
