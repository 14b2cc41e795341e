using System.Text.Json;
using Alpro.Training.Configuration;

namespace Alpro.Training.Tests.Configuration;

public sealed class ConfigLoaderTests : IDisposable
{
    private const string Good = """
        {
          // What it learns.
          "task": "retrieval",
          "model": { "vision": { "imageSize": 32, "patchSize": 8, "width": 32, "heads": 4 }, "text": { "width": 32, "heads": 4 } },
          "data": {
            "corpora": [
              { "name": "train", "annotations": "train.jsonl", "media": "videos", "format": "retrieval-jsonl" },
            ],
            "vocabulary": "vocab.txt",
            "clip": { "strategy": "nlvl-uniform", "decodeSize": 32, "size": 32, "textLength": 12 }
          },
          "training": { "batchSize": 8, "steps": 30 }
        }
        """;

    private static readonly string _tasks = string.Join(", ",
        Enum.GetValues<LearningTask>().Select(task => JsonNamingPolicy.KebabCaseLower.ConvertName($"{task}")));

    private readonly TemporaryFolder _folder = new();

    public ConfigLoaderTests()
    {
        Directory.CreateDirectory(_folder.File("videos"));
        File.WriteAllText(_folder.File("train.jsonl"), "");
        File.WriteAllText(_folder.File("vocab.txt"), "");
    }

    public void Dispose() => _folder.Dispose();

    private string Write(string text)
    {
        File.WriteAllText(_folder.File("run.json"), text);
        return _folder.File("run.json");
    }

    private string Problems(string text, params string[] overrides)
    {
        string file = Write(text);
        return Assert.Throws<ConfigException>(() => ConfigLoader.Load(file, overrides)).Message.Replace(_folder.Path + "/", "",
            StringComparison.Ordinal).ReplaceLineEndings("\n");
    }

    [Fact]
    public void A_complete_file_binds_and_its_paths_are_relative_to_it()
    {
        RunConfig config = ConfigLoader.Load(Write(Good));
        Assert.Equal(LearningTask.Retrieval, config.Task);
        Assert.Equal(30, config.Training.Steps);
        Assert.Equal(_folder.File("train.jsonl"), config.Data.Corpora[0].Annotations);
        Assert.Equal(_folder.File("videos"), config.Data.Corpora[0].Media);
        Assert.Equal(_folder.File("vocab.txt"), config.Data.Vocabulary);
        Assert.Equal(ConfigLoader.ToJson(config), ConfigLoader.ToJson(ConfigLoader.FromJson(ConfigLoader.ToJson(config))));
    }

    [Fact]
    public void Misspelt_keys_and_names_are_refused_with_line_path_and_nearest_spelling() => Assert.Equal(
        $"""
        run.json: 5 problems
          line 1: task: is "retreival"; expected one of {_tasks}; did you mean "retrieval"?
          line 1: data: lacks "vocabulary", a text
          line 2: data.corpora[0].anotations: is not a setting; did you mean "annotations"?
          line 2: data.corpora[0]: lacks "annotations", a text
          line 4: training.batchsize: is not a setting; did you mean "batchSize"?
        """, Problems("""
        { "task": "retreival", "data": { "corpora": [
            { "name": "train", "anotations": "train.jsonl" }], "clip": {} },
          "training": {
            "batchsize": 8, "steps": 30 } }
        """));

    [Fact]
    public void Format_that_is_none_is_refused_with_the_nearest_and_all_names() => Assert.Equal(
        """
        run.json: 1 problem
          line 7: data.corpora[0].format: is "retrieval-json"; expected one of auto, webvid-csv, question-answer-jsonl, retrieval-jsonl, cc3m-json, cc3m-tsv, parquet, tar; did you mean "retrieval-jsonl"?
        """, Problems(Good.Replace("retrieval-jsonl", "retrieval-json", StringComparison.Ordinal)));

    [Fact]
    public void Values_of_the_wrong_kind_are_refused_together() => Assert.Equal(
        $$"""
        run.json: 4 problems
          line 3: task: is null; expected one of {{_tasks}}
          line 4: model.vision.imageSize: is 32.5; expected a whole number
          line 6: data.corpora: is {}; expected a list [ … ]
          line 9: training.steps: is "many"; expected a whole number
        """, Problems("""

        {
          "task": null,
          "model": { "vision": { "imageSize": 32.5 } },
          "data": {
            "corpora": {}, "vocabulary": "vocab.txt",
            "clip": {}
          },
          "training": { "steps": "many" }
        }
        """));

    [Fact]
    public void Values_out_of_range_and_absent_files_are_refused_together() => Assert.Equal(
        """
        run.json: 5 problems
          line 7: data.corpora[0].media: there is no folder nowhere
          line 10: data.clip.decodeSize: is 16; expected at least the size, 32
          line 12: training.accumulation: is 3; expected a divisor of training.batchSize, 8
          line 12: training: is given both steps and epochs; expected one of steps and epochs
          --set optimizer.learningRate: is -1; expected above 0
        """, Problems(Good
            .Replace("\"videos\"", "\"nowhere\"", StringComparison.Ordinal)
            .Replace("\"decodeSize\": 32", "\"decodeSize\": 16", StringComparison.Ordinal)
            .Replace("\"steps\": 30", "\"steps\": 30, \"epochs\": 2, \"accumulation\": 3", StringComparison.Ordinal),
            "optimizer.learningRate=-1"));

    [Fact]
    public void Columns_and_weights_are_checked_where_they_are_set() => Assert.Equal(
        """
        run.json: 3 problems
          --set data.corpora[0].columns: are given with the format retrieval-jsonl, which has columns of its own; expected one of the two
          --set data.corpora[0].columns.caption: is empty; expected the name of a column
          --set data.corpora[0].weight: is 0; expected a weight above 0: its share of the steps is its part of the sum of all weights
        """, Problems(Good, "data.corpora[0].format=retrieval-jsonl",
            "data.corpora[0].columns={\"media\": \"file\", \"caption\": \"\"}", "data.corpora[0].weight=0"));

    [Fact]
    public void A_column_that_means_nothing_and_a_weight_that_mixes_nothing_are_refused()
    {
        Assert.Contains("data.corpora[0].columns.captoin: is not a setting; did you mean \"caption\"?",
            Problems(Good, "data.corpora[0].columns={\"media\": \"file\", \"captoin\": \"text\"}"), StringComparison.Ordinal);
        Assert.Contains("--set data.test.weight: is 2; expected none: only the corpora of training are mixed",
            Problems(Good, "data.test={\"name\": \"t\", \"annotations\": \"train.jsonl\", \"media\": \"videos\"}", "data.test.weight=2"),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Batches_beyond_an_array_are_refused() => Assert.Equal(
        """
        run.json: 2 problems
          --set training.batchSize: is 700000; expected clips that have at most 2147483591 bytes together, and these have 8601600000
          --set evaluation.batchSize: is 400000; expected clips that have at most 2147483591 bytes together, and these have 4915200000
        """, Problems(Good, "training.batchSize=700000", "evaluation.batchSize=400000"));

    [Theory]
    [InlineData(3, "expected a divisor of training.batchSize / training.accumulation, 8, or null")]
    [InlineData(1, "expected 2 clips at least: matching takes its negatives from the group")]
    public void Groups_must_fill_a_batch_and_have_clips_to_tell_apart(int size, string expected) => Assert.Equal(
        $"run.json: 1 problem\n  line 12: training.groupSize: is {size}; {expected}",
        Problems(Good.Replace("\"batchSize\": 8", $"\"batchSize\": 8, \"groupSize\": {size}", StringComparison.Ordinal)));

    [Fact]
    public void Text_that_is_not_json_is_refused_with_its_line() =>
        Assert.StartsWith("run.json: 1 problem\n  line 2: not valid JSON: ", Problems("{\n  \"task\" \"retrieval\" }"),
        StringComparison.Ordinal);

    [Fact]
    public void A_key_given_twice_is_refused() =>
        Assert.StartsWith("run.json: 1 problem\n  line 1: not valid JSON: ", Problems("{ \"seed\": 1, \"seed\": 2 }"),
        StringComparison.Ordinal);

    [Fact]
    public void Overrides_reach_objects_lists_and_absent_sections()
    {
        RunConfig config = ConfigLoader.Load(Write(Good),
            ["training.steps=7", "data.corpora[0].name=other", "optimizer.learningRate=1e-3", "evaluation.rerank=null"]);
        Assert.Equal((7, "other", 1e-3, null), (config.Training.Steps, config.Data.Corpora[0].Name, config.Optimizer.LearningRate,
            config.Evaluation.Rerank));
    }

    [Fact]
    public void Overrides_that_reach_nothing_are_refused() => Assert.Equal(
        """
        run.json: 3 problems
          --set: "training" is not a setting; expected key.path=value, such as training.batchSize=8
          --set data.corpora[3].name: there is nothing of that name to set
          --set training.stepz: is not a setting; did you mean "steps"?
        """, Problems(Good, "training", "data.corpora[3].name=x", "training.stepz=3"));

    [Fact]
    public void Answers_beyond_the_labels_of_the_model_are_refused()
    {
        File.WriteAllText(_folder.File("answers.json"), """{ "yes": 0, "no": 5, "maybe": 2 }""");
        string problems = Problems(Good, "task=question-answering", "data.answers=answers.json", "model.answers=3");
        Assert.Contains("model.answers: is 3, and answers.json gives the answer \"no\" the label 5; expected 6 for labels from 0", problems,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("evaluation.score=contrastive")]
    [InlineData("task=prompter")]
    public void Rerank_is_refused_where_nothing_is_matched(string setting) =>
        Assert.Contains("--set evaluation.rerank: is 5; expected null: it chooses what is matched",
        Problems(Good, setting, "evaluation.rerank=5"), StringComparison.Ordinal);

    [Theory]
    [InlineData("losses={\"vtc\":true}",
        """--set losses.vtc: is true; expected a number; losses have weights, as in { "vtc": 1, "vtm": 1, "mlm": 1, "pem": 1 }: 1 in place of true, 0 or absent is off""")]
    [InlineData("losses.vtm=-1", "--set losses.vtm: is -1; expected a weight: 1 counts it once, 0 leaves it out")]
    [InlineData("losses={}",
        """--set losses: is without any; expected one loss at least, as in { "vtc": 1, "vtm": 1, "mlm": 1, "pem": 1 }""")]
    [InlineData("losses.mlm=1",
        "data.clip.maskProbability: is 0; expected above 0, since losses.mlm asks for masked words; the paper masks 0.15")]
    [InlineData("losses.pem=1",
        "data.clip.regionPatch: is 0; expected model.vision.patchSize, 8, since losses.pem asks for entity modelling")]
    [InlineData("losses.pem=1",
        "initialize.prompter: is null; expected the checkpoint of a prompter, since losses.pem asks for entity modelling; train one with task \"prompter\" first")]
    public void Losses_are_weights_and_what_they_need_is_there(string setting, string expected) =>
        Assert.Contains(expected, Problems(Good, "task=pretrain", "losses.vtc=1", setting), StringComparison.Ordinal);

    [Fact]
    public void Losses_belong_to_pretraining() => Assert.Equal(
        "run.json: 1 problem\n  --set losses: is given; expected it only with the task pretrain: other tasks have the losses they have",
        Problems(Good, "losses={ \"vtc\": 1 }"));

    [Fact]
    public void Words_are_masked_and_regions_drawn_only_where_a_loss_needs_them()
    {
        File.WriteAllText(_folder.File("prompter.pt"), "");
        File.WriteAllLines(_folder.File("entities.txt"), ["dog 2", "cat 1"]);
        string[] settings = ["task=pretrain", "model.entities=2", "data.clip.maskProbability=0.15", "data.clip.regionPatch=8",
            "data.entities=entities.txt",
            "initialize.prompter=prompter.pt", """losses={ "vtc": 1, "vtm": 0.5, "mlm": 1, "pem": 2 }"""];
        RunConfig all = ConfigLoader.Load(Write(Good), settings), fewer = ConfigLoader.Load(Write(Good),
            [.. settings, "losses.mlm=0", "losses.pem=0"]);
        Assert.Equal((0.15, 8), (all.ClipForTraining().MaskProbability, all.ClipForTraining().RegionPatch));
        Assert.Equal((0.15, 8), (all.ClipForValidation().MaskProbability, all.ClipForValidation().RegionPatch));
        Assert.Equal((0, 0), (fewer.ClipForTraining().MaskProbability, fewer.ClipForTraining().RegionPatch));
        Assert.Equal((0, 0), (fewer.ClipForValidation().MaskProbability, fewer.ClipForValidation().RegionPatch));
    }

    [Fact]
    public void Corpora_are_read_where_the_rest_is_wrong_or_absent()
    {
        RunConfig config = ConfigLoader.LoadForCorpora(Write("""
            { // no such task
              "task": "retreival", "model": { "entities": 7, "visoin": 3 },
              "data": { "corpora": [ { "name": "a", "annotations": "nowhere.csv", "media": "videos" } ], "test": { "name": "b", "annotations": "b.csv" },
                        "entities": "entities.txt", "clip": 3 }
            }
            """));
        Assert.Equal((_folder.File("nowhere.csv"), _folder.File("videos")),
            (config.Data.Corpora[0].Annotations, config.Data.Corpora[0].Media));
        Assert.Equal((_folder.File("b.csv"), 0), (config.Data.Test!.Annotations, config.Data.Validation.Count));
        Assert.Equal((_folder.File("entities.txt"), 7), (config.Data.Entities, config.Model.Entities));
    }

    [Theory]
    [InlineData("""{ "data": { "corpora": [] } }""", "line 1: data.corpora: is empty; expected a corpus at least")]
    [InlineData("""{ "data": {} }""", "line 1: data: lacks \"corpora\", a list [ … ]")]
    [InlineData("{}", "line 1: data: lacks \"corpora\", a list [ … ]")]
    [InlineData("[]", "line 1: is []; expected an object { … }")]
    [InlineData("""{ "data": { "corpora": [ { "nme": "a", "annotations": "a.csv" } ] } }""",
        "line 1: data.corpora[0].nme: is not a setting; did you mean \"name\"?")]
    public void Corpora_that_are_named_wrongly_are_refused(string text, string expected)
    {
        string file = Write(text);
        Assert.Contains(expected, Assert.Throws<ConfigException>(() => ConfigLoader.LoadForCorpora(file)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void What_the_demo_makes_is_said_to_be_made_by_it() =>
        Assert.EndsWith("there is no file out/demo/world/vocab.txt; scripts/demo makes it",
        Problems(Good, "data.vocabulary=out/demo/world/vocab.txt"), StringComparison.Ordinal);

    [Theory]
    [InlineData("data.vocabulary",
        "there is no file ext/vocab.txt; BERT's vocabulary is vocab.txt of https://huggingface.co/google-bert/bert-base-uncased")]
    [InlineData("initialize.vision", "there is no file ext/vocab.txt; a ViT-B/16 is https://github.com/rwightman/pytorch-image-models/")]
    [InlineData("initialize.checkpoint",
        "there is no file ext/vocab.txt; the paper's weights are in output.zip, which https://github.com/salesforce/ALPRO links")]
    [InlineData("data.entities", "there is no file ext/vocab.txt; 'alpro entities --config FILE' makes it")]
    public void A_file_that_is_absent_is_named_with_where_it_comes_from(string setting, string message) =>
        Assert.Contains($"--set {setting}: {message}", Problems(Good, $"{setting}=ext/vocab.txt"), StringComparison.Ordinal);

    [Theory]
    [InlineData("media", "data/webvid/videos", "WebVid is described at https://github.com/m-bain/webvid")]
    [InlineData("annotations", "data/cc3m/train.json", "CC3M is at https://ai.google.com/research/ConceptualCaptions/download")]
    [InlineData("annotations", "data/msrvtt_ret/train.jsonl",
        "MSR-VTT's annotations are in data.zip, which https://github.com/salesforce/ALPRO links")]
    [InlineData("media", "data/didemo_ret/videos", "DiDeMo's videos are at https://github.com/LisaAnne/LocalizingMoments")]
    [InlineData("media", "data/msvd_qa/videos",
        "MSVD's videos are https://www.cs.utexas.edu/users/ml/clamp/videoDescription/YouTubeClips.tar")]
    public void What_is_absent_of_a_published_dataset_is_named_with_its_address(string setting, string path, string source) =>
        Assert.EndsWith($"--set data.corpora[0].{setting}: there is no {(setting == "media" ? "folder" : "file")} {path}; {source}",
        Problems(Good, $"data.corpora[0].{setting}={path}"), StringComparison.Ordinal);

    [Fact]
    public void Absent_media_of_ones_own_are_named_alone() =>
        Assert.EndsWith("there is no folder my/videos", Problems(Good, "data.corpora[0].media=my/videos"), StringComparison.Ordinal);

    [Fact]
    public void A_file_that_is_not_there_is_named() =>
        Assert.Contains("nothing.json: 1 problem", Assert.Throws<ConfigException>(() => ConfigLoader.Load("nothing.json")).Message,
        StringComparison.Ordinal);
}
