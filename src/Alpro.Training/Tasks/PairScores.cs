using Alpro.Training.Evaluation;
using static TorchSharp.torch;

namespace Alpro.Training.Tasks;

/// <summary>The scores of every text with every video that could be read.</summary>
/// <param name="VideoKeys">The videos, V.</param>
/// <param name="Contrastive_TV">Contrastive scores [T, V].</param>
/// <param name="Matching_TV">Probability of a match [T, V]; NaN for pairs that were not matched.</param>
internal sealed record PairScores(IReadOnlyList<string> VideoKeys, float[] Contrastive_TV, float[] Matching_TV)
{
    private const string Texts = "texts", Contrastive = "contrastive", Matching = "matching";

    /// <summary>The figures of both directions.</summary>
    /// <param name="set">What belongs to what.</param>
    /// <param name="withMissing">Whether texts whose video could not be read count, as not found, and such a video as one that finds no
    /// text. Otherwise both are left out.</param>
    /// <param name="byContrast">Whether to rank by the contrastive scores alone, in place of the probability of a match.</param>
    /// <param name="decimals">To how many decimals scores are rounded before they are ranked, as the released code does; null ranks them as
    /// they are.</param>
    public RetrievalMetrics Metrics(EvaluationSet set, bool withMissing, bool byContrast = false, int? decimals = null)
    {
        (float[] scores_TV, int[] texts, int[] videoOfText_T) = Ranked(set, withMissing, byContrast, decimals);
        return RetrievalMetrics.Of(scores_TV, VideoKeys.Count, [.. texts.Select(text => videoOfText_T[text])]);
    }

    /// <summary>
    /// The scores by which is ranked [texts, V], the numbers of their texts, and the place among <see cref="VideoKeys"/> of each text's
    /// video: below 0 where it could not be read.
    /// </summary>
    public (float[] Scores_TV, int[] Texts, int[] VideoOfText) Ranked(
        EvaluationSet set, bool withMissing, bool byContrast = false, int? decimals = null)
    {
        // Below every probability: pairs that were not matched come after all that were, in the order of their contrastive scores.
        float behind = Contrastive_TV.DefaultIfEmpty().Max() + 1;
        var numbers = VideoKeys.Select((key, number) => (key, number)).ToDictionary(video => video.key, video => video.number);
        int[] videoOfText_T = [.. set.VideoOfText.Select(video => numbers.GetValueOrDefault(set.VideoKeys[video], -1 - video))];
        int[] texts = [.. Enumerable.Range(0, videoOfText_T.Length).Where(text => withMissing || videoOfText_T[text] >= 0)];
        int videos = VideoKeys.Count;
        float[] scores = new float[texts.Length * videos];
        for (int i = 0; i < texts.Length; i++)
            for (int v = 0, at = texts[i] * videos; v < videos; v++, at++)
            {
                float score = byContrast ? Contrastive_TV[at] : float.IsNaN(Matching_TV[at]) ? Contrastive_TV[at] - behind
                    : Matching_TV[at];
                scores[i * videos + v] = decimals is { } places ? (float)Math.Round(score, places) : score;
            }
        return (scores, texts, videoOfText_T);
    }

    /// <summary>The rows of some texts, as an evaluator writes them down.</summary>
    public IReadOnlyDictionary<string, Tensor> ToTensors(int[] texts)
    {
        int videos = VideoKeys.Count;
        return new Dictionary<string, Tensor>
        {
            [Texts] = tensor([.. texts.Select(text => (long)text)]),
            [Contrastive] = tensor([.. texts.SelectMany(text => Contrastive_TV.AsMemory(text * videos, videos).ToArray())]),
            [Matching] = tensor([.. texts.SelectMany(text => Matching_TV.AsMemory(text * videos, videos).ToArray())]),
        };
    }

    /// <summary>Takes rows in that <see cref="ToTensors"/> wrote.</summary>
    public void Take(IReadOnlyDictionary<string, Tensor> tensors)
    {
        long[] texts = tensors[Texts].data<long>().ToArray();
        (float[] contrastive, float[] matching) = (tensors[Contrastive].data<float>().ToArray(), tensors[Matching].data<float>().ToArray());
        int videos = VideoKeys.Count;
        for (int i = 0; i < texts.Length; i++)
        {
            contrastive.AsSpan(i * videos, videos).CopyTo(Contrastive_TV.AsSpan((int)texts[i] * videos));
            matching.AsSpan(i * videos, videos).CopyTo(Matching_TV.AsSpan((int)texts[i] * videos));
        }
    }
}
