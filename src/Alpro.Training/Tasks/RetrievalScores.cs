using System.Text.Json;
using System.Text.Json.Nodes;
using Alpro.Training.Configuration;
using Alpro.Training.Evaluation;
using Alpro.Training.Records;

namespace Alpro.Training.Tasks;

/// <summary>The scores of retrieval.</summary>
/// <param name="plan">What was evaluated.</param>
/// <param name="missing">Videos that could not be read.</param>
/// <param name="pairs">The scores of the pairs.</param>
internal sealed class RetrievalScores(EvaluationPlan plan, IReadOnlyList<MissingVideo> missing, PairScores pairs)
    : DownstreamScores(plan, missing)
{
    /// <summary>Decimals to which the released code rounds a score before it ranks by it.</summary>
    public const int ReferenceDecimals = 4;

    /// <summary>Figures over the videos that were read, ranked as the configuration says.</summary>
    public RetrievalMetrics Retrieval { get; } = pairs.Metrics(plan.Set, withMissing: false, ByContrast(plan));

    /// <summary>The same with scores rounded to four decimals first, as the released code ranks them.</summary>
    public RetrievalMetrics RetrievalRounded { get; } = pairs.Metrics(plan.Set, withMissing: false, ByContrast(plan), ReferenceDecimals);

    /// <summary>The same videos ranked by the contrastive scores, where that is not what the configuration says.</summary>
    public RetrievalMetrics? RetrievalByContrast { get; } =
        ByContrast(plan) ? null : pairs.Metrics(plan.Set, withMissing: false, byContrast: true);

    /// <summary>The same with the texts of missing videos counted as not found; null when nothing is missing.</summary>
    public RetrievalMetrics? RetrievalWithMissing { get; } =
        missing.Count == 0 ? null : pairs.Metrics(plan.Set, withMissing: true, ByContrast(plan));

    public override double Chance => 100.0 / (Videos - Missing.Count);

    public override JsonObject Figures(bool withMissing) => ((withMissing ? RetrievalWithMissing : null) ?? Retrieval).ToReference();

    public override ScoreTable ToTable()
    {
        (double chance5, double chance10) = (Math.Min(100, 5 * Chance), Math.Min(100, 10 * Chance));
        double middle = (Videos - Missing.Count + 1) / 2.0;
        var rows = new List<IReadOnlyList<string>>
        {
            Row("text to video", Retrieval.TextToVideo),
            Row("video to text", Retrieval.VideoToText),
            Row($"text to video, scores of {ReferenceDecimals} decimals", RetrievalRounded.TextToVideo),
        };
        if (RetrievalByContrast is { } contrast)
        {
            rows.Add(Row("text to video, contrastive", contrast.TextToVideo));
            rows.Add(Row("video to text, contrastive", contrast.VideoToText));
        }
        rows.Add(["chance", $"{Chance:0.0}", $"{chance5:0.0}", $"{chance10:0.0}", $"{middle:0.0}", $"{middle:0.0}", ""]);
        return new(["", "R@1", "R@5", "R@10", "median rank", "mean rank", "ties"], rows);

        static string[] Row(string name, RankMetrics of) =>
            [name, $"{of.R1:0.0}", $"{of.R5:0.0}", $"{of.R10:0.0}", $"{of.MedianR:0.0}", $"{of.MeanR:0.0}", $"{of.Ties}"];
    }

    public override IReadOnlyList<ExampleGroup> Examples(int most)
    {
        (float[] scores_TV, int[] texts, int[] videoOfText) = pairs.Ranked(Plan.Set, withMissing: false, ByContrast(Plan));
        int videos = pairs.VideoKeys.Count;
        var numbers = Plan.Set.VideoKeys.Select((key, number) => (key, number)).ToDictionary(video => video.key, video => video.number);
        // What is best is furthest before the others.
        var ranked = texts.Select((text, row) => (Text: text, Row: row, Rank: RetrievalMetrics.RankOf(Row(row), videoOfText[text]),
            Ahead: Row(row)[videoOfText[text]] - Others(Row(row), videoOfText[text]))).ToArray();
        return
        [
            Group("Worst", "Texts whose own video is furthest down, with the best videos and the own.",
                "Every text finds its own video first.", most,
                ranked.Where(one => one.Rank > 1).OrderByDescending(one => one.Rank).Select(one => Example(one.Text, one.Row, one.Rank))),
            Group("Best", "Texts whose own video is first, furthest before the next.", "No text finds its own video first.", most,
                ranked.Where(one => one.Rank == 1).OrderByDescending(one => one.Ahead).Select(one => Example(one.Text, one.Row, 1))),
        ];

        ReadOnlySpan<float> Row(int row) => scores_TV.AsSpan(row * videos, videos);

        TextExample Example(int text, int row, int rank)
        {
            int own = videoOfText[text];
            float[] scores_V = Row(row).ToArray();
            int[] best = [.. Enumerable.Range(0, videos).OrderByDescending(video => scores_V[video]).Take(Shown)];
            IEnumerable<FoundChoice> choices = best.Select((video, place) => Choice(text, video, place + 1, video == own));
            if (!best.Contains(own)) choices = choices.Append(Choice(text, own, rank, isRight: true));
            return new(Plan.Set.Written[text], numbers[pairs.VideoKeys[own]], null, [.. choices]);
        }

        FoundChoice Choice(int text, int video, int rank, bool isRight)
        {
            int at = text * videos + video;
            double? match = ByContrast(Plan) || float.IsNaN(pairs.Matching_TV[at]) ? null : pairs.Matching_TV[at];
            return new(pairs.VideoKeys[video], rank, isRight, numbers[pairs.VideoKeys[video]], match, pairs.Contrastive_TV[at]);
        }
    }

    /// <summary>The highest score of the other videos.</summary>
    private static float Others(ReadOnlySpan<float> scores_V, int own)
    {
        float highest = float.NegativeInfinity;
        for (int video = 0; video < scores_V.Length; video++)
            if (video != own) highest = Math.Max(highest, scores_V[video]);
        return highest;
    }

    /// <summary>The mean of both R@1 decides which checkpoint is best.</summary>
    public override ValidationRecord ToRecord(long step, double seconds)
    {
        (RankMetrics videos, RankMetrics texts) = (Retrieval.TextToVideo, Retrieval.VideoToText);
        return new(step, (videos.R1 + texts.R1) / 2, new Dictionary<string, double>
        {
            ["text2videoR1"] = videos.R1,
            ["text2videoR5"] = videos.R5,
            ["text2videoR10"] = videos.R10,
            ["video2textR1"] = texts.R1,
        }, seconds);
    }

    public override Receipt Complete(Receipt receipt) => receipt with
    {
        Score = Plan.Config.Evaluation.Score,
        Rounding = ReferenceDecimals,
        FiguresRounded = RetrievalRounded.ToReference(),
        Ties = Retrieval.TextToVideo.Ties,
    };

    /// <summary>A row for each pair: video, number of the text, probability of a match (null off the shortlist), similarity.</summary>
    private protected override void WriteRows(Utf8JsonWriter json)
    {
        for (int text = 0, at = 0; text < Texts; text++)
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

    private static bool ByContrast(EvaluationPlan plan) => plan.Config.Evaluation.Score == RetrievalScore.Contrastive;
}
