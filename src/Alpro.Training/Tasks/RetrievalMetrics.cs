using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Alpro.Training.Evaluation;

namespace Alpro.Training.Tasks;

/// <summary>How well one direction of retrieval finds what belongs to its queries.</summary>
/// <param name="R1">Percentage of queries whose match is ranked first.</param>
/// <param name="R5">… among the first 5.</param>
/// <param name="R10">… among the first 10.</param>
/// <param name="MedianR">Median rank, from 1.</param>
/// <param name="MeanR">Mean rank.</param>
/// <param name="Queries">Number of queries.</param>
/// <param name="Ties">Ranks that hang on the order of equal scores.</param>
public sealed record RankMetrics(
    [property: JsonPropertyName("r1")] double R1,
    [property: JsonPropertyName("r5")] double R5,
    [property: JsonPropertyName("r10")] double R10,
    [property: JsonPropertyName("medianR")] double MedianR,
    [property: JsonPropertyName("meanR")] double MeanR,
    [property: JsonPropertyName("queries")] int Queries,
    [property: JsonPropertyName("ties")] int Ties);

/// <summary>Both directions of retrieval.</summary>
public sealed record RetrievalMetrics(
    [property: JsonPropertyName("text2video")] RankMetrics TextToVideo,
    [property: JsonPropertyName("video2text")] RankMetrics VideoToText)
{
    /// <summary>Ranks and their figures from the score of every pair.</summary>
    /// <param name="scores_TV">Scores [texts, videos]; higher is better.</param>
    /// <param name="videos">Number of videos, V.</param>
    /// <param name="videoOfText_T">The video that each text belongs to. A video that is not there has a number of its own below 0: it and
    /// its texts are ranked behind all. A video may have several texts: the best of them counts.</param>
    /// <exception cref="NotANumberException">A score is not a number: nothing can be ranked by it.</exception>
    public static RetrievalMetrics Of(ReadOnlyMemory<float> scores_TV, int videos, IReadOnlyList<int> videoOfText_T)
    {
        int texts = videoOfText_T.Count;
        ReadOnlySpan<float> scores = scores_TV.Span;
        for (int at = 0; at < scores.Length; at++)
            if (float.IsNaN(scores[at])) throw new NotANumberException($"text {at / videos} with video {at % videos}", scores[at]);
        var fromTexts = new List<Rank>(texts);
        for (int text = 0; text < texts; text++)
            fromTexts.Add(Best(scores, text * videos, 1, videos, [videoOfText_T[text]]));
        var fromVideos = new List<Rank>(videos);
        foreach (IGrouping<int, int> own in Enumerable.Range(0, texts).GroupBy(text => videoOfText_T[text]).OrderBy(group => group.Key))
            fromVideos.Add(own.Key < 0 ? new(texts + 1, false) : Best(scores, own.Key, videos, texts, [.. own]));
        return new(Figures(fromTexts), Figures(fromVideos));
    }

    /// <summary>The rank of a video among those of a text, from 1.</summary>
    /// <param name="scores_V">The text's scores.</param>
    /// <param name="video">The video.</param>
    internal static int RankOf(ReadOnlySpan<float> scores_V, int video) => Best(scores_V, 0, 1, scores_V.Length, [video]).Place;

    /// <summary>The figures under the names that the released code gives them.</summary>
    public JsonObject ToReference()
    {
        return new() { ["text2video"] = Figures(TextToVideo), ["video2text"] = Figures(VideoToText) };

        static JsonObject Figures(RankMetrics metrics) =>
            new()
            {
                ["r1"] = metrics.R1,
                ["r5"] = metrics.R5,
                ["r10"] = metrics.R10,
                ["medianR"] = metrics.MedianR,
                ["meanR"] = metrics.MeanR,
            };
    }

    /// <summary>
    /// The rank of the best true candidate. It is behind all with higher scores and, as a stable sort puts it, behind those of equal score
    /// before it.
    /// </summary>
    private static Rank Best(ReadOnlySpan<float> scores, int first, int stride, int candidates, ReadOnlySpan<int> truths)
    {
        if (truths is [< 0]) return new(candidates + 1, false);
        int best = truths[0];
        foreach (int truth in truths)
            if (scores[first + truth * stride] > scores[first + best * stride]) best = truth;
        float score = scores[first + best * stride];
        (int rank, bool tied) = (1, false);
        for (int candidate = 0; candidate < candidates; candidate++)
        {
            float other = scores[first + candidate * stride];
            bool equal = other == score && !truths.Contains(candidate);
            if (other > score || (equal && candidate < best)) rank++;
            tied |= equal;
        }
        return new(rank, tied);
    }

    private static RankMetrics Figures(List<Rank> ranks)
    {
        if (ranks.Count == 0) return new(0, 0, 0, 0, 0, 0, 0);
        int[] sorted = [.. ranks.Select(rank => rank.Place).Order()];
        double median = (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2.0;
        return new(Within(1), Within(5), Within(10), median, sorted.Average(), sorted.Length, ranks.Count(rank => rank.Tied));

        double Within(int place) => 100.0 * sorted.Count(rank => rank <= place) / sorted.Length;
    }

    private readonly record struct Rank(int Place, bool Tied);
}
