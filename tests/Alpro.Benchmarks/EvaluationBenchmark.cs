using System.Diagnostics;
using Alpro.Data.Batches;
using Alpro.Data.Clips;
using Alpro.Data.Sampling;
using Alpro.Data.Text;
using Alpro.Model;
using Alpro.Training;
using Alpro.Training.Configuration;
using Alpro.Training.Evaluation;
using Alpro.Training.Inputs;
using Alpro.Training.Tasks;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Benchmarks;

/// <summary>
/// Retrieval of 200 texts among 200 videos, and 24 questions a video: the released procedure (the video encoder runs again for every 64
/// texts, the texts again for every video, every row of the last layer is computed; a question at a time decodes and encodes its video)
/// beside ours. Token counts are those of the real model; the widths are small, so that the whole fits a short run. Operations are
/// counted for the small widths and for the full ones.
/// </summary>
internal static class EvaluationBenchmark
{
    private const int Chunk = 64, Padded = 40, Questions = 24;

    public static int Run(string[] args)
    {
        int count = args.Length > 0 ? int.Parse(args[0]) : 200;
        ModelConfig small = new()
        {
            Vision = new() { Frames = 4, Width = 64, Depth = 2, Heads = 4 },
            Text = new()
            {
                VocabularySize = 1000,
                Width = 64,
                Layers = 4,
                FusionLayer = 2,
                Heads = 4,
                IntermediateSize = 256,
                MaxPositions = 64,
            },
            Answers = 100,
        };
        ModelConfig full = new() { Vision = new() { Frames = 8 } };
        set_num_threads(Environment.ProcessorCount);
        var random = new SeededRandom(1);
        // MSRVTT captions: about 12 pieces
        int[] lengths = [.. Enumerable.Range(0, count).Select(_ => 8 + random.NextInt32(9))];
        long[] ids = [.. Enumerable.Range(0, count * Padded)
            .Select(i => i % Padded < lengths[i / Padded] ? 1L + random.NextInt32(999) : 0)];
        var set = new EvaluationSet([.. Enumerable.Range(0, count).Select(Key)], [], new TokenizedTexts(ids, lengths, Padded),
            [.. Enumerable.Range(0, count)], [], []);

        using var model = (AlproForRetrieval)RunModel.Create(Config(LearningTask.Retrieval, small), CPU);
        model.eval();
        int sample = Math.Max(1, count / 20);
        // linear in the videos: a sample of them is timed
        double reference = Seconds(() => Reference(model, set, sample)) * count / sample;
        double exact = Seconds(() => Ours(model, set, null)), rerank = Seconds(() => Ours(model, set, 32));
        Console.WriteLine($"retrieval, {count} texts x {count} videos");
        Print("released procedure", reference, reference, Operations(small, set, Way.Released), Operations(full, set, Way.Released));
        Print("exact", exact, reference, Operations(small, set, Way.Exact), Operations(full, set, Way.Exact));
        Print("rerank 32", rerank, reference, Operations(small, set, Way.Rerank), Operations(full, set, Way.Rerank));

        using var answering = (AlproForQuestionAnswering)RunModel.Create(Config(LearningTask.QuestionAnswering, small), CPU);
        answering.eval();
        double single = Seconds(() => Single(answering, 3)) * Questions / 3, grouped = Seconds(() => Grouped(answering));
        double perQuestion = Text(full, 12) + Fusion(full, 12);
        Console.WriteLine($"question answering, {Questions} questions a video: one at a time {single:F2} s, grouped {grouped:F2} s "
            + $"({single / grouped:F1} times); "
            + "operations at full size "
            + $"{Questions * (Video(full) + Text(full, Padded) + Fusion(full, Padded, all: true)) / (Video(full) + Questions * perQuestion):F1} times fewer");
        return 0;

        void Print(string name, double seconds, double than, double operations, double atFull) => Console.WriteLine(
            $"  {name,-18} {seconds,7:F1} s ({than / seconds,4:F1} times)   {operations / 1e9,8:F0} GFLOP "
            + $"({Operations(small, set, Way.Released) / operations,4:F1} times)   full size {atFull / 1e12,8:F0} TFLOP "
            + $"({Operations(full, set, Way.Released) / atFull,4:F1} times)");
    }

    private enum Way
    {
        Released,
        Exact,
        Rerank,
    }

    private static RunConfig Config(LearningTask task, ModelConfig model) => new()
    {
        Task = task,
        Model = model,
        Data = new() { Corpora = [], Vocabulary = "", Clip = new() },
        TorchThreads = Environment.ProcessorCount,
    };

    private static void Ours(AlproModel model, EvaluationSet set, int? rerank)
    {
        RunConfig config = Config(LearningTask.Retrieval, model.Config) with { Evaluation = new() { Rerank = rerank } };
        using PairScorer scorer = new Retrieval().Scorer(model, new("", config, set),
            EncodedVideos.Of(model, Precision.Fp32, Batches(set.VideoKeys.Count)));
        scorer.Match(0, set.Texts.Count);
    }

    /// <summary>The released procedure on some of the videos.</summary>
    private static void Reference(AlproModel model, EvaluationSet set, int videos)
    {
        using var tensors = new BatchTensors(CPU, model.Config.Vision.PatchSize);
        using var noGrad = no_grad();
        foreach (ClipBatch batch in Batches(videos, 1))
        {
            for (int first = 0; first < set.Texts.Count; first += Chunk)
            {
                using var scope = NewDisposeScope();
                int count = Math.Min(Chunk, set.Texts.Count - first);
                Tensor video_1VD = model.EncodeVideo(tensors.Of(batch, 0, 1).Video_BTCHW).Tokens_BVD;
                (Tensor ids, Tensor mask) = set.Texts.Tensors(first, count, Padded, CPU);
                FusedTokens fused = model.Encoder.Fuse(new(model.EncodeText(ids, mask).Tokens_BLD, mask, video_1VD.expand(count, -1, -1)));
                model.itm_head.call(model.Encoder.LastLayer(fused, (0, fused.Tokens_BSD.shape[1])).select(1, 0)).softmax(1).data<float>()
                    .ToArray();
            }
            batch.Dispose();
        }
    }

    private static void Single(AlproForQuestionAnswering model, int questions)
    {
        for (int question = 0; question < questions; question++) _ = Answer(model, 1);
    }

    private static void Grouped(AlproForQuestionAnswering model) => _ = Answer(model, Questions);

    private static int Answer(AlproForQuestionAnswering model, int questions)
    {
        long[] ids = [.. Enumerable.Range(0, questions * Padded).Select(i => i % Padded < 12 ? 1L + i % 900 : 0)];
        var set = new EvaluationSet([Key(0)], [0], new TokenizedTexts(ids, [.. Enumerable.Repeat(12, questions)], Padded),
            new int[questions], new int[questions], [.. Enumerable.Repeat("what", questions)]);
        return new QuestionAnswerer(model, new(), Precision.Fp32).Answer(Batches(1), set).Count;
    }

    private static IEnumerable<ClipBatch> Batches(int videos, int size = 8)
    {
        var random = new SeededRandom(2);
        for (int first = 0; first < videos; first += size)
        {
            var batch = new ClipBatch(0, Math.Min(size, videos - first), new(new() { Frames = 4, TextLength = Padded }));
            foreach (ref ulong pixels in System.Runtime.InteropServices.MemoryMarshal.Cast<byte, ulong>(batch.Pixels_BTHWC))
                pixels = random.NextUInt64();
            for (int i = 0; i < batch.Size; i++) batch.Keys[i] = Key(first + i);
            yield return batch;
        }
    }

    private static string Key(int video) => $"video{video}";

    private static double Operations(ModelConfig model, EvaluationSet set, Way way)
    {
        int videos = set.VideoKeys.Count, texts = set.Texts.Count;
        if (way == Way.Released)
            return (double)videos * ((texts + Chunk - 1) / Chunk * Video(model)
                + texts * (Text(model, Padded) + Fusion(model, Padded, all: true)));
        // the shortlists of both directions, less what they share by chance
        double matched = way == Way.Exact ? 1 : 2.0 * 32 / videos * (1 - 32.0 / videos / 2);
        return videos * Video(model) + set.Texts.Counts.Sum(length => Text(model, length) + matched * videos * Fusion(model, length));
    }

    /// <summary>A full layer over S tokens: 12 D^2 multiplications a token, and attention.</summary>
    private static double Layer(double tokens, double width) => 24 * tokens * width * width + 4 * tokens * tokens * width;

    private static double Video(ModelConfig model)
    {
        double width = model.Vision.Width, patches = Math.Pow(model.Vision.ImageSize / model.Vision.PatchSize, 2),
            tokens = patches * model.Vision.Frames;
        return model.Vision.Depth * (34 * tokens * width * width + 4 * tokens * (patches + 1 + model.Vision.Frames) * width);
    }

    private static double Text(ModelConfig model, double length) => model.Text.FusionLayer * Layer(length, model.Text.Width);

    /// <summary>One pair: every row of every layer, or without the projections of the first layer and with one row of the last.</summary>
    private static double Fusion(ModelConfig model, double length, bool all = false)
    {
        double width = model.Text.Width, tokens = length + 1 + Math.Pow(model.Vision.ImageSize / model.Vision.PatchSize, 2);
        int layers = model.Text.Layers - model.Text.FusionLayer;
        return all ? layers * Layer(tokens, width) : (layers - 1) * Layer(tokens,
            width) - 6 * tokens * width * width + 4 * tokens * width * model.Text.Heads + 24 * width * width;
    }

    private static double Seconds(Action action)
    {
        var clock = Stopwatch.StartNew();
        action();
        return clock.Elapsed.TotalSeconds;
    }
}
