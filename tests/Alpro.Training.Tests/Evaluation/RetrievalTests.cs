using Alpro.Data.Batches;
using Alpro.Model;
using Alpro.Training.Evaluation;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Training.Tests.Evaluation;

public sealed class RetrievalTests
{
    [Fact]
    public void Equal_scores_are_ranked_in_order_and_counted()
    {
        RetrievalMetrics metrics = RetrievalMetrics.Of(new float[9], 3, [0, 1, 2]);      // a model that tells nothing apart is at chance
        Assert.Equal(100.0 / 3, metrics.TextToVideo.R1, 1e-9);
        Assert.Equal((2, 2, 3, 3), (metrics.TextToVideo.MedianR, metrics.TextToVideo.MeanR, metrics.TextToVideo.Queries, metrics.TextToVideo.Ties));
    }

    [Fact]
    public void The_best_of_several_captions_counts_and_missing_videos_are_never_found()
    {
        // Texts 0 and 1 are of video 0, text 2 of video 1, text 3 of a video that is not there.
        float[] scores_TV = [0.1f, 0.9f, 0.8f, 0.2f, 0.3f, 0.4f, 0.6f, 0.7f];
        RetrievalMetrics metrics = RetrievalMetrics.Of(scores_TV, 2, [0, 0, 1, -1]);
        Assert.Equal((2 + 1 + 1 + 3) / 4.0, metrics.TextToVideo.MeanR);
        Assert.Equal((1 + 3) / 2.0, metrics.VideoToText.MeanR);
        Assert.Equal(2, metrics.VideoToText.Queries);
    }

    [Theory]
    [InlineData(null)]
    [InlineData(2)]
    public void Scores_equal_those_of_one_pair_at_a_time(int? rerank)
    {
        RunConfig config = TinyRun.Config(batchSize: 3);
        using AlproModel model = RunModel.Create(config, CPU);
        EvaluationSet set = Set(videos: 6, texts: 9);
        using var evaluator = new RetrievalEvaluator(model, new() { PairBatchSize = 4, Rerank = rerank }, Precision.Fp32, EncodedVideos.Of(model, Precision.Fp32, Videos(config, 2)), set.Texts);
        for (int first = 0; first < 9; first += 4) evaluator.Match(first, Math.Min(4, 9 - first));

        ClipBatch[] batches = [.. Videos(config, 2)];
        int matched = 0;
        using var tensors = new BatchTensors(CPU, config.Model.Vision.PatchSize);
        for (int text = 0; text < 9; text++)
        {
            for (int video = 0; video < 6; video++)
            {
                using var scope = NewDisposeScope();
                using var noGrad = no_grad();
                (Tensor ids, Tensor mask) = set.Texts.Tensors(text, 1, set.Texts.Length, CPU);
                (Tensor tokens, Tensor features) = model.EncodeText(ids, mask);
                (Tensor video_1VD, Tensor video_1F) = model.EncodeVideo(tensors.Of(batches[video / 3], video % 3, 1).Video_BTCHW);
                Assert.Equal(features.mm(video_1F.t()).div(model.temp).item<float>(), evaluator.Scores.Contrastive_TV[text * 6 + video], 1e-4f);
                float score = evaluator.Scores.Matching_TV[text * 6 + video];
                if (rerank is not null && float.IsNaN(score)) continue;
                matched++;
                Assert.Equal(model.Match(new(tokens, mask, video_1VD)).softmax(1)[0, 1].item<float>(), score, 1e-5f);
            }
        }
        Assert.Equal(evaluator.Pairs, matched);
        Assert.InRange(matched, rerank is null ? 54 : 18, rerank is null ? 54 : 30);
        Assert.Equal(9, evaluator.Scores.Metrics(set, withMissing: true).TextToVideo.Queries);
    }

    [Fact]
    public void Texts_of_missing_videos_are_reported_apart()
    {
        RunConfig config = TinyRun.Config(batchSize: 3);
        using AlproModel model = RunModel.Create(config, CPU);
        EvaluationSet set = Set(videos: 6, texts: 9);
        using var evaluator = new RetrievalEvaluator(model, new(), Precision.Fp32, EncodedVideos.Of(model, Precision.Fp32, Videos(config, 1)), set.Texts);
        evaluator.Match(0, 9);
        Assert.Equal(9, evaluator.Scores.Metrics(set, withMissing: true).TextToVideo.Queries);
        Assert.Equal(6, evaluator.Scores.Metrics(set, withMissing: false).TextToVideo.Queries);
    }

    private static IEnumerable<ClipBatch> Videos(RunConfig config, int batches) => Enumerable.Range(0, batches).Select(step => TinyRun.Batch(config, step));

    /// <summary>Texts of various lengths; text t belongs to video t mod V. Keys as <see cref="TinyRun.Batch"/> gives them, three to a batch.</summary>
    internal static EvaluationSet Set(int videos, int texts)
    {
        const int length = 8;
        int[] counts = [.. Enumerable.Range(0, texts).Select(text => 3 + text * 5 % 6)];
        long[] ids = [.. Enumerable.Range(0, texts * length).Select(i => i % length < counts[i / length] ? 1 + i * 7 % 49 : 0L)];
        return new(
            [.. Enumerable.Range(0, videos).Select(video => $"clip-{video / 3}-{video % 3}")], [.. Enumerable.Range(0, videos).Select(video => (long)video)],
            new(ids, counts, length), [.. Enumerable.Range(0, texts).Select(text => text % videos)],
            [.. Enumerable.Range(0, texts).Select(text => text % 4 - 1)], [.. Enumerable.Range(0, texts).Select(text => text % 2 == 0 ? "what" : "who")]);
    }
}
