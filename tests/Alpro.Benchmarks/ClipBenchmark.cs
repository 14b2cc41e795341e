using Alpro.Data.Batches;
using Alpro.Data.Clips;
using Alpro.Data.Media;
using Alpro.Data.Sampling;
using Alpro.Data.Text;
using Spectre.Console;

namespace Alpro.Benchmarks;

/// <summary>
/// <c>clip [ROUNDS]</c>: what a clip of 8 frames at 224 px costs beside its decoding (crop, augmentation, text, masking, region, and its
/// share of collating), in CPU time of one thread, as a share of the decoding in the same run; and the managed memory allocated for it.
/// Videos and vocabulary come from the shared folder (ALPRO_SHARED, else ../shared).
/// </summary>
internal static class ClipBenchmark
{
    private const int Frames = 8, Size = 224, BatchSize = 16;

    private static readonly (string Name, ClipSettings Settings)[] _recipes =
    [
        ("pretraining", new()
        {
            Frames = Frames,
            DecodeSize = 256,
            Size = Size,
            Augment = Augmentation.Pretrain,
            TextLength = 30,
            MaskProbability = 0.15,
            RegionPatch = 16,
        }),
        ("question answering", new()
        {
            Frames = Frames,
            DecodeSize = Size,
            Size = Size,
            Augment = Augmentation.RandAugment,
            Strategy = FrameStrategy.Rand,
            TextLength = 40,
        }),
        ("retrieval", new() { Frames = Frames, DecodeSize = Size, Size = Size, Strategy = FrameStrategy.Rand, TextLength = 40 }),
    ];

    public static int Run(string[] args)
    {
        int rounds = args.Length > 0 ? int.Parse(args[0]) : 10;
        string shared = Environment.GetEnvironmentVariable("ALPRO_SHARED") ?? Path.Combine(Directory.GetCurrentDirectory(), "..", "shared");
        string folder = Path.Combine(shared, "data", "webvid-sample", "videos");
        if (!Directory.Exists(folder))
        {
            Console.Error.WriteLine(
                $"{folder} is not there: run from the repository's root beside the shared folder, or set ALPRO_SHARED.");
            return 2;
        }
        using var corpus = new VideoFiles([.. Directory.EnumerateFiles(folder, "*.mp4").Order()]);
        var tokenizer = new CaptionTokenizer(Path.Combine(shared, "data", "bert-base-uncased", "vocab.txt"));

        var table = new Table().AddColumns("recipe", "decode CPU ms/clip", "the rest of loading", "collate",
            "rest + collate, share of decoding", "allocated B/clip");
        foreach ((string name, ClipSettings settings) in _recipes)
        {
            using var reader = new TimedReader(new VideoReader(new DecodeLimits()));
            using var loader = new ClipLoader([corpus], settings, tokenizer, reader);
            Measure(loader, reader, corpus, settings, rounds: 2, seed: 0);   // warm up
            Pass pass = Measure(loader, reader, corpus, settings, rounds, seed: 1_000_000);
            table.AddRow(name, $"{pass.DecodeMs:F1}", $"{pass.RestMs:F2}", $"{pass.CollateMs:F2}",
                $"{(pass.RestMs + pass.CollateMs) / pass.DecodeMs:P1}", $"{pass.Allocated}");
        }
        AnsiConsole.Profile.Width = 132;
        AnsiConsole.MarkupLineInterpolated(
            $"{Frames} frames at {Size} px of {corpus.Count} WebVid clips as published, one thread, {rounds} rounds (mean)");
        AnsiConsole.Write(table);
        Operations();
        return 0;
    }

    private readonly record struct Pass(double DecodeMs, double RestMs, double CollateMs, long Allocated);

    private static Pass Measure(ClipLoader loader, TimedReader reader, VideoFiles corpus, ClipSettings settings, int rounds, ulong seed)
    {
        long clips = rounds * corpus.Count, collating = 0, allocated = 0;
        long loading = 0, decoding = 0;
        var collator = new Collator(0, BatchSize, settings);
        for (int i = 0; i < clips; i++)
        {
            var request = new ClipRequest(i / BatchSize, i % BatchSize, 0, 0, i % corpus.Count, seed + (ulong)i);
            long start = ThreadClock.Nanoseconds(), before = GC.GetAllocatedBytesForCurrentThread();
            using Clip clip = loader.Load(request);
            allocated += GC.GetAllocatedBytesForCurrentThread() - before;
            long loaded = ThreadClock.Nanoseconds();
            collator.Add(request.Slot, clip);
            collating += ThreadClock.Nanoseconds() - loaded;
            loading += loaded - start;
            decoding += reader.Finished - reader.Opened;
            if (collator.Unsettled > 0) continue;
            collator.Take()!.Dispose();
            collator = new Collator(request.Step + 1, BatchSize, settings);
        }
        collator.Dispose();
        double perClip = 1e-6 / clips;
        return new(decoding * perClip, (loading - decoding) * perClip, collating * perClip, allocated / clips);
    }

    /// <summary>Each operation on one frame, so that one that is slow shows.</summary>
    private static void Operations()
    {
        var table = new Table().AddColumns("operation", "µs per frame");
        byte[] frame = new byte[Size * Size * 3], scratch = new byte[frame.Length];
        for (int i = 0; i < frame.Length; i++) frame[i] = (byte)(i * 2654435761L >> 20);
        foreach (AugmentOp op in Enum.GetValues<AugmentOp>())
        {
            const int times = 200;
            for (int i = 0; i < times; i++) AugmentOps.Apply(op, 7, frame, Size, scratch);
            long start = ThreadClock.Nanoseconds();
            for (int i = 0; i < times; i++) AugmentOps.Apply(op, 7, frame, Size, scratch);
            table.AddRow($"{op}", $"{(ThreadClock.Nanoseconds() - start) / 1e3 / times:F0}");
        }
        AnsiConsole.Write(table);
    }
}
