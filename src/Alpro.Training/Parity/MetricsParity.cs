using System.Text.Json;
using Alpro.Training.Tasks;

namespace Alpro.Training.Parity;

/// <summary>The figures of retrieval and question answering beside the golden ones.</summary>
internal static class MetricsParity
{
    /// <summary>A row each for <c>retrieval_metrics.json</c> and <c>qa_metrics.json</c>, where the folder has them.</summary>
    public static IReadOnlyList<ParityRow> Check(string directory) =>
    [
        .. Check(directory, "retrieval_metrics.json", Retrieval),
        .. Check(directory, "qa_metrics.json", QuestionAnswering),
    ];

    private static IEnumerable<ParityRow> Check(string directory, string name, Action<JsonElement, NumberComparison> compare)
    {
        string file = Path.Combine(directory, name);
        if (!File.Exists(file)) yield break;
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(file));
        var comparison = new NumberComparison(name, relative: 1e-9);
        compare(json.RootElement, comparison);
        yield return comparison.Row();
    }

    /// <summary>Score matrices of as many texts as videos, text i belonging to video i.</summary>
    private static void Retrieval(JsonElement sets, NumberComparison comparison)
    {
        foreach (JsonElement set in sets.EnumerateArray())
        {
            JsonElement rows = set.GetProperty("scores");
            int texts = rows.GetArrayLength();
            float[] scores_TV = [.. rows.EnumerateArray().SelectMany(row => row.EnumerateArray().Select(score => score.GetSingle()))];
            JsonElement found = JsonSerializer.SerializeToElement(RetrievalMetrics.Of(scores_TV, scores_TV.Length / texts,
                [.. Enumerable.Range(0, texts)]));
            foreach (JsonProperty direction in set.GetProperty("metrics").EnumerateObject())
                foreach (JsonProperty figure in direction.Value.EnumerateObject())
                    comparison.Add($"{texts} texts, {direction.Name} {figure.Name}", figure.Value.GetDouble(),
                        found.GetProperty(direction.Name).GetProperty(figure.Name).GetDouble());
        }
    }

    private static void QuestionAnswering(JsonElement set, NumberComparison comparison)
    {
        var labels = set.GetProperty("label2answer").EnumerateArray().Select((answer, label) => (Answer: answer.GetString()!, Label: label))
            .ToDictionary(entry => entry.Answer, entry => entry.Label);
        QuestionAnsweringMetrics found = QuestionAnsweringMetrics.Of(
            [.. set.GetProperty("questions").EnumerateArray().Select(question => new AnsweredQuestion(
            question.GetProperty("answer_type").GetString()!,
            labels.GetValueOrDefault(question.GetProperty("answer").GetString()!, -1),
            question.GetProperty("predicted_label").GetInt32()))]);

        JsonElement golden = set.GetProperty("metrics");
        comparison.Add("overall", golden.GetProperty("overall_acc").GetDouble(), found.Overall.Accuracy);
        foreach ((string type, AnswerAccuracy part) in found.ByType)
        {
            JsonElement ratio = golden.GetProperty("ratios").GetProperty($"{type}_ratio");
            comparison.Add($"{type}: accuracy", golden.GetProperty($"{type}_acc").GetDouble(), part.Accuracy);
            comparison.Add($"{type}: share", ratio[0].GetDouble(), part.Share);
            comparison.Add($"{type}: count", ratio[1].GetInt32(), part.Count);
        }
    }
}
