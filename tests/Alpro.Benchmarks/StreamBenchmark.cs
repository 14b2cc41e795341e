using System.Diagnostics;
using System.IO.Hashing;
using System.Threading.Channels;
using Akka.Actor;
using Akka.Configuration;
using Alpro.Actors;
using Alpro.Actors.Pipeline;
using Alpro.Data.Batches;
using Alpro.Data.Clips;
using Alpro.Data.Corpora;
using Alpro.Data.Media;
using Alpro.Data.Places;
using Alpro.Data.Sampling;
using Alpro.Data.Text;
using Alpro.Tests.Support.Stores;
using Amazon.Runtime;
using Amazon.S3;
using Spectre.Console;

namespace Alpro.Benchmarks;

/// <summary>
/// <c>stream (nginx | s3) [CLIPS]</c>: clips of 4 frames at 224 px from a store whose every answer takes 50 ms longer, made by 2 decoders
/// and taken by a consumer, a batch of 16 every 320 ms. Cold, again in another epoch with what the cache has, and without a cache while 5 %
/// of the requests fail. Beside it what was asked for: requests and bytes a clip, and the bytes of the wanted frames, the least possible.
/// The batches are compared with those of a disk. <c>stream bounds</c>: memory and disk over 10 GB of shards with a cache of 100 MB. Needs
/// ffmpeg and nginx or s3rver, and runs from the repository's root.
/// </summary>
internal static class StreamBenchmark
{
    private const int Decoders = 2, BatchSize = 16, Different = 20, FaultEvery = 20;
    private static readonly TimeSpan _perClip = TimeSpan.FromMilliseconds(20), _latency = TimeSpan.FromMilliseconds(50);
    private static readonly StoreFault[] _faults = [StoreFault.Reset, StoreFault.Unavailable, StoreFault.Truncated, StoreFault.TooMany];

    public static int Run(string[] args)
    {
        if (args is ["bounds"]) return Bounds();
        int count = args.Length > 1 ? int.Parse(args[1]) : 2000;
        if (args.Length == 0 || args[0] is not ("nginx" or "s3"))
        {
            Console.Error.WriteLine("usage: stream (nginx | s3) [CLIPS], or stream bounds");
            return 2;
        }
        return RunAsync(args[0] == "s3", count).GetAwaiter().GetResult();
    }

    private static async Task<int> RunAsync(bool bucket, int count)
    {
        string folder = Directory.CreateTempSubdirectory("alpro-stream-").FullName, cache = Path.Combine(folder, "cache"),
            files = Path.Combine(folder, "store");
        try
        {
            MakeVideos(folder, files, count);
            string vocabulary = Path.Combine(folder, "vocab.txt");
            File.WriteAllLines(vocabulary, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "moving", "picture"]);
            var tokenizer = new CaptionTokenizer(vocabulary);
            using StoreProcess store = bucket ? StoreProcess.S3() : StoreProcess.Nginx(files);
            if (bucket) await UploadAsync(store.Port, files);
            using FaultProxy proxy = new(store.Port) { Latency = _latency };
            if (bucket) PointAt(proxy.Port);
            string address = bucket ? $"s3://{StoreProcess.Bucket}" : $"http://127.0.0.1:{proxy.Port}";
            var places = new PlaceSettings { CacheFolder = cache };
            long size = Directory.EnumerateFiles(files).Sum(file => new FileInfo(file).Length);
            Console.WriteLine($"{count} clips of {size / 1e6 / count:F2} MB over {(bucket ? "s3rver" : "nginx")}, "
                + $"{_latency.TotalMilliseconds} ms of latency, {Decoders} decoders, "
                + $"a batch of {BatchSize} every {_perClip.TotalMilliseconds * BatchSize} ms");
            var table = new Table().AddColumns("run", "waiting", "requests/clip", "KB/clip", "least KB/clip", "from the cache", "rejected",
                "batches as from disk");
            foreach ((string name, int epoch, bool cached, bool faults) in new[]
            {
                ("cold", 0, true, false), ("second epoch", 1, true, false), ("5 % of requests fail", 0, false, true),
            })
            {
                (List<ulong> expected, _, _) = await StreamAsync(files, epoch, count, new(), tokenizer, paced: false);
                double least = Least(files, epoch, count) / 1e3 / count;
                proxy.Reset();
                proxy.Faults = request => !faults || request % FaultEvery != 0 ? StoreFault.None
                    : _faults[request / FaultEvery % _faults.Length];
                long before = RemotePlace.Traffic.Cached;
                (List<ulong> found, double waiting, long rejected) = await StreamAsync(address, epoch, count,
                    cached ? places : places with { CacheFolder = null }, tokenizer, paced: true);
                double kept = RemotePlace.Traffic.Cached - before;
                table.AddRow(name, $"{waiting:P1}", $"{(double)proxy.Requests / count:F2}", $"{proxy.Bytes / 1e3 / count:F1}",
                    $"{least:F1}", $"{kept / (kept + proxy.Bytes):P0}", $"{rejected}", expected.SequenceEqual(found) ? "yes" : "NO");
            }
            AnsiConsole.Profile.Width = 132;
            AnsiConsole.Write(table);
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Reads clips' worth of frames all over 40 shards of 256 MB, with a cache of 100 MB.</summary>
    private static int Bounds()
    {
        const int shards = 40, reads = 20_000, frame = 10_000;
        const long length = 256 << 20, cacheSize = 100_000_000;
        string folder = Directory.CreateTempSubdirectory("alpro-bounds-").FullName, cache = Path.Combine(folder, "cache");
        try
        {
            for (int i = 0; i < shards; i++)
            {
                using FileStream shard = new(Path.Combine(folder, $"{i:D2}.tar"), FileMode.CreateNew);
                shard.SetLength(length);
            }
            using StoreProcess nginx = StoreProcess.Nginx(folder);
            var random = new SeededRandom(1);
            var places = new PlaceSettings { CacheFolder = cache, CacheSize = cacheSize };
            (long most, long largest) = (0, 0);
            byte[] bytes = new byte[frame];
            long begun = Stopwatch.GetTimestamp(), start = Environment.WorkingSet;
            for (int i = 0; i < reads; i++)
            {
                using Place place = Place.Open($"http://127.0.0.1:{nginx.Port}/{random.NextInt32(shards):D2}.tar", places);
                long at = random.NextInt32((int)(length / frame) - 4) * (long)frame;
                place.Fetch([.. Enumerable.Range(0, 4).Select(n => new ByteRange(at + n * frame, frame))]);
                for (int n = 0; n < 4; n++) place.Read(at + n * frame, bytes);
                if (i % 1000 != 999) continue;
                most = Math.Max(most, Environment.WorkingSet);
                largest = Math.Max(
                    largest, new DirectoryInfo(cache).EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Length));
            }
            double seconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;
            Console.WriteLine($"{reads} clips of 4 frames out of {shards * length / 1e9:F1} GB: {reads / seconds:F0} clips/s, "
                + $"{start / 1e6:F0} MB of memory before and {most / 1e6:F0} at most, "
                + $"{largest / 1e6:F1} MB of cache at most ({cacheSize / 1e6:F0} allowed)");
            return most < start + 200_000_000 && largest <= cacheSize ? 0 : 1;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>All-intra videos of 60 frames at 256 px, of which each name is one.</summary>
    private static void MakeVideos(string folder, string files, int count)
    {
        Directory.CreateDirectory(files);
        for (int i = 0; i < Different; i++)
        {
            using var ffmpeg = Process.Start("ffmpeg",
                $"-v error -nostdin -y -f lavfi -i mandelbrot=size=256x256:rate=10:start_scale={0.3 / (i + 1)} -t 6 -pix_fmt yuv420p "
                + $"-c:v libx264 -g 1 -crf 23 -tune fastdecode -movflags +faststart {folder}/{i}.mp4");
            ffmpeg.WaitForExit();
        }
        for (int i = 0; i < count; i++) File.Copy($"{folder}/{i % Different}.mp4", $"{files}/{i:D5}.mp4");
    }

    private static async Task UploadAsync(int port, string files)
    {
        using AmazonS3Client client = S3Place.Client(new BasicAWSCredentials(StoreProcess.Key, StoreProcess.Key),
            $"http://127.0.0.1:{port}");
        await StoreProcess.UploadAsync(client, files);
    }

    private static void PointAt(int port)
    {
        foreach ((string name, string value) in new[] { ("AWS_ENDPOINT_URL", $"http://127.0.0.1:{port}"), ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", StoreProcess.Key), ("AWS_SECRET_ACCESS_KEY", StoreProcess.Key) })
            Environment.SetEnvironmentVariable(name, value);
    }

    /// <summary>
    /// Streams an epoch; returns a hash of each batch, the share of time in which its taker waited, and the clips rejected.
    /// </summary>
    private static async Task<(List<ulong> Batches, double Waiting, long Rejected)> StreamAsync(string folder, int epoch, int count,
        PlaceSettings places, CaptionTokenizer tokenizer, bool paced)
    {
        using var corpus = new Videos(folder, count);
        var plan = new SamplingPlan([count], BatchSize, seed: 1);
        long steps = plan.StepsPerEpoch;
        ActorSettings settings = ActorSettings.From(ConfigurationFactory.ParseString(File.ReadAllText("hocon/alpro.conf")));
        settings = settings with { Decoders = Decoders * (corpus.IsStored ? settings.ClipsPerDecoder : 1) };
        using var processors = new SemaphoreSlim(Decoders);
        var ledger = new ClipLedger(rejection => Console.Error.WriteLine($"rejected: {rejection.Path}: {rejection.Message}"));
        Channel<ClipBatch> batches = Channel.CreateBounded<ClipBatch>(settings.Prefetch);
        var job = new PipelineJob(plan, PackBenchmark.Pretraining, epoch * steps, (epoch + 1) * steps, new(1, 100), ledger, batches.Writer);
        Func<IClipSource> open = () => new ClipLoader([corpus], PackBenchmark.Pretraining, tokenizer,
            FrameReaders.Create(new DecodeLimits { Places = places }), processors: processors);
        using ActorSystem system = ActorSystem.Create("stream", ConfigurationFactory.ParseString(File.ReadAllText("hocon/alpro.conf")));
        TimeProvider time = TimeProvider.System;
        system.ActorOf(Props.Create(() => new ClipPipeline(job, open, settings, time)), "clips");
        List<ulong> hashes = [];
        long begun = Stopwatch.GetTimestamp();
        TimeSpan waited = TimeSpan.Zero;
        while (true)
        {
            long asked = Stopwatch.GetTimestamp();
            if (!await batches.Reader.WaitToReadAsync()) break;
            waited += Stopwatch.GetElapsedTime(asked);
            batches.Reader.TryRead(out ClipBatch? batch);
            using (batch) hashes.Add(XxHash3.HashToUInt64(batch!.Pixels_BTHWC));
            if (paced) await Task.Delay(_perClip * BatchSize);
        }
        double all = Stopwatch.GetElapsedTime(begun).TotalSeconds;
        await system.Terminate();
        return (hashes, waited.TotalSeconds / all, ledger.Rejected);
    }

    /// <summary>Bytes of the frames that an epoch's clips want.</summary>
    private static long Least(string folder, int epoch, int count)
    {
        using var corpus = new Videos(folder, count);
        var plan = new SamplingPlan([count], BatchSize, seed: 1);
        using var reader = new VideoReader(new DecodeLimits());
        int[] indices = new int[PackBenchmark.Pretraining.Frames];
        long bytes = 0;
        for (long step = epoch * plan.StepsPerEpoch; step < (epoch + 1) * plan.StepsPerEpoch; step++)
            for (int slot = 0; slot < BatchSize; slot++)
            {
                ClipRequest request = plan.Request(step, slot);
                VideoInfo info = reader.Open(corpus[request.Row].Media);
                SeededRandom random = SeededRandom.For(request.Seed, RandomPurpose.Frames);
                FrameSampler.Choose(PackBenchmark.Pretraining.Strategy, info.FrameCount, ref random, indices);
                bytes += reader.RangesOf(indices).Sum(range => range.Length);
            }
        return bytes;
    }

    private sealed class Videos(string folder, int count) : VideoTextCorpus
    {
        public override string Name => "videos";

        public override MediaKind Kind => MediaKind.Video;

        public override long Count => count;

        public override CorpusCoverage Coverage => new(count, 0, 0, 0);

        public override string Content => "videos";

        public override bool IsStored => Place.IsRemote(folder);

        public override VideoTextPair this[long row] => new()
        {
            Row = row,
            Key = $"{row}",
            Kind = MediaKind.Video,
            Media = new MediaSource(Place.Combine(folder, $"{row:D5}.mp4")),
            Captions = ["a moving picture"],
        };
    }
}
