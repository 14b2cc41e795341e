using System.Formats.Tar;
using System.Text.Json;
using Alpro.Cli.Tests.Evaluation;

namespace Alpro.Cli.Tests.Commands;

/// <summary><c>alpro predict</c> and <c>alpro compare</c>, as a person runs them.</summary>
public sealed class PredictCommandTests(ReleasedRuns runs) : IClassFixture<ReleasedRuns>
{
    [Theory]
    [InlineData("data.evaluationClip.strategy=\"uniform\"", "evaluation.score=\"matching\"")]
    [InlineData("data.evaluationClip.strategy=\"rand\"", "evaluation.score=\"matching\"")]
    [InlineData("data.evaluationClip.strategy=\"headtail\"", "evaluation.score=\"contrastive\"")]
    public void Texts_are_scored_as_the_evaluation_scores_them(string strategy, string score)
    {
        string folder = runs.File($"out/all-{strategy.Length}");
        (int code, _, string errors) = AlproProgram.Run("evaluate", "--run", runs.Retrieval, "--out", folder, "--set", strategy, "--set",
            score);
        Assert.True(code == 0, errors);
        JsonElement[] rows = [.. JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "results.json"))).RootElement.EnumerateArray()
            .Where(row => row.GetProperty("vid_id").GetString() == "3000004")];
        string[] captions = [.. File.ReadLines(runs.File("data/msrvtt_ret/txt/test.jsonl"))
            .Select(line => JsonDocument.Parse(line).RootElement.GetProperty("caption").GetString()!)];
        File.WriteAllLines(runs.File("texts.txt"), captions);

        (code, string output, errors) = AlproProgram.Run("predict", "--run", runs.Retrieval, "--video",
            runs.File("data/msrvtt_ret/videos/3000004.mp4"), "--texts", runs.File("texts.txt"), "--json", "--set", strategy, "--set",
            score);
        Assert.True(code == 0, errors);
        JsonElement[] texts = [.. JsonDocument.Parse(output).RootElement.GetProperty("texts").EnumerateArray()];
        Assert.Equal(captions, texts.Select(text => text.GetProperty("text").GetString()));
        for (int i = 0; i < texts.Length; i++)
        {
            Assert.Equal(Number(rows[i], "score"), Number(texts[i], "match"), 2e-5f);
            Assert.Equal(Number(rows[i], "vtc_score"), Number(texts[i], "contrastive"), 1e-4f);
        }

        // For a person, the best by what the run is scored by comes first.
        (code, output, errors) = AlproProgram.Run("predict", "--run", runs.Retrieval, "--video",
            runs.File("data/msrvtt_ret/videos/3000004.mp4"), "--texts", runs.File("texts.txt"), "--set", strategy, "--set", score);
        Assert.True(code == 0, errors);
        JsonElement best = texts.MaxBy(text => Number(text,
            score.Contains("contrastive", StringComparison.Ordinal) ? "contrastive" : "match"));
        Assert.EndsWith(best.GetProperty("text").GetString()!, output.Split('\n')[1].TrimEnd(), StringComparison.Ordinal);

        static float Number(JsonElement row, string name) => row.GetProperty(name) is { ValueKind: JsonValueKind.Number } number
            ? number.GetSingle() : float.NaN;
    }

    [Fact]
    public void Clip_in_a_shard_is_scored_as_the_evaluation_scores_it()
    {
        string shard = runs.File("shards/00000.tar"), folder = runs.File("out/shards"), rand = "data.evaluationClip.strategy=\"rand\"";
        string[] lines = [.. File.ReadLines(runs.File("data/msrvtt_ret/txt/test.jsonl")).Take(4)];
        JsonElement[] pairs = [.. lines.Select(line => JsonDocument.Parse(line).RootElement)];
        Directory.CreateDirectory(Path.GetDirectoryName(shard)!);
        using (var tar = new TarWriter(File.Create(shard)))
            foreach (JsonElement pair in pairs)
            {
                string name = pair.GetProperty("clip_name").GetString()!, text = runs.File($"shards/{name}.txt");
                tar.WriteEntry(runs.File($"data/msrvtt_ret/videos/{name}.mp4"), $"part/{name}.mp4");
                File.WriteAllText(text, pair.GetProperty("caption").GetString()!);
                tar.WriteEntry(text, $"part/{name}.txt");
            }
        string test = JsonSerializer.Serialize(new { name = "shards", annotations = shard, media = runs.File("shards") });
        string[] run = ["--run", runs.Retrieval, "--set", rand];
        (int code, _, string errors) = AlproProgram.Run(["evaluate", .. run, "--out", folder, "--set", $"data.test={test}"]);
        Assert.True(code == 0, errors);
        string clip = pairs[2].GetProperty("clip_name").GetString()!;
        JsonElement[] rows = [.. JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "results.json"))).RootElement.EnumerateArray()
            .Where(row => row.GetProperty("vid_id").GetString() == $"00000/part/{clip}")];
        File.WriteAllLines(runs.File("shards/texts.txt"), pairs.Select(pair => pair.GetProperty("caption").GetString()!));
        string[] about = ["--video", $"{shard}/part/{clip}", "--texts", runs.File("shards/texts.txt")];
        (code, string output, errors) = AlproProgram.Run(["predict", .. run, .. about, "--json"]);
        Assert.True(code == 0, errors);
        JsonElement[] told = [.. JsonDocument.Parse(output).RootElement.GetProperty("texts").EnumerateArray()];
        Assert.Equal((4, 4), (rows.Length, told.Length));
        for (int i = 0; i < 4; i++)
            Assert.Equal(rows[i].GetProperty("vtc_score").GetSingle(), told[i].GetProperty("contrastive").GetSingle(), 1e-4f);
    }

    [Fact]
    public void Questions_get_their_best_answers_with_probabilities()
    {
        string video = Path.GetRelativePath(Directory.GetCurrentDirectory(), runs.File("data/msrvtt_qa/videos/3000000.mp4"));
        (int code, string output, string errors) = AlproProgram.Run("predict", "--run", runs.QuestionAnswering, "--video", video,
            "--question", "what color is it", "--question", "what moves", "--top", "3", "--json");
        Assert.True(code == 0, errors);
        JsonElement[] questions = [.. JsonDocument.Parse(output).RootElement.GetProperty("questions").EnumerateArray()];
        Assert.Equal(["what color is it", "what moves"], questions.Select(question => question.GetProperty("question").GetString()));
        Assert.All(questions, question =>
        {
            double[] probabilities = [.. question.GetProperty("answers").EnumerateArray()
                .Select(answer => answer.GetProperty("probability").GetDouble())];
            Assert.Equal(3, probabilities.Length);
            Assert.Equal(probabilities.OrderDescending(), probabilities);
            Assert.InRange(probabilities.Sum(), 0, 1);
        });
    }

    [Fact]
    public void Words_that_the_model_does_not_know_are_named()
    {
        (int code, string output, string errors) = AlproProgram.Run("predict", "--run", runs.QuestionAnswering, "--video",
            runs.File("data/msrvtt_qa/videos/3000000.mp4"), "--question", "what zyzzyva is it", "--json");
        Assert.True(code == 0, errors);
        Assert.Contains("\"what zyzzyva is it\": zyzzyva: not in the vocabulary", errors);
        Assert.Equal("zyzzyva", JsonDocument.Parse(output).RootElement.GetProperty("questions")[0].GetProperty("unknownWords")[0]
            .GetString());
    }

    [Fact]
    public void Texts_are_sorted_by_what_the_run_is_scored_by()
    {
        File.WriteAllLines(runs.File("some.txt"),
            File.ReadLines(runs.File("data/msrvtt_ret/txt/test.jsonl")).Take(8)
            .Select(line => JsonDocument.Parse(line).RootElement.GetProperty("caption").GetString()!));
        foreach ((string score, int column) in new[] { ("matching", 0), ("contrastive", 1) })
        {
            (int code, string output, string errors) = AlproProgram.Run("predict", "--run", runs.Retrieval, "--video",
                runs.File("data/msrvtt_ret/videos/3000004.mp4"), "--texts", runs.File("some.txt"), "--set", $"evaluation.score={score}");
            Assert.True(code == 0, errors);
            double[] shown = [.. output.Split('\n').Skip(1).Where(line => line.Length > 0)
                .Select(line => double.Parse(line.Replace("%", "").Split(' ', StringSplitOptions.RemoveEmptyEntries)[column]))];
            Assert.Equal(8, shown.Length);
            Assert.Equal(shown.OrderDescending(), shown);
        }
    }

    [Fact]
    public void What_the_model_cannot_do_is_said()
    {
        string video = runs.File("data/msrvtt_ret/videos/3000004.mp4");
        (int code, _, string errors) = AlproProgram.Run("predict", "--run", runs.Retrieval, "--video", video, "--question", "what is it");
        Assert.Equal(2, code);
        Assert.Contains("is a run of retrieval: give --texts", errors);
        (code, _, errors) = AlproProgram.Run("predict", "--run", runs.QuestionAnswering, "--video",
            runs.File("ext/bert-base-uncased/vocab.txt"), "--question", "what is it");
        Assert.Equal(2, code);
        Assert.Contains("vocab.txt", errors);
    }

    [Fact]
    public void A_validation_figure_is_never_put_beside_a_test_figure()
    {
        (int code, string output, string errors) = AlproProgram.Run("evaluate", "--run", runs.Retrieval, "--out", runs.File("out/test"));
        Assert.True(code == 0, errors);
        File.Copy(runs.File("data/msrvtt_ret/txt/val.jsonl"), runs.File("data/msrvtt_ret/txt/copy.jsonl"));
        (code, output, errors) = AlproProgram.Run("evaluate", "--run", runs.Retrieval, "--out", runs.File("out/val"), "--set",
            $"data.test.annotations={runs.File("data/msrvtt_ret/txt/copy.jsonl")}");
        Assert.True(code == 0, errors);
        Assert.Contains("are the rows of validation too", errors);

        (code, output, errors) = AlproProgram.Run("compare", runs.File("out/test"), runs.File("out/val/receipt.json"), "--json");
        Assert.True(code == 0, errors);
        JsonElement[] compared = [.. JsonDocument.Parse(output).RootElement.EnumerateArray()];
        Assert.All(compared, receipt => Assert.Equal("msrvtt", receipt.GetProperty("dataset").GetString()));
        JsonElement r1 = compared[0].GetProperty("figures")[0];
        Assert.Equal((33.9, r1.GetProperty("here").GetDouble() - 33.9),
            (r1.GetProperty("published").GetDouble(), r1.GetProperty("difference").GetDouble()));
        Assert.All(compared[1].GetProperty("figures").EnumerateArray(),
            figure => Assert.Equal(JsonValueKind.Null, figure.GetProperty("published").ValueKind));
        Assert.Contains("these are figures of the validation split", compared[1].GetProperty("remarks")[0].GetString());

        (code, _, errors) = AlproProgram.Run("compare", runs.File("data/msrvtt_ret/txt/val.jsonl"));
        Assert.Equal(2, code);
        Assert.Contains("not a receipt of 'alpro evaluate'", errors);
    }
}
