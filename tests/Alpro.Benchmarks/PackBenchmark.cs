using Alpro.Data.Batches;
using Alpro.Data.Clips;
using Alpro.Data.Media;
using Alpro.Data.Sampling;
using Alpro.Data.Synthetic;
using Alpro.Data.Text;
using Spectre.Console;

namespace Alpro.Benchmarks;

/// <summary>
/// <c>pack [ROUNDS] [FOLDER]</c>: what a whole clip costs as published and re-encoded for reading, stage by stage, in CPU time of one
/// thread. The kinds take turns, so that they meet the same moods of the machine. Every round makes the same clips, and the median round
/// is shown. The videos are those of FOLDER, else of the shared WebVid sample (ALPRO_SHARED, else ../shared), else made up. They are
/// re-encoded once into the system's temporary folder. PSNR compares frames of 256 px with those of the source at the same rate.
/// </summary>
internal static class PackBenchmark
{
    private const int BatchSize = 16, Batches = 2, SquareSide = 256, ComparedFrames = 8;
    private const double WantedShare = 0.12, WantedMs = 8;

    /// <summary>How the clips of a kind are made of one with this frame rate; null leaves them as published.</summary>
    private static readonly (string Name, Func<double, string>? Encode)[] _kinds =
    [
        ("published", null),
        ("10 % of the rate", rate => $"{Filter(rate)} -c:v libx264"),
        ("h264, 256 px", rate => $"{Square(rate)} -c:v libx264 -g 1 -crf 23 -tune fastdecode"),
        ("mjpeg, 256 px", rate => $"{Square(rate)} -c:v mjpeg -q:v 3"),
    ];

    /// <summary>A clip of the pretraining recipe.</summary>
    public static ClipSettings Pretraining { get; } = new()
    {
        Frames = 4,
        DecodeSize = 256,
        Size = 224,
        Augment = Augmentation.Pretrain,
        TextLength = 30,
        MaskProbability = 0.15,
        RegionPatch = 16,
    };

    private static readonly (string Name, ClipSettings Settings, double Wanted)[] _recipes =
    [
        ("pretraining", Pretraining, WantedMs),
        ("retrieval", new() { Frames = 8, DecodeSize = 224, Size = 224, Strategy = FrameStrategy.Rand, TextLength = 40 }, double.NaN),
    ];

    /// <summary>CPU milliseconds a clip. The stages of reading are shares of wall time, taken of the CPU time of reading.</summary>
    private readonly record struct Cost(double Text, double Open, double Read, double Decode, double Convert, double Augment,
        double Collate, double BytesRead)
    {
        public double Reading => Open + Read + Decode + Convert;

        public double Total => Text + Reading + Augment + Collate;
    }

    public static int Run(string[] args)
    {
        int rounds = args.Length > 0 ? int.Parse(args[0]) : 7;
        string shared = Environment.GetEnvironmentVariable("ALPRO_SHARED") ?? Path.Combine(Directory.GetCurrentDirectory(), "..", "shared");
        string folder = args.Length > 1 ? args[1] : Path.Combine(shared, "data", "webvid-sample", "videos");
        if (args.Length < 2 && !Directory.Exists(folder)) folder = MakeUp();
        string[] published = [.. Directory.EnumerateFiles(folder, "*.mp4").Order()];
        if (published.Length == 0)
        {
            Console.Error.WriteLine($"{folder} has no file that ends in .mp4: name a folder of videos.");
            return 2;
        }
        string made = $"pack{Path.GetFullPath(folder)}";   // files of one name in two folders are two
        using var reader = new VideoReader(new DecodeLimits());
        string[] sources = [.. published.Select(file => DecodeBenchmark.Encode(reader, file, $"{made}/lossless",
            rate => $"{Filter(rate)} -c:v libx264 -preset ultrafast -qp 0"))];
        var kinds = new List<(string Name, string[] Files, string Quality)>();
        foreach ((string name, Func<double, string>? encode) in _kinds)
        {
            string[] files = encode is null
                ? published
                : [.. published.Select(file => DecodeBenchmark.Encode(reader, file, $"{made}/{name}", encode))];
            kinds.Add((name, files, encode is null ? "" : Quality(reader, files, sources)));
        }

        AnsiConsole.Profile.Width = 132;
        AnsiConsole.MarkupLineInterpolated(
            $"{published.Length} clips of {folder}, one thread, {rounds} rounds (median); {NativeDecoder.Version}");
        Table quality = new Table().AddColumns("clips", "kB a clip", "PSNR, dB");
        foreach ((string name, string[] files, string psnr) in kinds)
            quality.AddRow(name, $"{files.Average(file => new FileInfo(file).Length) / 1e3:F0}", psnr);
        AnsiConsole.Write(quality);
        var tokenizer = new CaptionTokenizer(FindVocabulary(shared));
        foreach ((string name, ClipSettings settings, double wanted) in _recipes)
            AnsiConsole.Write(Measure(name, settings, wanted, [.. kinds.Select(kind => (kind.Name, kind.Files))], tokenizer, rounds));
        return 0;
    }

    private static Table Measure(string recipe, ClipSettings settings, double wanted, (string Name, string[] Files)[] kinds,
        CaptionTokenizer tokenizer, int rounds)
    {
        string limit = double.IsNaN(wanted) ? "all" : $"all (at most {wanted})";
        Table table = new Table().Title($"{recipe}: {settings.Frames} frames of {settings.DecodeSize} px, finished {settings.Size} px")
            .AddColumns("CPU ms a clip", "open", "read", "decode", "convert", "augment", "text", "collate", limit, "clips/s a core",
                $"reading (at most {WantedShare})", "kB read");
        List<Cost>[] costs = [.. kinds.Select(_ => new List<Cost>())];
        for (int round = -2; round < rounds; round++)   // the first ones warm up
            for (int kind = 0; kind < kinds.Length; kind++)
            {
                Cost cost = MeasureOnce(kinds[kind].Files, settings, tokenizer);
                if (round >= 0) costs[kind].Add(cost);
            }
        double publishedMs = costs[0].Select(cost => cost.Reading).Order().ElementAt(rounds / 2);
        foreach (((string name, _), List<Cost> of) in kinds.Zip(costs))
        {
            Cost c = of.OrderBy(cost => cost.Total).ElementAt(rounds / 2);
            table.AddRow(name, $"{c.Open:F2}", $"{c.Read:F2}", $"{c.Decode:F2}", $"{c.Convert:F2}", $"{c.Augment:F2}", $"{c.Text:F2}",
                $"{c.Collate:F2}", $"{c.Total:F2}", $"{1000 / c.Total:F0}", $"{c.Reading / publishedMs:F3}", $"{c.BytesRead / 1e3:F0}");
        }
        return table;
    }

    /// <summary>A few batches. What is kept between clips is made before.</summary>
    private static Cost MeasureOnce(string[] files, ClipSettings settings, CaptionTokenizer tokenizer)
    {
        using var corpus = new VideoFiles(files);
        using var reader = new TimedReader(new VideoReader(new DecodeLimits()));
        using var loader = new ClipLoader([corpus], settings, tokenizer, reader);
        loader.Load(new ClipRequest(0, 0, 0, 0, 0, 0)).Dispose();
        Cost sum = default;
        const double ms = 1e-6 / (Batches * BatchSize);
        for (int step = 0; step < Batches; step++)
        {
            using var collator = new Collator(step, BatchSize, settings);
            for (int slot = 0; slot < BatchSize; slot++)
            {
                int number = step * BatchSize + slot;
                long start = ThreadClock.Nanoseconds();
                using Clip clip = loader.Load(new ClipRequest(step, slot, 0, 0, number % files.Length, (ulong)number));
                long loaded = ThreadClock.Nanoseconds();
                collator.Add(slot, clip);
                long collated = ThreadClock.Nanoseconds();
                DecodeStatistics s = reader.Statistics;
                double stages = s.OpenNanoseconds + s.IndexNanoseconds + s.ReadNanoseconds + s.DecodeNanoseconds + s.ConvertNanoseconds,
                    share = (reader.Finished - reader.Opened) * ms / stages;
                sum = new(sum.Text + (reader.Opened - start) * ms, sum.Open + (s.OpenNanoseconds + s.IndexNanoseconds) * share,
                    sum.Read + s.ReadNanoseconds * share, sum.Decode + s.DecodeNanoseconds * share,
                    sum.Convert + s.ConvertNanoseconds * share, sum.Augment + (loaded - reader.Finished) * ms,
                    sum.Collate + (collated - loaded) * ms, sum.BytesRead + (double)s.Bytes / (Batches * BatchSize));
            }
        }
        return sum;
    }

    /// <summary>Mean and worst PSNR of a few frames of each file, beside the same frames of its source.</summary>
    private static string Quality(VideoReader reader, string[] files, string[] sources)
    {
        var all = new List<double>();
        byte[] made = new byte[ComparedFrames * SquareSide * SquareSide * 3], source = new byte[made.Length];
        foreach ((string file, string sourceFile) in files.Zip(sources))
        {
            int frames = Math.Min(ReadSome(file, made), ReadSome(sourceFile, source)), length = made.Length / ComparedFrames;
            if (frames < ComparedFrames) continue;
            for (int at = 0; at < made.Length; at += length)
            {
                double squares = 0;
                for (int i = at; i < at + length; i++) squares += (made[i] - source[i]) * (made[i] - source[i]);
                all.Add(10 * Math.Log10(255.0 * 255 * length / Math.Max(squares, 1)));
            }
        }
        return all.Count == 0 ? "" : $"{all.Average():F1}, worst {all.Min():F1}";

        int ReadSome(string file, byte[] pixels)
        {
            int frames = reader.Open(new MediaSource(file)).FrameCount;
            int[] indices = [.. Enumerable.Range(0, ComparedFrames).Select(i => i * frames / ComparedFrames)];
            reader.Read(indices, SquareSide, SquareSide, ResizeFilter.Bilinear, pixels);
            return frames;
        }
    }

    private static string Filter(double rate) => $"-vf fps={rate / 10:F4}";

    private static string Square(double rate) => $"{Filter(rate)},scale={SquareSide}:{SquareSide}:flags=bilinear";

    /// <summary>Three moving pictures of a web video's size.</summary>
    private static string MakeUp()
    {
        string folder = Directory.CreateDirectory(Path.Combine(Path.GetTempPath(), "alpro-benchmark", "pack", "made-up")).FullName;
        foreach (string picture in new[] { "testsrc2=alpha=255", "mandelbrot=maxiter=2000", "cellauto=rule=110" })
        {
            string file = Path.Combine(folder, picture.Split('=')[0] + ".mp4");
            if (!File.Exists(file))
                DecodeBenchmark.Command("ffmpeg", $"-v error -nostdin -f lavfi -i {picture}:size=596x336:rate=25 -t 15 -pix_fmt yuv420p "
                    + $"-c:v libx264 -g 10 -y \"{file}\"");
        }
        return folder;
    }

    private static string FindVocabulary(string shared)
    {
        string released = Path.Combine(shared, "data", "bert-base-uncased", "vocab.txt");
        if (File.Exists(released)) return released;
        string made = Path.Combine(Path.GetTempPath(), "alpro-benchmark", "pack", "vocabulary.txt");
        File.WriteAllLines(made, SyntheticVocabulary.Pieces);
        return made;
    }
}
