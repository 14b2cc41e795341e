using Alpro.Data.Batches;
using Alpro.Model;
using Alpro.Model.Checkpoints;
using Alpro.Training.Configuration;
using Alpro.Training.Evaluation;
using Alpro.Training.Inputs;
using Alpro.Training.Parity;
using Alpro.Training.Tasks;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Alpro.Training.Tests.Tasks;

public sealed class RetrievalTests
{
    [Fact]
    public void Equal_scores_are_ranked_in_order_and_counted()
    {
        RetrievalMetrics metrics = RetrievalMetrics.Of(new float[9], 3, [0, 1, 2]);      // a model that tells nothing apart is at chance
        Assert.Equal(100.0 / 3, metrics.TextToVideo.R1, 1e-9);
        Assert.Equal((2, 2, 3, 3), (metrics.TextToVideo.MedianR, metrics.TextToVideo.MeanR, metrics.TextToVideo.Queries,
            metrics.TextToVideo.Ties));
    }

    [Fact]
    public void The_best_of_several_captions_counts_and_missing_videos_are_never_found()
    {
        // Texts 0 and 1 are of video 0, text 2 of video 1, text 3 of a video that is not there.
        float[] scores_TV = [0.1f, 0.9f, 0.8f, 0.2f, 0.3f, 0.4f, 0.6f, 0.7f];
        RetrievalMetrics metrics = RetrievalMetrics.Of(scores_TV, 2, [0, 0, 1, -1]);
        Assert.Equal((2 + 1 + 1 + 3) / 4.0, metrics.TextToVideo.MeanR);
        Assert.Equal((1 + 3 + 5) / 3.0, metrics.VideoToText.MeanR);
        Assert.Equal((3, 4), (metrics.VideoToText.Queries, metrics.TextToVideo.Queries));
        Assert.Equal(4, RetrievalMetrics.Of(scores_TV, 2, [0, -7, 1, -1]).VideoToText.Queries);
    }

    [Fact]
    public void Scores_that_are_not_numbers_rank_nothing()
    {
        Assert.StartsWith("the score of text 1 with video 0 is NaN: ",
            Assert.Throws<NotANumberException>(() => RetrievalMetrics.Of(new[] { 0.1f, 0.9f, float.NaN, 0.2f }, 2, [0, 1])).Message,
            StringComparison.Ordinal);

        RunConfig config = TinyRun.Config(batchSize: 3);
        using AlproModel model = RunModel.Create(config, CPU);
        EvaluationSet set = Set(videos: 6, texts: 9);
        Poison(model.itm_head);
        using (var evaluator = Evaluator())
            Assert.Matches("^the score of text [0-9] with video clip-0-0 is NaN: ",
                Assert.Throws<NotANumberException>(() => evaluator.Match(0, 9)).Message);
        Poison(model.vision_proj);
        Assert.StartsWith("the score of text 0 with video clip-0-0 is NaN: ", Assert.Throws<NotANumberException>(Evaluator).Message,
            StringComparison.Ordinal);

        static void Poison(Linear layer)
        {
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            layer.bias!.fill_(double.NaN);
        }

        PairScorer Evaluator() => Scorer(model, set, EncodedVideos.Of(model, Precision.Fp32, Videos(config, 2)));
    }

    [Theory]
    [InlineData(null)]
    [InlineData(2)]
    public void Scores_equal_those_of_one_pair_at_a_time(int? rerank)
    {
        RunConfig config = TinyRun.Config(batchSize: 3);
        using AlproModel model = RunModel.Create(config, CPU);
        EvaluationSet set = Set(videos: 6, texts: 9);
        using var evaluator = Scorer(model, set, EncodedVideos.Of(model, Precision.Fp32, Videos(config, 2)),
            new() { PairBatchSize = 4, Rerank = rerank });
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
                Assert.Equal(features.mm(video_1F.t()).div(model.temp).item<float>(), evaluator.Scores.Contrastive_TV[text * 6 + video],
                    1e-4f);
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
    public void Scores_in_16_bits_are_near_those_in_32()
    {
        RunConfig config = TinyRun.Config(batchSize: 3);
        using AlproModel model = RunModel.Create(config, CPU);
        EvaluationSet set = Set(videos: 6, texts: 9);
        float[] exact = Matches(Precision.Fp32), near = Matches(Precision.Bf16);
        for (int i = 0; i < exact.Length; i++) Assert.Equal(exact[i], near[i], 0.01f);

        float[] Matches(Precision precision)
        {
            using var evaluator = Scorer(model, set, EncodedVideos.Of(model, precision, Videos(config, 2)), new() { PairBatchSize = 4 },
                precision);
            evaluator.Match(0, 9);
            return evaluator.Scores.Matching_TV;
        }
    }

    [Fact]
    public void Golden_videos_and_texts_have_the_golden_scores()
    {
        string folder = Path.Combine(Locations.Golden, "model");
        RunConfig config = TinyRun.Config() with { Model = GoldenSizes.Read(Path.Combine(folder, "config.json")).Model };
        using AlproModel model = RunModel.Load(config, Path.Combine(folder, "retrieval.pt"), CPU);
        model.eval();
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var golden = Safetensors.Load(Path.Combine(folder, "retrieval.safetensors"));
        Tensor ids_TL = golden["eval_text_input_ids"], frames = golden["eval_visual_inputs"];
        (int texts, int length, int videos) = ((int)ids_TL.shape[0], (int)ids_TL.shape[1], (int)frames.shape[0]);
        var tokenized = new TokenizedTexts(ids_TL.flatten().data<long>().ToArray(),
            [.. golden["eval_text_input_mask"].sum(1).data<long>().ToArray().Select(count => (int)count)], length);
        (Tensor tokens_VMD, Tensor features_VF) = model.EncodeVideo(frames);
        using var evaluator = Scorer(
            model, Set(videos, texts) with { Texts = tokenized },
            [new([.. Enumerable.Range(0, videos).Select(video => $"{video}")], tokens_VMD, features_VF)], new() { PairBatchSize = 5 });
        evaluator.Match(0, texts);
        float[] matches_VT = golden["eval_vtm_logits"].softmax(2).select(2, 1).flatten().data<float>().ToArray(),
            contrastive_VT = golden["eval_vtc_scores"].flatten().data<float>().ToArray();
        for (int text = 0; text < texts; text++)
        {
            for (int video = 0; video < videos; video++)
            {
                Assert.Equal(matches_VT[video * texts + text], evaluator.Scores.Matching_TV[text * videos + video], 2e-5f);
                Assert.Equal(contrastive_VT[video * texts + text], evaluator.Scores.Contrastive_TV[text * videos + video], 1e-4f);
            }
        }
    }

    [Fact]
    public void Pairs_off_the_shortlists_keep_the_order_of_their_contrastive_scores()
    {
        // the text is of video 0, which contrast puts second of those that were not matched
        EvaluationSet set = Set(videos: 4, texts: 1);
        var scores = new PairScores([.. set.VideoKeys], [5.001f, 9, 5.002f, 4], [float.NaN, 0.1f, float.NaN, float.NaN]);
        Assert.Equal((3, 0), (scores.Metrics(set, withMissing: true).TextToVideo.MeanR,
            scores.Metrics(set, withMissing: true).TextToVideo.Ties));
    }

    [Fact]
    public void Rounded_scores_tie_and_the_ties_are_counted()
    {
        EvaluationSet set = Set(videos: 2, texts: 1);
        var scores = new PairScores([.. set.VideoKeys], [0, 0], [0.50001f, 0.50002f]);
        Assert.Equal((2, 0), (scores.Metrics(set, withMissing: true).TextToVideo.MeanR,
            scores.Metrics(set, withMissing: true).TextToVideo.Ties));
        RankMetrics rounded = scores.Metrics(set, withMissing: true, decimals: RetrievalScores.ReferenceDecimals).TextToVideo;
        Assert.Equal((1, 1), (rounded.MeanR, rounded.Ties));
    }

    [Fact]
    public void Texts_of_missing_videos_are_reported_apart()
    {
        RunConfig config = TinyRun.Config(batchSize: 3);
        using AlproModel model = RunModel.Create(config, CPU);
        EvaluationSet set = Set(videos: 6, texts: 9);
        using var evaluator = Scorer(model, set, EncodedVideos.Of(model, Precision.Fp32, Videos(config, 1)));
        evaluator.Match(0, 9);
        Assert.Equal((9, 6), Queries(evaluator.Scores.Metrics(set, withMissing: true)));
        Assert.Equal((6, 3), Queries(evaluator.Scores.Metrics(set, withMissing: false)));

        static (int Texts, int Videos) Queries(RetrievalMetrics metrics) => (metrics.TextToVideo.Queries, metrics.VideoToText.Queries);
    }

    private static PairScorer Scorer(AlproModel model, EvaluationSet set, IEnumerable<EncodedVideos> videos,
        EvaluationConfig? evaluation = null, Precision precision = Precision.Fp32)
    {
        RunConfig config = TinyRun.Config() with { Evaluation = evaluation ?? new(), Training = new() { Precision = precision } };
        return new Retrieval().Scorer(model, new("tiny", config, set), videos);
    }

    private static IEnumerable<ClipBatch> Videos(RunConfig config, int batches) => Enumerable.Range(0,
        batches).Select(step => TinyRun.Batch(config, step));

    /// <summary>
    /// Texts of various lengths; text t belongs to video t mod V. Keys as <see cref="TinyRun.Batch"/> gives them, three to a batch.
    /// </summary>
    internal static EvaluationSet Set(int videos, int texts)
    {
        const int length = 8;
        int[] counts = [.. Enumerable.Range(0, texts).Select(text => 3 + text * 5 % 6)];
        long[] ids = [.. Enumerable.Range(0, texts * length).Select(i => i % length < counts[i / length] ? 1 + i * 7 % 49 : 0L)];
        return new(
            [.. Enumerable.Range(0, videos).Select(video => $"clip-{video / 3}-{video % 3}")],
            [.. Enumerable.Range(0, videos).Select(video => (long)video)],
            new(ids, counts, length), [.. Enumerable.Range(0, texts).Select(text => text % videos)],
            [.. Enumerable.Range(0, texts).Select(text => text % 4 - 1)],
            [.. Enumerable.Range(0, texts).Select(text => text % 2 == 0 ? "what" : "who")]);
    }
}
