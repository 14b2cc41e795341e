using System.Text.Json;
using Alpro.Actors.Evaluation;
using Alpro.Actors.Hosting;
using Alpro.Cli.Tests.Commands;
using Alpro.Data.Batches;
using Alpro.Model;
using Alpro.Training;
using Alpro.Training.Configuration;
using Alpro.Training.Evaluation;
using Alpro.Training.Inputs;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Cli.Tests.Evaluation;

/// <summary>Released folders, as they are, from one command.</summary>
public sealed class ReleasedRunTests(ReleasedRuns runs) : IClassFixture<ReleasedRuns>
{
    [Fact]
    public async Task Retrieval_scores_are_those_of_one_pair_at_a_time()
    {
        string folder = runs.File("out/retrieval");
        (int code, string output, string errors) = AlproProgram.Run("evaluate", "--run", runs.Retrieval, "--out", folder);
        Assert.True(code == 0, errors);
        Receipt receipt = Receipt.Read(folder);
        Assert.Equal(("test", 12, 12, 4, 32), (receipt.Split, receipt.Videos, receipt.Texts, receipt.Clip.Frames, receipt.Clip.Size));
        Assert.Equal(Receipt.HashOf(Path.Combine(runs.Retrieval, "ckpt/model_step_best.pt")), receipt.WeightHash);
        Assert.Matches(@"^cpu, \d+ threads$", receipt.Device);
        Assert.Equal(("flash", null, null), (receipt.Attention, receipt.Driver, receipt.Tf32));
        Assert.Contains(output.Split('\n'), line =>
            line.StartsWith("{'text2video': {'r1': ", StringComparison.Ordinal) && line.EndsWith('}'));
        Assert.Equal(receipt.Figures.ToJsonString(),
            JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "scores.json"))).RootElement.GetRawText());
        Assert.Empty(Directory.EnumerateDirectories(folder));       // no partial results are left

        Assert.Equal(144, await PairsAsync(null, folder));
    }

    [SharedFact]
    public async Task Real_clips_are_scored_as_one_pair_at_a_time()
    {
        using var data = new TemporaryFolder();
        string sample = Path.Combine(Locations.Shared, "data", "webvid-sample");
        Directory.CreateSymbolicLink(data.File("videos"), Path.Combine(sample, "videos"));
        string[] names = [.. Directory.EnumerateFiles(data.File("videos")).Select(Path.GetFileNameWithoutExtension)
            .Order(StringComparer.Ordinal)!];
        File.WriteAllLines(data.File("test.jsonl"),
            File.ReadLines(Path.Combine(sample, "results_2M_val.csv")).Select(line => line.Split(',')).Where(row => names.Contains(row[0]))
            .Select(row => JsonSerializer.Serialize(new { clip_name = row[0], caption = row[1] })));
        string folder = runs.File("out/real");
        (int code, _, string errors) = AlproProgram.Run("evaluate", "--run", runs.Retrieval, "--data", data.Path, "--out", folder);
        Assert.True(code == 0, errors);
        Assert.Equal(names, JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "results.json"))).RootElement.EnumerateArray()
            .Select(row => row.GetProperty("vid_id").GetString()).Distinct().Order(StringComparer.Ordinal));
        Assert.Equal(names.Length * names.Length, await PairsAsync(data.Path, folder));
    }

    [Fact]
    public async Task Answers_are_those_to_one_question_at_a_time()
    {
        string folder = runs.File("out/answers");
        (int code, string output, string errors) = AlproProgram.Run("evaluate", "--run", runs.QuestionAnswering, "--out", folder);
        Assert.True(code == 0, errors);
        Assert.Contains(output.Split('\n'), line =>
            line.StartsWith("{'ratios': {'what_ratio': [", StringComparison.Ordinal) && line.Contains("'overall_acc': ",
            StringComparison.Ordinal));

        (RunConfig config, EvaluationSet set, ClipBatch[] videos, AlproModel loaded) = await OneByOneAsync(runs.QuestionAnswering, null);
        var model = (AlproForQuestionAnswering)loaded;
        using var tensors = new BatchTensors(CPU, config.Model.Vision.PatchSize);
        JsonElement[] rows = [.. JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "results.json"))).RootElement.EnumerateArray()];
        Assert.Equal(12 * 7, rows.Length);
        foreach (JsonElement row in rows)
        {
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            int question = row.GetProperty("question_id").GetInt32();
            (Tensor ids, Tensor mask) = set.Texts.Tensors(question, 1, set.Texts.Length, CPU);
            Tensor tokens = model.visual_encoder.Forward(tensors.Of(videos[set.VideoOfText[question]], 0, 1).Video_BTCHW);
            float[] wanted = model.Answer(new(model.Encoder.EncodeText(ids, mask), mask, tokens)).softmax(1).data<float>().ToArray();
            Assert.Equal(wanted.Max(), row.GetProperty("probability").GetSingle(), 2e-5f);
            Assert.Equal(wanted.Max(), wanted[row.GetProperty("predicted_label").GetInt32()], 2e-5f);
        }
    }

    [Fact]
    public void A_pretraining_checkpoint_retrieves_as_it_is()
    {
        (int code, string output, string errors) = AlproProgram.Run("evaluate", "--run", runs.Retrieval, "--checkpoint",
            Path.Combine(Locations.Golden, "model", "pretrain_init.pt"), "--out", runs.File("out/zero-shot"), "--json");
        Assert.True(code == 0, errors);
        JsonElement result = JsonDocument.Parse(output).RootElement;
        Assert.EndsWith("pretrain_init.pt", result.GetProperty("checkpoint").GetString());
        Assert.Equal(12, result.GetProperty("scores").GetProperty("retrieval").GetProperty("text2video").GetProperty("queries").GetInt32());
    }

    [Fact]
    public void Data_are_found_wherever_they_lie()
    {
        using var elsewhere = new TemporaryFolder();
        CopyFolder(runs.Retrieval, elsewhere.File("run"));
        (int code, _, string errors) = AlproProgram.Run("evaluate", "--run", elsewhere.File("run"));
        Assert.Equal(2, code);
        foreach (string lacking in new[] { "data/msrvtt_ret/txt/test.jsonl", "data/msrvtt_ret/videos", "ext/bert-base-uncased/vocab.txt",
            "--data DIR" }) Assert.Contains(lacking, errors);

        Directory.CreateDirectory(elsewhere.File("mine"));
        CopyFolder(runs.File("data/msrvtt_ret/videos"), elsewhere.File("mine/videos"));
        File.Copy(runs.File("data/msrvtt_ret/txt/val.jsonl"), elsewhere.File("mine/val.jsonl"));
        File.Copy(runs.File("ext/bert-base-uncased/vocab.txt"), elsewhere.File("mine/vocab.txt"));
        (code, string output, errors) = AlproProgram.Run("evaluate", "--run", elsewhere.File("run"), "--data", elsewhere.File("mine"),
            "--split", "validation", "--json");
        Assert.True(code == 0, errors);
        JsonElement receipt = JsonDocument.Parse(output).RootElement.GetProperty("receipt");
        Assert.Equal("validation", receipt.GetProperty("split").GetString());
        Assert.Equal(elsewhere.File("mine/val.jsonl"), receipt.GetProperty("annotations").GetString());
        Assert.True(File.Exists(elsewhere.File("run/evaluation/msrvtt_retrieval/model_step_best/receipt.json")));
    }

    /// <summary>Compares every row of the results with the model's own answer for that pair; how many there are.</summary>
    private async Task<int> PairsAsync(string? data, string folder)
    {
        (RunConfig config, EvaluationSet set, ClipBatch[] videos, AlproModel model) = await OneByOneAsync(runs.Retrieval, data);
        using var tensors = new BatchTensors(CPU, config.Model.Vision.PatchSize);
        int rows = 0;
        using JsonDocument results = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "results.json")));
        foreach (IGrouping<string?, JsonElement> ofVideo in results.RootElement.EnumerateArray()
            .GroupBy(row => row.GetProperty("vid_id").GetString()))
        {
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            ClipBatch video = videos.Single(batch => batch.Keys[0] == ofVideo.Key);
            (Tensor tokens, Tensor video_F) = model.EncodeVideo(tensors.Of(video, 0, 1).Video_BTCHW);
            foreach (JsonElement row in ofVideo)
            {
                using var pair = NewDisposeScope();
                (Tensor ids, Tensor mask) = set.Texts.Tensors(row.GetProperty("txt_id").GetInt32(), 1, set.Texts.Length, CPU);
                (Tensor text, Tensor text_F) = model.EncodeText(ids, mask);
                float match = model.Match(new(text, mask, tokens)).softmax(1)[0, 1].item<float>();
                Assert.Equal(match, row.GetProperty("score").GetSingle(), 2e-5f);
                Assert.Equal(text_F.mm(video_F.t()).div(model.temp).item<float>(), row.GetProperty("vtc_score").GetSingle(), 2e-4f);
                rows++;
            }
        }
        return rows;
    }

    /// <summary>The videos in batches of one, in the order of the set, and the model.</summary>
    private static async Task<(RunConfig Config, EvaluationSet Set, ClipBatch[] Videos, AlproModel Model)> OneByOneAsync(string folder,
        string? data)
    {
        EvaluationTarget target = EvaluationTarget.Open(folder, null, null, []);
        RunConfig config = target.For(target.CorpusOf(test: true).Corpus, data);
        await using RunHost host = await RunHost.StartAsync();
        using var opened = new RunData(config, host.Settings);
        EvaluationSet set = opened.EvaluationSet();
        ClipBatch[] videos = [.. host.Videos(config, opened, set)([.. Enumerable.Range(0, set.VideoKeys.Count)],
            lost => Assert.Fail(lost.ToString()))];
        AlproModel model = RunModel.Load(config, target.Weights, CPU);
        model.eval();
        return (config, set, videos, model);
    }

    private static void CopyFolder(string from, string to)
    {
        foreach (string file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            string copy = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
    }
}
