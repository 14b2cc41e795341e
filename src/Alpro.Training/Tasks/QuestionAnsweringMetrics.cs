using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Alpro.Training.Evaluation;

namespace Alpro.Training.Tasks;

/// <summary>One question and what was answered.</summary>
/// <param name="AnswerType">Its type: what, who, how, where, when.</param>
/// <param name="Answer">The label of the right answer; -1 for one that has no label.</param>
/// <param name="Predicted">The label that was chosen.</param>
public sealed record AnsweredQuestion(string AnswerType, int Answer, int Predicted)
{
    /// <summary>Whether the right label was chosen.</summary>
    public bool IsRight => Answer >= 0 && Answer == Predicted;
}

/// <summary>Accuracy over a part of the questions.</summary>
/// <param name="Accuracy">Share of right answers.</param>
/// <param name="Share">Share of all questions that are of this part.</param>
/// <param name="Count">Their number.</param>
public sealed record AnswerAccuracy(
    [property: JsonPropertyName("accuracy")] double Accuracy,
    [property: JsonPropertyName("share")] double Share,
    [property: JsonPropertyName("count")] int Count);

/// <summary>How well questions were answered.</summary>
/// <param name="Overall">Over all.</param>
/// <param name="ByType">Per question type, in the paper's order.</param>
/// <param name="WithoutLabel">Questions whose answer is none of the labels: they count as wrong.</param>
public sealed record QuestionAnsweringMetrics(
    [property: JsonPropertyName("overall")] AnswerAccuracy Overall,
    [property: JsonPropertyName("byType")] IReadOnlyDictionary<string, AnswerAccuracy> ByType,
    [property: JsonPropertyName("withoutLabel")] int WithoutLabel)
{
    private static readonly string[] _types = ["what", "who", "how", "where", "when"];

    /// <summary>The figures of answered questions.</summary>
    public static QuestionAnsweringMetrics Of(IReadOnlyCollection<AnsweredQuestion> questions)
    {
        var byType = questions.GroupBy(question => question.AnswerType)
            .OrderBy(group => Array.IndexOf(_types, group.Key) is >= 0 and var place ? place : _types.Length)
            .ToDictionary(group => group.Key, group => Accuracy([.. group]));
        return new(Accuracy(questions), byType, questions.Count(question => question.Answer < 0));

        AnswerAccuracy Accuracy(IReadOnlyCollection<AnsweredQuestion> part) => part.Count == 0 ? new(0, 0, 0)
            : new((double)part.Count(question => question.IsRight) / part.Count, (double)part.Count / questions.Count, part.Count);
    }

    /// <summary>The figures of a set's questions.</summary>
    /// <param name="set">The questions.</param>
    /// <param name="answers">What was answered.</param>
    /// <param name="withMissing">Whether questions without an answer count, as wrong; else they are left out.</param>
    internal static QuestionAnsweringMetrics Of(EvaluationSet set, IEnumerable<Answered> answers, bool withMissing)
    {
        var chosen = answers.ToDictionary(answer => answer.Question, answer => answer.Labels[0]);
        return Of([.. Enumerable.Range(0, set.Answers.Count)
            .Where(question => withMissing || chosen.ContainsKey(question))
            .Select(question => new AnsweredQuestion(set.AnswerTypes[question], set.Answers[question],
            chosen.GetValueOrDefault(question, -1)))]);
    }

    /// <summary>The figures under the names that the released code gives them.</summary>
    public JsonObject ToReference()
    {
        var ratios = new JsonObject(ByType.Select(
            type => KeyValuePair.Create<string, JsonNode?>($"{type.Key}_ratio", new JsonArray(type.Value.Share, type.Value.Count))));
        var figures = new JsonObject { ["ratios"] = ratios, ["overall_acc"] = Overall.Accuracy };
        foreach ((string type, AnswerAccuracy part) in ByType) figures[$"{type}_acc"] = part.Accuracy;
        return figures;
    }
}
