using System.Text.Json;
using Alpro.Data.Batches;
using Alpro.Model;
using Alpro.Model.Checkpoints;
using Alpro.Training.Configuration;
using Alpro.Training.Evaluation;

namespace Alpro.Training.Tasks;

/// <summary>
/// A downstream task, whole: its model, what its checkpoints have, how a model of it is scored and asked, and what was published.
/// To add one, write it, name it in <see cref="LearningTask"/> and list it in <see cref="All"/>.
/// </summary>
public abstract class DownstreamTask
{
    /// <summary>Every task, in the order in which messages list them. The first also scores models under pretraining.</summary>
    public static IReadOnlyList<DownstreamTask> All { get; } = [new Retrieval(), new QuestionAnswering()];

    /// <summary>What there is, for a person: "retrieval or question answering".</summary>
    public static string Titles => string.Join(" or ", All.Select(task => task.Title));

    /// <summary>The setting that chooses the task.</summary>
    public abstract LearningTask Setting { get; }

    /// <summary>What messages call it.</summary>
    public abstract string Title { get; }

    /// <summary>The beginning of the keys that its checkpoints alone have, and what messages call them; null for none.</summary>
    public virtual (string Prefix, string Name)? Head => null;

    /// <summary>Whether texts meet all videos, in a second stage, and not their own video alone.</summary>
    public virtual bool HasTextStage => false;

    /// <summary>Whether the texts are questions, and each has answers.</summary>
    public virtual bool AsksQuestions => false;

    /// <summary>Its figures as the paper reports them.</summary>
    public abstract PublishedFigures Published { get; }

    /// <summary>The task of a setting; null for pretraining.</summary>
    public static DownstreamTask? Find(LearningTask setting) => All.FirstOrDefault(task => task.Setting == setting);

    /// <summary>The task that a model trained under a setting is scored on: a pretrained one retrieves as it is.</summary>
    public static DownstreamTask Of(LearningTask setting) => Find(setting) ?? All[0];

    /// <summary>A model with fresh weights.</summary>
    public abstract AlproModel CreateModel(ModelConfig config);

    /// <summary>Opens an evaluator, which does shares of an evaluation and writes down what it finds.</summary>
    /// <param name="model">The model; the evaluator disposes it.</param>
    /// <param name="plan">What is evaluated.</param>
    /// <param name="results">Where finished shares are written.</param>
    /// <param name="read">Reads the videos.</param>
    public abstract Evaluator Open(AlproModel model, EvaluationPlan plan, PartialResults results, ReadVideos read);

    /// <summary>Puts the results of all shares together, and counts them.</summary>
    /// <param name="plan">What was evaluated.</param>
    /// <param name="results">The finished shares: all there are.</param>
    /// <exception cref="Alpro.Data.DataException">No video could be read.</exception>
    public abstract DownstreamScores Read(EvaluationPlan plan, PartialResults results);

    /// <summary>Scores a model that is in memory, on the calling thread, with no file between.</summary>
    /// <param name="model">The model; it is left in evaluation mode.</param>
    /// <param name="plan">What is evaluated.</param>
    /// <param name="read">Reads the videos.</param>
    public DownstreamScores Score(AlproModel model, EvaluationPlan plan, ReadVideos read)
    {
        var missing = new List<MissingVideo>();
        return Score(model, plan, read([.. Enumerable.Range(0, plan.Set.VideoKeys.Count)], missing.Add), missing);
    }

    /// <summary>Says of each text what the model makes of it and the one video of the set.</summary>
    /// <param name="model">The model; it is left in evaluation mode.</param>
    /// <param name="plan">The texts and the video.</param>
    /// <param name="video">The video's clip; disposed here.</param>
    /// <param name="top">Answers to give to a question, at most.</param>
    /// <returns>A prediction for each text, in order.</returns>
    public abstract IReadOnlyList<TextPrediction> Predict(AlproModel model, EvaluationPlan plan, ClipBatch video, int top);

    /// <summary>Refuses a checkpoint that is of another task.</summary>
    /// <param name="file">The checkpoint's file.</param>
    /// <param name="keys">Its keys.</param>
    /// <exception cref="CheckpointException">It is of another task.</exception>
    internal void RequireOwn(string file, IReadOnlyCollection<string> keys)
    {
        if (All.FirstOrDefault(task => task.Head != Head && task.IsHeadAmong(keys)) is { } other)
        {
            string name = JsonNamingPolicy.KebabCaseLower.ConvertName($"{other.Setting}");
            throw new CheckpointException(file,
                $"is a checkpoint of {other.Title}, and {Title} is asked of it; give it a configuration whose task is \"{name}\"");
        }
        if (Head is { } head && !IsHeadAmong(keys))
            throw new CheckpointException(file, $"has no {head.Name}, and {Title} is asked of it; fine-tune it for that first");
    }

    /// <summary>Scores a model on videos as they are read; those that cannot be read are in <paramref name="missing"/> by then.</summary>
    private protected abstract DownstreamScores Score(
        AlproModel model, EvaluationPlan plan, IEnumerable<ClipBatch> videos, IReadOnlyList<MissingVideo> missing);

    private bool IsHeadAmong(IReadOnlyCollection<string> keys) =>
        Head is { } head && keys.Any(key => key.StartsWith(head.Prefix, StringComparison.Ordinal));
}

/// <summary>What a model makes of a text and a video.</summary>
/// <param name="Match">The probability that they belong together; null where the model does not match, or the text is a question.</param>
/// <param name="Contrastive">The similarity of their features over the temperature; null for a question.</param>
/// <param name="Answers">The answers to a question and their probabilities, best first; none for other texts.</param>
public sealed record TextPrediction(double? Match, double? Contrastive, IReadOnlyList<(string Answer, double Probability)> Answers);
