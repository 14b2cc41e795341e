using System.Text.Json;
using Alpro.Cli.Tests.Commands;
using Alpro.Model.Checkpoints;
using Alpro.Training.Configuration;
using Alpro.Training.Evaluation;

namespace Alpro.Cli.Tests.Evaluation;

/// <summary>Every kind of wrong input to an evaluation is named, and what can be evaluated is.</summary>
public sealed class BadInputTests(ReleasedRuns runs) : IClassFixture<ReleasedRuns>, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Rows_without_their_fields_are_named_and_left_out()
    {
        Receipt receipt = Evaluate(runs.Retrieval,
            [.. Captions(), """{ "clip_name": "3000001" }""", """{ "caption": "a red circle" }""", "not JSON"], out string errors);
        Assert.Equal((15, 12), (receipt.Rows, receipt.Texts));
        string note = Assert.Single(receipt.Notes);
        Assert.Contains("3 rows cannot be understood", note);
        Assert.Contains("row 13: it has no \"caption\"", note);
        Assert.Contains("row 14: it has no \"clip_name\"", note);
        Assert.Contains("row 15: it is not a JSON object", note);
        Assert.Contains(note, errors);
    }

    [Fact]
    public void Annotations_of_another_kind_are_refused_with_the_columns_they_lack()
    {
        (int code, _, string errors) = AlproProgram.Run("evaluate", "--run", runs.Retrieval, "--out", _folder.File("out"), "--set",
            $"data.test.annotations={runs.File("data/msrvtt_qa/txt/test.jsonl")}");
        Assert.Equal(2, code);
        Assert.Contains("\"clip_name\" is lacking", errors);
    }

    [Fact]
    public void Answers_without_a_label_are_counted()
    {
        string[] questions = File.ReadAllLines(runs.File("data/msrvtt_qa/txt/test.jsonl"));
        questions[0] = JsonSerializer.Serialize(new { video_id = "3000000", question = "what is it", answer = "zeppelin",
            answer_type = "what" });
        Receipt usual = Evaluate(runs.QuestionAnswering, File.ReadAllLines(runs.File("data/msrvtt_qa/txt/test.jsonl")), out _);
        Receipt receipt = Evaluate(runs.QuestionAnswering, questions, out _);
        Assert.Equal(usual.WithoutLabel + 1, receipt.WithoutLabel);
        Assert.Contains(receipt.Notes, note => note.Contains("answers are none of the labels", StringComparison.Ordinal)
            && note.Contains("\"zeppelin\"", StringComparison.Ordinal));
    }

    [Fact]
    public void Captions_without_video_are_reported_and_scored_both_ways()
    {
        Receipt receipt = Evaluate(runs.Retrieval, [.. Captions(), """{ "clip_name": "absent", "caption": "a red circle" }"""], out _);
        Assert.Equal("absent: Missing", Assert.Single(receipt.Missing).ToString());
        Assert.Equal((13, 13), (receipt.Videos, receipt.Texts));
        double found = receipt.Figures["text2video"]!["meanR"]!.GetValue<double>(),
            all = receipt.FiguresWithMissing!["text2video"]!["meanR"]!.GetValue<double>();
        Assert.Equal((12 * found + 13) / 13, all, 1e-9);             // the one more is ranked behind all
    }

    [Theory]
    [InlineData(false, """{ "clip_name": "absent", "caption": "a red circle" }""")]
    [InlineData(true, """{ "video_id": "absent", "question": "what is it", "answer": "red", "answer_type": "what" }""")]
    public void A_set_without_any_video_is_refused(bool answering, string row)
    {
        (int code, _, string errors) = Run(answering ? runs.QuestionAnswering : runs.Retrieval, [row]);
        Assert.True(code == 2, errors);
        Assert.Contains("None of the 1 videos can be read; the first is absent: Missing", errors);
    }

    [Fact]
    public void Clip_names_that_repeat_their_text_are_named()
    {
        string[] captions = Captions();
        Receipt receipt = Evaluate(runs.Retrieval, [.. captions, captions[3], """{ "clip_name": "3000003", "caption": "a blue square" }"""],
            out _);
        Assert.Equal((12, 14), (receipt.Videos, receipt.Texts));
        string note = Assert.Single(receipt.Notes);
        Assert.Contains("1 rows repeat a clip name with the same text", note);
        Assert.Contains("3000003", note);
    }

    [Fact]
    public void A_checkpoint_of_the_other_task_is_refused()
    {
        (int code, _, string errors) = AlproProgram.Run("evaluate", "--run", runs.Retrieval, "--checkpoint", runs.QuestionAnswering,
            "--out", _folder.File("out"));
        Assert.Equal(2, code);
        Assert.Contains("is a checkpoint of question answering, and retrieval is asked of it", errors);
        (code, _, errors) = AlproProgram.Run("evaluate", "--run", runs.QuestionAnswering, "--checkpoint", runs.Retrieval, "--out",
            _folder.File("out"));
        Assert.Equal(2, code);
        Assert.Contains("has no classifier of answers", errors);
    }

    [Theory]
    [InlineData(false, "vision_proj.bias", "the score of text 0 with video ")]
    [InlineData(false, "itm_head.bias", "the score of text ")]
    [InlineData(true, "classifier.2.bias", "the score of question ")]
    public void Weights_that_give_scores_that_are_not_numbers_fail_the_evaluation(bool answering, string key, string score)
    {
        string run = answering ? runs.QuestionAnswering : runs.Retrieval, weights = _folder.File("odd.safetensors");
        using (var scope = TorchSharp.torch.NewDisposeScope())
        using (CheckpointFile file = CheckpointFile.Open(Path.Combine(run, "ckpt", "model_step_best.pt")))
        {
            var tensors = file.ReadAll().ToDictionary();
            tensors[key] = TorchSharp.torch.full_like(tensors[key], double.NaN);
            Safetensors.Save(weights, tensors);
        }
        (int code, _, string errors) = AlproProgram.Run("evaluate", "--run", run, "--checkpoint", weights, "--out", _folder.File("out"));
        Assert.Equal(2, code);
        Assert.Matches($"(?m)^(alpro: )?{weights}:? {score}.* is NaN: the weights are damaged", errors);
        Assert.DoesNotContain("   at ", errors);
    }

    [Fact]
    public void Labels_of_another_model_are_refused()
    {
        File.WriteAllText(_folder.File("labels.json"), """{ "red": 0, "blue": 30 }""");
        (int code, _, string errors) = AlproProgram.Run("evaluate", "--run", runs.QuestionAnswering, "--out", _folder.File("out"), "--set",
            $"data.answers={_folder.File("labels.json")}");
        Assert.Equal(2, code);
        Assert.Contains("the answer \"blue\" has the label 30, and the model has model.answers = 30", errors);
    }

    [Fact]
    public void Data_folder_in_which_nothing_is_found_is_refused()
    {
        (int code, _, string errors) = AlproProgram.Run("evaluate", "--run", runs.Retrieval, "--data", _folder.File("nope"), "--out",
            _folder.File("out"));
        Assert.Equal(2, code);
        Assert.Contains($"--data {_folder.File("nope")}: nothing that {runs.Retrieval} reads is there", errors);
    }

    [Fact]
    public void Words_without_a_place_in_the_vocabulary_are_named()
    {
        Receipt receipt = Evaluate(runs.Retrieval, [.. Captions(), """{ "clip_name": "3000003", "caption": "a zyzzyva" }"""], out _);
        Assert.Contains("1 words are not in the vocabulary, and say nothing: zyzzyva", receipt.Notes);
    }

    [Fact]
    public void Results_of_other_rows_are_not_replaced_unsaid()
    {
        Evaluate(runs.Retrieval, Captions(), out string first);
        Assert.DoesNotContain("which these will replace", first);
        Evaluate(runs.Retrieval, Captions()[1..], out string errors);
        Assert.Contains($"{_folder.File("out")}: holds the results of other rows ({_folder.File("rows.jsonl")}), which these will replace",
            errors);
    }

    private string[] Captions() => File.ReadAllLines(runs.File("data/msrvtt_ret/txt/test.jsonl"));

    private Receipt Evaluate(string run, string[] rows, out string errors)
    {
        (int code, _, errors) = Run(run, rows);
        Assert.True(code == 0, errors);
        return Receipt.Read(_folder.File("out"));
    }

    private (int Code, string Output, string Errors) Run(string run, string[] rows)
    {
        File.WriteAllLines(_folder.File("rows.jsonl"), rows);
        return AlproProgram.Run("evaluate", "--run", run, "--out", _folder.File("out"), "--set",
            $"data.test.annotations={_folder.File("rows.jsonl")}");
    }
}
