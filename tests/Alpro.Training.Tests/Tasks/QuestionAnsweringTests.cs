using Alpro.Model;
using Alpro.Training.Configuration;
using Alpro.Training.Evaluation;
using Alpro.Training.Inputs;
using Alpro.Training.Tasks;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Training.Tests.Tasks;

public sealed class QuestionAnsweringTests
{
    [Fact]
    public void The_line_is_the_one_the_released_code_prints() => Assert.Equal(
        "{'ratios': {'what_ratio': [0.75, 3], 'how_ratio': [0.25, 1]}, 'overall_acc': 0.5, 'what_acc': 0.3333333333333333, 'how_acc': 1.0}",
        PythonLiteral.Of(QuestionAnsweringMetrics.Of([new("how", 2, 2), new("what", 1, 1), new("what", 1, 3), new("what", -1, -1)])
        .ToReference()));

    [Fact]
    public void Answers_equal_those_of_one_question_at_a_time()
    {
        RunConfig config = TinyRun.Config(LearningTask.QuestionAnswering, batchSize: 3);
        using var model = (AlproForQuestionAnswering)RunModel.Create(config, CPU);
        EvaluationSet set = RetrievalTests.Set(videos: 6, texts: 13);
        Answered[] answers = [.. new QuestionAnswerer(model, new() { PairBatchSize = 4 },
            Precision.Fp32).Answer([TinyRun.Batch(config, 0), TinyRun.Batch(config, 1)], set, best: 3)];
        Assert.Equal(Enumerable.Range(0, 13), answers.Select(answer => answer.Question).Order());
        using var tensors = new BatchTensors(CPU, config.Model.Vision.PatchSize);
        foreach (Answered answer in answers)
        {
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            int video = set.VideoOfText[answer.Question];
            using var batch = TinyRun.Batch(config, video / 3);
            (Tensor ids, Tensor mask) = set.Texts.Tensors(answer.Question, 1, set.Texts.Length, CPU);
            float[] wanted = model.Answer(new(model.Encoder.EncodeText(ids, mask), mask,
                model.visual_encoder.Forward(tensors.Of(batch, video % 3, 1).Video_BTCHW))).softmax(1).data<float>().ToArray();
            Assert.Equal(3, answer.Labels.Length);
            for (int i = 0; i < 3; i++) Assert.Equal(wanted[answer.Labels[i]], answer.Probabilities[i], 1e-5f);
            Assert.Equal(wanted.Max(), answer.Probabilities[0], 1e-5f);
        }
    }

    [Fact]
    public void Questions_of_missing_videos_are_wrong_or_left_out()
    {
        RunConfig config = TinyRun.Config(LearningTask.QuestionAnswering, batchSize: 3);
        using var model = (AlproForQuestionAnswering)RunModel.Create(config, CPU);
        EvaluationSet set = RetrievalTests.Set(videos: 6, texts: 12);
        Answered[] answers = [.. new QuestionAnswerer(model, new(), Precision.Fp32).Answer([TinyRun.Batch(config, 0)], set)];
        Assert.Equal(6, answers.Length);
        Assert.Equal(12, QuestionAnsweringMetrics.Of(set, answers, withMissing: true).Overall.Count);
        Assert.Equal(6, QuestionAnsweringMetrics.Of(set, answers, withMissing: false).Overall.Count);
    }
}
