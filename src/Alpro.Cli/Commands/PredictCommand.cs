using System.CommandLine;
using Alpro.Actors;
using Alpro.Actors.Evaluation;
using Alpro.Data.Batches;
using Alpro.Data.Clips;
using Alpro.Data.Corpora;
using Alpro.Data.Media;
using Alpro.Data.Sampling;
using Alpro.Data.Text;
using Alpro.Model;
using Alpro.Training;
using Alpro.Training.Configuration;
using Alpro.Training.Evaluation;
using Alpro.Training.Inputs;
using Alpro.Training.Tasks;
using Spectre.Console;

namespace Alpro.Cli.Commands;

/// <summary><c>alpro predict</c>: answers questions about one video, or says how well texts match it.</summary>
internal static class PredictCommand
{
    private const int UsualTop = 5;

    private static readonly TimeSpan _deadline = TimeSpan.FromMinutes(5);

    private sealed record AnswerLine(string Answer, double Probability);

    private sealed record QuestionLine(string Question, IReadOnlyList<AnswerLine> Answers, IReadOnlyList<string> UnknownWords);

    private sealed record TextLine(string Text, double? Match, double Contrastive, IReadOnlyList<string> UnknownWords);

    private sealed record Prediction(string Video, IReadOnlyList<QuestionLine> Questions, IReadOnlyList<TextLine> Texts);

    public static Command Create()
    {
        var model = new ModelOptions();
        var video = new Option<string>("--video") { Description = "The video; SHARD.tar/KEY is one inside a tar shard.", Required = true };
        var questions = new Option<string[]>("--question")
        {
            Description = "A question for a question-answering model; may be repeated.",
            DefaultValueFactory = _ => [],
        };
        var texts = new Option<string?>("--texts") { Description = "A file of texts for a retrieval model, one a line." };
        var top = new Option<int?>("--top") { Description = "Answers to give per question; 5 by default." };
        var command = new Command("predict", CommandLine.Describe(
            "Answer questions about a video, with probabilities, or score how well texts match it.",
            "alpro predict --run output/downstreams/msrvtt_qa/public --video clip.mp4 --question \"what is the man doing\"")) { video,
            questions, texts, top };
        model.AddTo(command);
        CommandLine.Between(top, 1);
        command.Validators.Add(result =>
        {
            if (result.GetValue(questions)!.Length > 0 == result.GetValue(texts) is not null)
                result.AddError("Give either --question or --texts.");
        });
        command.SetAction(arguments =>
        {
            EvaluationTarget run = model.Open(arguments);
            RunConfig config = run.For(corpus: null, arguments.GetValue(model.Data));
            DownstreamTask task = DownstreamTask.Of(config.Task);
            bool asked = arguments.GetValue(questions)!.Length > 0;
            if (asked != task.AsksQuestions)
                throw new UsageException($"{run.Folder}: is a run of {task.Title}: give {(task.AsksQuestions ? "--question" : "--texts")}");
            string[] about = asked ? arguments.GetValue(questions)! : Lines(arguments.GetValue(texts)!);
            Prediction prediction = Predict(config, run.Weights, arguments.GetValue(video)!, about, arguments.GetValue(top) ?? UsualTop);
            var read = prediction.Questions.Select(line => (line.Question, line.UnknownWords))
                .Concat(prediction.Texts.Select(line => (line.Text, line.UnknownWords)));
            foreach ((string text, IReadOnlyList<string> unknown) in read)
                if (unknown.Count > 0) CommandLine.Log.WordsUnknown(text, string.Join(", ", unknown));
            CommandLine.Result(arguments, prediction, console => Show(console, prediction, run.HasMatching));
            return ExitCode.Success;
        });
        return command;
    }

    /// <summary>All on the calling thread: tensors stay there.</summary>
    private static Prediction Predict(RunConfig config, string weights, string video, IReadOnlyList<string> texts, int top)
    {
        var tokenizer = new CaptionTokenizer(config.Data.Vocabulary);
        using ClipBatch clip = Load(config.Data.Clip, tokenizer, video);
        using AlproModel model = RunModel.Load(config, weights, RunModel.DefaultDevice);
        var set = new EvaluationSet([clip.Keys[0]], [0], TokenizedTexts.Encode(tokenizer, texts, clip.TextLength), new int[texts.Count], [],
            []) { Labels = AnswerLabels.Read(config) };
        var plan = new EvaluationPlan(video, config, set);
        var said = texts.Zip(plan.Task.Predict(model, plan, clip, top),
            (text, prediction) => (Text: text, Prediction: prediction, Unknown: tokenizer.UnknownWords(text)));
        return plan.Task.AsksQuestions
            ? new(video,
            [.. said.Select(of => new QuestionLine(of.Text,
            [.. of.Prediction.Answers.Select(answer => new AnswerLine(answer.Answer, answer.Probability))], of.Unknown))], [])
            : new(video, [],
            [.. said.Select(of => new TextLine(of.Text, of.Prediction.Match, of.Prediction.Contrastive!.Value, of.Unknown))]);
    }

    private static ClipBatch Load(ClipSettings settings, CaptionTokenizer tokenizer, string video)
    {
        using var corpus = new OneVideo(video);
        using var loader = new ClipLoader([corpus], settings, tokenizer, FrameReaders.Create(new DecodeLimits { Deadline = _deadline }));
        using Clip clip = loader.Load(new RowsInOrder([0], batchSize: 1, row => corpus[row].MediaName).Request(0, 0));
        using var collator = new Collator(step: 0, size: 1, settings);
        collator.Add(0, clip);
        return collator.Take()!;
    }

    private static string[] Lines(string file)
    {
        if (!File.Exists(file)) throw new UsageException($"{file}: there is no such file; expected texts, one a line");
        string[] lines = [.. File.ReadLines(file).Where(line => !string.IsNullOrWhiteSpace(line))];
        return lines.Length > 0 ? lines : throw new UsageException($"{file}: has no texts; expected one a line");
    }

    private static void Show(IAnsiConsole console, Prediction prediction, bool hasMatching)
    {
        foreach (QuestionLine question in prediction.Questions)
        {
            console.WriteLine(question.Question);
            foreach (AnswerLine answer in question.Answers) console.WriteLine($"  {answer.Probability,7:P1}  {answer.Answer}");
        }
        if (prediction.Texts.Count == 0) return;
        bool byMatch = prediction.Texts[0].Match is not null;
        console.WriteLine($"  match  contrastive, best {(byMatch ? "match" : "contrastive score")} first, by which the run is scored");
        foreach (TextLine text in prediction.Texts.OrderByDescending(text => text.Match ?? text.Contrastive))
            console.WriteLine($"{(text.Match is { } match ? $"{match:P1}" : "-"),7}  {text.Contrastive,11:0.00}  {text.Text}");
        if (!hasMatching) console.WriteLine("no match: the run has not trained the head that tells it");
    }

    /// <summary>A corpus of one video.</summary>
    private sealed class OneVideo : VideoTextCorpus
    {
        private readonly VideoTextPair _video;

        public OneVideo(string path)
        {
            (MediaSource media, string key) = NamedMedia.Find(path);
            _video = new() { Row = 0, Key = key, Kind = MediaKind.Video, Media = media, Captions = [""] };
        }

        public override string Name => _video.Key;

        public override MediaKind Kind => _video.Kind;

        public override long Count => 1;

        public override CorpusCoverage Coverage { get; } = new(Rows: 1, Filtered: 0, Malformed: 0, Missing: 0);

        public override string Content => _video.Key;

        public override VideoTextPair this[long row] => _video;
    }
}
