using System.Text.Encodings.Web;
using System.Text.Json;

namespace Alpro.Data.Text;

/// <summary>The answers that a model chooses from: the commonest of training, each with its label. Their file is a JSON object.</summary>
internal static class AnswerList
{
    private static readonly JsonSerializerOptions _json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The commonest answers, commonest first; of equally common ones, the first that was given.</summary>
    /// <param name="answers">The answers of all questions of training.</param>
    /// <param name="count">Answers wanted; fewer where there are fewer.</param>
    public static IReadOnlyList<string> Commonest(IEnumerable<string> answers, int count) =>
        [.. answers.CountBy(answer => answer).OrderByDescending(answer => answer.Value).Take(count).Select(answer => answer.Key)];

    /// <summary>The answers and their labels, from 0, as a JSON object.</summary>
    public static string ToJson(IReadOnlyList<string> answers)
    {
        var labels = new OrderedDictionary<string, int>();
        foreach (string answer in answers) labels.Add(answer, labels.Count);
        return JsonSerializer.Serialize(labels, _json);
    }
}
