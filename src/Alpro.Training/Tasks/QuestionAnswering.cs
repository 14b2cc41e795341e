using System.Text.Json;
using System.Text.Json.Nodes;
using Alpro.Data.Batches;
using Alpro.Model;
using Alpro.Training.Configuration;
using Alpro.Training.Evaluation;
using Alpro.Training.Records;
using static TorchSharp.torch;

namespace Alpro.Training.Tasks;

/// <summary>Video question answering (paper section 4.3): the best of the known answers to each question about a video.</summary>
internal sealed class QuestionAnswering : DownstreamTask
{
    private const string Questions = "questions", Labels = "labels", Probabilities = "probabilities";

    public override LearningTask Setting => LearningTask.QuestionAnswering;

    public override string Title => "question answering";

    public override (string Prefix, string Name)? Head => ("classifier.", "classifier of answers");

    public override bool AsksQuestions => true;

    public override PublishedFigures Published { get; } = new(["overall_acc", "what_acc", "who_acc", "how_acc", "where_acc", "when_acc"],
    [
        ("msrvtt", [42.12, 36.05, 52.24, 85.67, 42.8, 78.88]),
        ("msvd", [45.91, 37.02, 58.59, 81.62, 46.43, 72.41]),
    ])
    { Factor = 100 };

    public override AlproModel CreateModel(ModelConfig config) => new AlproForQuestionAnswering(config);

    public override Evaluator Open(AlproModel model, EvaluationPlan plan, PartialResults results, ReadVideos read) =>
        new AnsweringEvaluator(model, plan, results, read);

    public override DownstreamScores Read(EvaluationPlan plan, PartialResults results)
    {
        var missing = new List<MissingVideo>();
        var answers = new List<Answered>();
        foreach (EvaluationShare share in plan.Shares(EvaluationStage.Videos))
        {
            using var scope = NewDisposeScope();
            (IReadOnlyDictionary<string, Tensor> tensors, _, MissingVideo[] lost) = results.Read(share);
            missing.AddRange(lost);
            (long[] questions, long[] labels) = (tensors[Questions].data<long>().ToArray(), tensors[Labels].data<long>().ToArray());
            float[] probabilities = tensors[Probabilities].data<float>().ToArray();
            int given = labels.Length / Math.Max(1, questions.Length);           // answers to each
            answers.AddRange(questions.Select((question, i) => new Answered((int)question,
                [.. labels.AsSpan(i * given, given).ToArray().Select(label => (int)label)],
                probabilities[(i * given)..((i + 1) * given)])));
        }
        plan.Set.RequireVideos(missing);
        return new AnswerScores(plan, missing, answers);
    }

    public override IReadOnlyList<TextPrediction> Predict(AlproModel model, EvaluationPlan plan, ClipBatch video, int top)
    {
        Dictionary<int, string> answers = plan.Set.Labels!.ToDictionary(entry => entry.Value, entry => entry.Key);
        IReadOnlyList<Answered> given = Answerer(model, plan).Answer([video], plan.Set, Math.Min(top, plan.Config.Model.Answers));
        return [.. given.OrderBy(answered => answered.Question).Select(answered => new TextPrediction(null, null, [.. answered.Labels.Zip(
            answered.Probabilities, (label, probability) => (answers.GetValueOrDefault(label, $"label {label}"), (double)probability))]))];
    }

    private protected override DownstreamScores Score(
        AlproModel model, EvaluationPlan plan, IEnumerable<ClipBatch> videos, IReadOnlyList<MissingVideo> missing) =>
        new AnswerScores(plan, missing, Answerer(model, plan).Answer(videos, plan.Set));

    private static QuestionAnswerer Answerer(AlproModel model, EvaluationPlan plan) =>
        new((AlproForQuestionAnswering)model, plan.Config.Evaluation, plan.Config.Training.Precision);

    /// <summary>Does shares of question answering: a video and its questions are done together.</summary>
    private sealed class AnsweringEvaluator(AlproModel model, EvaluationPlan plan, PartialResults results, ReadVideos read)
        : Evaluator(model, plan, results, read)
    {
        private protected override (IReadOnlyDictionary<string, Tensor> Tensors, IReadOnlyList<string> Keys) DoVideos(
            IEnumerable<ClipBatch> videos)
        {
            IReadOnlyList<Answered> answers = Answerer(Model, Plan).Answer(videos, Plan.Set,
                Math.Min(AnswerScores.Given, Plan.Config.Model.Answers));
            return (new Dictionary<string, Tensor>
            {
                [Questions] = tensor([.. answers.Select(answer => (long)answer.Question)]),
                [Labels] = tensor([.. answers.SelectMany(answer => answer.Labels.Select(label => (long)label))]),
                [Probabilities] = tensor([.. answers.SelectMany(answer => answer.Probabilities)]),
            }, []);
        }
    }
}

/// <summary>The scores of question answering.</summary>
/// <param name="plan">What was evaluated.</param>
/// <param name="missing">Videos that could not be read.</param>
/// <param name="given">The answer to every question on a video that was read.</param>
internal sealed class AnswerScores(EvaluationPlan plan, IReadOnlyList<MissingVideo> missing, IReadOnlyList<Answered> given)
    : DownstreamScores(plan, missing)
{
    /// <summary>Answers that are given to a question, best first: the first counts, the others are for people to see.</summary>
    public const int Given = Shown;

    /// <summary>Figures over the videos that were read.</summary>
    public QuestionAnsweringMetrics QuestionAnswering { get; } = QuestionAnsweringMetrics.Of(plan.Set, given, withMissing: false);

    /// <summary>The same with the questions on missing videos counted as wrong; null when nothing is missing.</summary>
    public QuestionAnsweringMetrics? QuestionAnsweringWithMissing { get; } =
        missing.Count == 0 ? null : QuestionAnsweringMetrics.Of(plan.Set, given, withMissing: true);

    public override JsonObject Figures(bool withMissing) =>
        ((withMissing ? QuestionAnsweringWithMissing : null) ?? QuestionAnswering).ToReference();

    public override ScoreTable? ToTable() => new(["", "accuracy, %", "questions"],
    [
        Row("all", QuestionAnswering.Overall), .. QuestionAnswering.ByType.Select(type => Row(type.Key, type.Value)),
    ]);

    public override IReadOnlyList<ExampleGroup> Examples(int most)
    {
        Dictionary<int, string> answers = Plan.Set.Labels!.ToDictionary(entry => entry.Value, entry => entry.Key);
        // What is most certain comes first, right or wrong.
        TextExample[] examples = [.. given.OrderByDescending(answered => answered.Probabilities[0]).Select(answered =>
        {
            int truth = Plan.Set.Answers[answered.Question];
            return new TextExample(Plan.Set.Written[answered.Question], Plan.Set.VideoOfText[answered.Question],
                answers.GetValueOrDefault(truth), [.. answered.Labels.Zip(answered.Probabilities).Select((choice, place) => new FoundChoice(
                    answers.GetValueOrDefault(choice.First, $"label {choice.First}"), place + 1, choice.First == truth, null, choice.Second,
                    null))]);
        })];
        return
        [
            Group("Wrong", "Wrong answers of which the model is most certain.", "Every question is answered right.", most,
                examples.Where(example => !example.IsRight)),
            Group("Right", "Right answers of which the model is most certain.", "No question is answered right.", most,
                examples.Where(example => example.IsRight)),
        ];
    }

    /// <summary>The accuracy decides which checkpoint is best.</summary>
    public override ValidationRecord ToRecord(long step, double seconds)
    {
        double accuracy = QuestionAnswering.Overall.Accuracy;
        return new(step, accuracy, new Dictionary<string, double> { ["accuracy"] = accuracy }, seconds);
    }

    public override Receipt Complete(Receipt receipt) => receipt with { WithoutLabel = QuestionAnswering.WithoutLabel };

    private static string[] Row(string name, AnswerAccuracy of) => [name, $"{100 * of.Accuracy:0.0}", $"{of.Count}"];

    /// <summary>A row for each question on a video that was read: the right answer (null without a label) and the given one.</summary>
    private protected override void WriteRows(Utf8JsonWriter json)
    {
        Dictionary<int, string> answers = Plan.Set.Labels!.ToDictionary(entry => entry.Value, entry => entry.Key);
        foreach (Answered answered in given.OrderBy(answered => answered.Question))
        {
            json.WriteStartObject();
            json.WriteNumber("question_id", answered.Question);
            json.WriteString("video_id", Plan.Set.VideoKeys[Plan.Set.VideoOfText[answered.Question]]);
            json.WriteString("answer_type", Plan.Set.AnswerTypes[answered.Question]);
            json.WriteString("answer", answers.GetValueOrDefault(Plan.Set.Answers[answered.Question]));
            json.WriteNumber("predicted_label", answered.Labels[0]);
            json.WriteString("predicted_answer", answers.GetValueOrDefault(answered.Labels[0]));
            json.WriteNumber("probability", answered.Probabilities[0]);
            json.WriteEndObject();
        }
    }
}
