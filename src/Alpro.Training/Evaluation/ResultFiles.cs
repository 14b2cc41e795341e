using System.Text.Json;
using Alpro.Model.Checkpoints;

namespace Alpro.Training.Evaluation;

/// <summary>
/// The files that the released code leaves after an evaluation: <c>results.json</c>, a row for every pair or question, and
/// <c>scores.json</c>, the figures.
/// </summary>
public static class ResultFiles
{
    /// <summary>Writes both.</summary>
    /// <param name="folder">The folder of results.</param>
    /// <param name="set">Videos and texts.</param>
    /// <param name="found">What was found.</param>
    /// <param name="scores">What that amounts to.</param>
    /// <param name="answers">The labels of the answers, for question answering.</param>
    public static void Write(string folder, EvaluationSet set, EvaluationOutcome found, DownstreamScores scores, IReadOnlyDictionary<string, int>? answers)
    {
        WholeFile.Write(Path.Combine(folder, "results.json"), stream =>
        {
            using var json = new Utf8JsonWriter(stream);
            json.WriteStartArray();
            if (found.Retrieval is { } pairs) Write(json, set, pairs);
            else Write(json, set, found.Answers!, answers!.ToDictionary(entry => entry.Value, entry => entry.Key));
            json.WriteEndArray();
        });
        WholeFile.Write(Path.Combine(folder, "scores.json"), stream => JsonSerializer.Serialize(stream, scores.Retrieval?.ToReference() ?? scores.QuestionAnswering!.ToReference()));
    }

    /// <summary>A row for each pair: video, number of the text, probability of a match (null for pairs that were not matched), contrastive score.</summary>
    private static void Write(Utf8JsonWriter json, EvaluationSet set, RetrievalScores pairs)
    {
        for (int text = 0, at = 0; text < set.Texts.Count; text++)
        {
            for (int video = 0; video < pairs.VideoKeys.Count; video++, at++)
            {
                json.WriteStartObject();
                json.WriteString("vid_id", pairs.VideoKeys[video]);
                json.WriteNumber("txt_id", text);
                if (float.IsNaN(pairs.Matching_TV[at])) json.WriteNull("score");
                else json.WriteNumber("score", pairs.Matching_TV[at]);
                json.WriteNumber("vtc_score", pairs.Contrastive_TV[at]);
                json.WriteEndObject();
            }
            json.Flush();                                            // a million rows are not held in memory
        }
    }

    /// <summary>A row for each question on a video that was read: the right answer (null where it has no label) and the one that was given.</summary>
    private static void Write(Utf8JsonWriter json, EvaluationSet set, IReadOnlyList<Answered> given, Dictionary<int, string> answers)
    {
        foreach (Answered answered in given.OrderBy(answered => answered.Question))
        {
            json.WriteStartObject();
            json.WriteNumber("question_id", answered.Question);
            json.WriteString("video_id", set.VideoKeys[set.VideoOfText[answered.Question]]);
            json.WriteString("answer_type", set.AnswerTypes[answered.Question]);
            json.WriteString("answer", answers.GetValueOrDefault(set.Answers[answered.Question]));
            json.WriteNumber("predicted_label", answered.Labels[0]);
            json.WriteString("predicted_answer", answers.GetValueOrDefault(answered.Labels[0]));
            json.WriteNumber("probability", answered.Probabilities[0]);
            json.WriteEndObject();
        }
    }
}
