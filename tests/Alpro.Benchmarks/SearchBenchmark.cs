using System.Diagnostics;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Alpro.Actors.Evaluation;
using Alpro.Actors.Hosting;
using Alpro.Actors.Pipeline;
using Alpro.Actors.Search;
using Alpro.Data.Batches;
using Alpro.Data.Media;
using Alpro.Data.Sampling;
using Alpro.Model;
using Alpro.Model.Checkpoints;
using Alpro.Training;
using Alpro.Training.Configuration;
using Alpro.Training.Evaluation;
using Alpro.Training.Inputs;
using Alpro.Training.Search;
using Alpro.Training.Tasks;
using static TorchSharp.torch;

namespace Alpro.Benchmarks;

/// <summary>
/// <c>search product [WINDOWS]</c>: a query over so many windows of the paper's width, beside reading their features once, in turn.
/// <c>search rerank</c>: what matching 32 windows costs with a model of the paper's size, from kept tokens and from encoding again.
/// <c>search index FOLDER</c>: indexing the videos of a folder, beside decoding its windows alone and encoding them alone.
/// </summary>
internal static class SearchBenchmark
{
    private const int Width = 256, Queries = 200, Shortlist = 32;

    public static int Run(string[] args)
    {
        switch (args)
        {
            case ["product", .. var count]:
                Product(count is [var windows] ? int.Parse(windows) : 100_000);
                return 0;
            case ["rerank"]:
                Rerank();
                return 0;
            case ["index", var folder]:
                IndexAsync(folder).GetAwaiter().GetResult();
                return 0;
            default:
                Console.Error.WriteLine("usage: search product [WINDOWS], search rerank, or search index FOLDER");
                return 2;
        }
    }

    private static unsafe void Product(int windows)
    {
        string folder = Directory.CreateTempSubdirectory("alpro-search-").FullName;
        try
        {
            Write(folder, windows);
            long began = Stopwatch.GetTimestamp();
            using var index = SearchIndex.Open(folder);
            _ = index.File(index[windows - 1].File);
            double opening = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
            long bytes = (long)windows * Width * sizeof(Half);
            var random = new SeededRandom(5);
            var queries = new List<double>();
            var reads = new List<double>();
            for (int query = 0; query < Queries; query++)            // in turn: whatever else the machine does meets both
            {
                float[] feature = Feature(ref random);
                reads.Add(Milliseconds(() => Read((byte*)index.Features, bytes)));
                queries.Add(Milliseconds(() => ExactSearch.Top(index, feature, 10)));
            }
            double best = queries.Min(), read = reads.Min(), middle = queries.Order().ElementAt(Queries / 2);
            Console.WriteLine($"{windows:N0} windows of {Width}: opening {opening:0.0} ms; features {bytes / 1e6:0} MB, "
                + $"{(double)index.Bytes / windows:0} bytes a window without thumbnails");
            Console.WriteLine($"  query {best:0.00} ms at best ({bytes / best / 1e6:0.0} GB/s), {middle:0.00} ms in the middle; "
                + $"first {queries[0]:0.0}");
            Console.WriteLine($"  reading the features once {read:0.00} ms at best ({bytes / read / 1e6:0.0} GB/s), "
                + $"{reads.Order().ElementAt(Queries / 2):0.00} in the middle; first {reads[0]:0.0}");
            Console.WriteLine($"  query / reading: {best / read:0.00} at best, "
                + $"{middle / reads.Order().ElementAt(Queries / 2):0.00} in the middle");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Files of 20 windows, with random features and no thumbnails.</summary>
    private static void Write(string folder, int windows)
    {
        const int perFile = 20;
        IndexedFile[] plan = [.. Enumerable.Range(0, windows / perFile).Select(number =>
            new IndexedFile(number, $"folder/video{number:0000000}.mp4", new($"/videos/folder/video{number:0000000}.mp4")))];
        var manifest = new SearchManifest
        {
            Source = "random",
            Model = new("none", LearningTask.Retrieval, [], "", "", "", HasMatching: true),
            Windows = new(),
            Width = Width,
        };
        using SearchIndexWriter writer = SearchIndexWriter.Open(folder, manifest, plan);
        var random = new SeededRandom(3);
        foreach (IndexedFile file in plan)
        {
            for (int window = 0; window < perFile; window++)
                writer.Add(new(0, 0, 50 * window, 100, 2 * window, 2 * window + 4), SearchIndexWriter.Halves(Feature(ref random)), [], []);
            writer.EndFile(file with { Info = new(1050, 25, 640, 360, 0) });
        }
        writer.Complete();
    }

    private static float[] Feature(ref SeededRandom random)
    {
        float[] feature = new float[Width];
        for (int i = 0; i < Width; i++) feature[i] = random.NextInt32(1 << 20) / (float)(1 << 19) - 1;
        float norm = MathF.Sqrt(feature.Sum(value => value * value));
        for (int i = 0; i < Width; i++) feature[i] /= norm;
        return feature;
    }

    /// <summary>The floor: every byte is loaded once, by as many threads, and added up.</summary>
    private static unsafe void Read(byte* bytes, long length)
    {
        int parts = Environment.ProcessorCount;
        Parallel.For(0, parts, part =>
        {
            (long first, long end) = (length / 256 * part / parts * 256, length / 256 * (part + 1) / parts * 256);
            Vector512<long> a = default, b = default, c = default, d = default;
            for (long at = first; at < end; at += 256)
            {
                if (Sse.IsSupported)
                    for (int line = 0; line < 256; line += 64) Sse.Prefetch0(bytes + at + 4096 + line);
                a += Vector512.Load((long*)(bytes + at));
                b += Vector512.Load((long*)(bytes + at + 64));
                c += Vector512.Load((long*)(bytes + at + 128));
                d += Vector512.Load((long*)(bytes + at + 192));
            }
            Interlocked.Add(ref _sink, Vector512.Sum(a + b + c + d));
        });
    }

    private static long _sink;

    private static void Rerank()
    {
        set_num_threads(Environment.ProcessorCount);
        ModelConfig size = new() { Vision = new() { Frames = 4 } };
        var config = new RunConfig
        {
            Task = LearningTask.Retrieval,
            Model = size,
            TorchThreads = Environment.ProcessorCount,
            Data = new() { Corpora = [], Vocabulary = "", Clip = new() { Frames = 4, DecodeSize = 224, TextLength = 40 } },
        };
        using AlproModel model = RunModel.Create(config, CPU);
        model.eval();
        long[] ids = [.. Enumerable.Range(0, 40).Select(i => i < 12 ? 1000L + i : 0)];
        var set = new EvaluationSet([], [], new TokenizedTexts(ids, [12], 40), [0], [], []);
        int tokens = 1 + 14 * 14;
        string[] keys = [.. Enumerable.Range(0, Shortlist).Select(i => $"{i}")];
        Half[] kept = new Half[Shortlist * tokens * 768];
        kept.AsSpan().Fill((Half)0.1);
        double text = Milliseconds(() =>
        {
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            (Tensor textIds, Tensor mask) = set.Texts.Tensors(0, 1, 12, CPU);
            model.TextFeatures(textIds, mask).data<float>().ToArray();
        });
        double fromTokens = Milliseconds(() =>
        {
            using var scope = NewDisposeScope();
            Tensor read = tensor(Array.ConvertAll(kept, static value => (float)value), [Shortlist, tokens, 768]);
            using PairScorer scorer = new Retrieval().Scorer(model, new("", config, set), [new(keys, read, ones(Shortlist, 256))]);
            scorer.Match(0, 1);
        });
        const int encoded = 4;                                       // linear in the windows
        double again = Milliseconds(() =>
        {
            using var scope = NewDisposeScope();
            var batch = new ClipBatch(0, encoded, new(config.Data.Clip));
            for (int i = 0; i < encoded; i++) batch.Keys[i] = $"{i}";
            foreach (EncodedVideos _ in EncodedVideos.Of(model, Precision.Fp32, [batch])) { }
        }) * Shortlist / encoded;
        Console.WriteLine($"a model of the paper's size, 4 frames of 224 pixels, {Environment.ProcessorCount} threads: a text {text:0} ms; "
            + $"matching {Shortlist} windows from kept tokens {fromTokens:0} ms; encoding them again {again:0} ms more; "
            + $"tokens {tokens * 768 * 2 / 1e3:0} kB a window");
    }

    private static async Task IndexAsync(string folder)
    {
        string place = Directory.CreateTempSubdirectory("alpro-search-").FullName;
        try
        {
            string vocabulary = Path.Combine(place, "vocab.txt"), weights = Path.Combine(place, "model.safetensors");
            File.WriteAllLines(vocabulary, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "moving", "picture"]);
            var config = new RunConfig
            {
                Task = LearningTask.Retrieval,
                Model = SmallModel.Of(width: 256, patchSize: 8, frames: 4, vocabulary: 8),
                Data = new()
                {
                    Corpora = [],
                    Vocabulary = vocabulary,
                    Clip = new() { Frames = 4, DecodeSize = 64, Size = 64, TextLength = 8 },
                },
            };
            using (AlproModel model = RunModel.Create(config, CPU)) StateDict.Save(model, weights);
            var target = new EvaluationTarget(place, weights, config);
            await using RunHost host = await RunHost.StartAsync(adjust: settings => settings with { Decoders = 2 });
            var windows = new WindowSettings();
            var job = new IndexJob(new(target, folder), windows, Path.Combine(place, "index"));

            List<(IndexedFile, Window)> rows = [];
            (double surveyWall, double surveyBusy) = Measure(() =>
            {
                using IFrameReader reader = FrameReaders.Create(new DecodeLimits());
                foreach (IndexedFile file in IndexSource.Below(folder))
                {
                    (IndexedFile found, IReadOnlyList<Window> some) = WindowCutter.Survey(reader, file, windows);
                    rows.AddRange(some.Select(window => (found, window)));
                }
            });
            using var data = new RunData(config, host.Settings, new WindowCorpus(rows), new(vocabulary));
            long[] numbers = [.. Enumerable.Range(0, rows.Count).Select(row => (long)row)];
            List<ClipBatch> batches = [];
            (double decodeWall, double decodeBusy) = Measure(() =>
                batches = [.. host.Read(data, numbers, config.Data.Clip, config.Evaluation.BatchSize, new ClipLedger())]);
            (double encodeWall, double encodeBusy) = Measure(() =>
            {
                using AlproModel model = RunModel.Load(config, weights, CPU);
                using var scope = NewDisposeScope();
                foreach (EncodedVideos some in EncodedVideos.Of(model, Precision.Fp32, batches))
                {
                    some.Tokens_BVD.Dispose();
                    some.Features_BF.Dispose();
                }
            });
            (double wall, double busy) = Measure(() => job.RunAsync(host, default).GetAwaiter().GetResult());
            using SearchIndex index = SearchIndex.Open(job.Output);
            double floorBusy = decodeBusy + encodeBusy;
            double floorWall = Math.Max(Math.Max(decodeWall, encodeWall), floorBusy / Environment.ProcessorCount);
            Console.WriteLine($"{rows.Count} windows of {index.FileCount} files: index {wall:0.00} s ({rows.Count / wall:0.0} windows/s), "
                + $"{busy:0.00} s of processors; {index.Bytes / rows.Count:N0} bytes a window");
            Console.WriteLine($"  floor {floorWall:0.00} s, {floorBusy:0.00} s of processors: decoding alone {decodeWall:0.00} s "
                + $"({decodeBusy:0.00}), encoding alone {encodeWall:0.00} s ({encodeBusy:0.00}); "
                + $"finding windows and cuts {surveyWall:0.00} s ({surveyBusy:0.00})");
            Console.WriteLine($"  index / floor: {wall / floorWall:0.00} in time, {busy / floorBusy:0.00} of processors");
        }
        finally
        {
            Directory.Delete(place, recursive: true);
        }
    }

    private static (double Wall, double Busy) Measure(Action action)
    {
        using Process self = Process.GetCurrentProcess();
        TimeSpan before = self.TotalProcessorTime;
        long began = Stopwatch.GetTimestamp();
        action();
        double wall = Stopwatch.GetElapsedTime(began).TotalSeconds;
        self.Refresh();
        return (wall, (self.TotalProcessorTime - before).TotalSeconds);
    }

    private static double Milliseconds(Action action)
    {
        long began = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(began).TotalMilliseconds;
    }
}
