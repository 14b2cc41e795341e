using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Alpro.Actors.Evaluation;
using Alpro.Actors.Hosting;
using Alpro.Training.Tasks;
using Alpro.Web;

namespace Alpro.Cli.Tests.Evaluation;

/// <summary>The page that an evaluation leaves: what it shows is what was found, and no text of a user becomes markup.</summary>
public sealed class EvaluationReportTests(ReleasedRuns runs) : IClassFixture<ReleasedRuns>, IDisposable
{
    private readonly TemporaryFolder _out = new();

    public void Dispose() => _out.Dispose();

    [Fact]
    public async Task Worst_and_best_retrievals_have_their_ranks_scores_and_frames()
    {
        (EvaluationResult result, string page) = await EvaluateAsync(runs.Retrieval, "msrvtt_ret", "caption");
        JsonObject[] pairs = Rows(result);
        (ExampleGroup worst, ExampleGroup best) = (result.Examples[0], result.Examples[1]);
        Assert.All(worst.Examples, example => Assert.False(example.IsRight));
        Assert.All(best.Examples, example => Assert.True(example.IsRight));
        int last = int.MaxValue;
        foreach (TextExample example in worst.Examples.Concat(best.Examples))
        {
            FoundChoice own = example.Choices.Single(choice => choice.IsRight);
            double[] scores = [.. pairs.Where(pair => (int)pair["txt_id"]! == example.Video).Select(pair => (double)pair["score"]!)];
            Assert.Equal(12, scores.Length);                         // each video of this world has one text, of its number
            Assert.Equal(own.Rank, 1 + scores.Count(score => score > scores[example.Video]));
            Assert.Equal(scores.OrderDescending().Take(3), example.Choices.Take(3).Select(choice => choice.Probability!.Value), Near);
            Assert.True(own.Rank <= last, $"{own.Rank} after {last}");
            last = own.Rank;
            Assert.All(example.Choices, choice => Assert.Contains(choice.Video!.Value, result.Pictures.Keys));
            Assert.Contains($"rank {own.Rank} of 12", page, StringComparison.Ordinal);
        }
        Assert.Contains("<th scope=\"row\">text to video</th>", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Questions_have_their_answers_probabilities_and_frames_right_and_wrong()
    {
        (EvaluationResult result, string page) = await EvaluateAsync(runs.QuestionAnswering, "msrvtt_qa", "question");
        JsonObject[] answers = Rows(result);
        (ExampleGroup wrong, ExampleGroup right) = (result.Examples[0], result.Examples[1]);
        Assert.All(wrong.Examples, example => Assert.False(example.IsRight));
        Assert.All(right.Examples, example => Assert.True(example.IsRight));
        double[] certain = [.. answers.Where(answer => (string?)answer["answer"] is not { } truth
            || truth != (string)answer["predicted_answer"]!).Select(answer => (double)answer["probability"]!).OrderDescending()];
        Assert.Equal(certain[0], wrong.Examples[0].Choices[0].Probability!.Value, 1e-6);
        foreach (TextExample example in wrong.Examples.Concat(right.Examples))
        {
            Assert.Equal(3, example.Choices.Count);
            Assert.Equal(example.Choices, example.Choices.OrderByDescending(choice => choice.Probability));
            Assert.Contains(example.Video, result.Pictures.Keys);
            if (!example.IsRight && example.Truth is { } truth)
                Assert.Contains($"Right is <b>{truth}</b>.", page, StringComparison.Ordinal);
        }
        Assert.Contains("<th scope=\"row\">what</th>", page, StringComparison.Ordinal);
    }

    private static bool Near(double one, double other) => Math.Abs(one - other) < 1e-6;

    private static JsonObject[] Rows(EvaluationResult result) =>
        [.. JsonNode.Parse(File.ReadAllBytes(Path.Combine(result.Folder, "results.json")))!.AsArray().Select(row => row!.AsObject())];

    /// <summary>Evaluates a run whose texts are markup, and reads the page, which fetches nothing and has none of that markup.</summary>
    private async Task<(EvaluationResult Result, string Page)> EvaluateAsync(string run, string data, string text)
    {
        string annotations = _out.File("test.jsonl");
        File.WriteAllLines(annotations, File.ReadLines(runs.File($"data/{data}/txt/test.jsonl")).Select(line =>
        {
            JsonObject row = JsonNode.Parse(line)!.AsObject();
            row[text] = $"<em onload=\"x\">{row[text]}</em> & more";
            return row.ToJsonString();
        }));
        await using RunHost host = await RunHost.StartAsync(adjust: settings => settings with { Decoders = 2 });
        var target = EvaluationTarget.Open(run, null, null, [$"data.test.annotations={annotations}"]);
        EvaluationResult result = await new EvaluationJob(target, Test: true, Data: null, _out.File("out")).RunAsync(host, default);
        string file = EvaluationReport.Write(result), page = File.ReadAllText(file);
        Assert.Equal(Path.Combine(result.Folder, "report.html"), file);
        Assert.InRange(new FileInfo(file).Length, 20_000, 2_000_000);
        Assert.DoesNotContain("<em", page, StringComparison.Ordinal);
        Assert.Contains("&lt;em onload=&quot;x&quot;&gt;", page, StringComparison.Ordinal);
        Assert.DoesNotMatch(new Regex("(src|href|url)\\s*[=(]\\s*[\"']?(?!data:image/jpeg;base64,)[^\"' )]"), page);
        Assert.Equal(result.Examples.SelectMany(group => group.Examples).Sum(example => example.Choices[0].Video is null ? 1
            : example.Choices.Count), Regex.Count(page, "<img src=\"data:image/jpeg;base64,/9j/"));
        foreach (string? known in new[] { result.Receipt.Host, result.Receipt.Device, result.Receipt.Program, result.Receipt.WeightHash })
            Assert.Contains(known!, page, StringComparison.Ordinal);
        return (result, page);
    }
}
