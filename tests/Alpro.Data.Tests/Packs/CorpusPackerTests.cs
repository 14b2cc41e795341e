using System.Diagnostics;
using System.Formats.Tar;
using System.IO.Hashing;
using System.Text.Json;
using Alpro.Data.Corpora;
using Alpro.Data.Media;
using Alpro.Data.Packs;
using Alpro.Data.Places;
using Alpro.Data.Synthetic;
using Alpro.Data.Tests.Media;
using Alpro.Tests.Support.Stores;
using Xunit.Abstractions;

namespace Alpro.Data.Tests.Packs;

public sealed class CorpusPackerTests : IClassFixture<CorpusPackerTests.World>, IDisposable
{
    private static readonly WorkerCommand _worker = new("dotnet", typeof(CorpusPackerTests).Assembly.Location, "decode-worker");

    private readonly World _world;
    private readonly ITestOutputHelper _output;
    private readonly TemporaryFolder _folder = new();

    public CorpusPackerTests(World world, ITestOutputHelper output) => (_world, _output) = (world, output);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Clips_of_a_pack_are_the_same_from_every_reader_and_through_the_container()
    {
        CopyPack();
        await PackAsync(_world.Videos, "m", Small with { Codec = PackedCodec.Mjpeg });
        await PackAsync(_world.Images, "i");
        foreach (string pack in (string[])["p", "m", "i"])
        {
            using VideoTextCorpus corpus = OpenPack(pack);
            using VideoReader here = new(new DecodeLimits());
            using IsolatedFrameReader isolated = new(new DecodeLimits(), _worker);
            using FfmpegProcessReader command = new(new DecodeLimits());
            for (long row = 0; row < 3; row++)
            {
                MediaSource media = corpus[row].Media;
                Assert.NotNull(media.Packed);
                (VideoInfo info, byte[] expected) = Read(here, media with { Packed = null });
                (VideoInfo Info, byte[] Pixels) packed = Read(here, media);
                Assert.Equal((info.FrameCount, info.Width, info.Height), (packed.Info.FrameCount, packed.Info.Width, packed.Info.Height));
                Assert.Equal(info.FrameRate, packed.Info.FrameRate, 1e-3);
                Assert.Equal(expected, packed.Pixels);
                Assert.Equal(expected, Read(isolated, media).Pixels);
                Assert.Equal(expected, Read(command, media).Pixels);
            }
        }
    }

    [Fact]
    public void Only_the_wanted_frames_are_read()
    {
        CopyPack();
        using VideoTextCorpus corpus = OpenPack("p");
        MediaSource media = corpus[1].Media;
        using VideoReader reader = new(new DecodeLimits());
        reader.Open(media);
        reader.Read([1, 6], 32, 32, ResizeFilter.Bilinear, new byte[2 * 32 * 32 * 3]);
        Assert.Equal(media.Packed!.Sizes[1] + media.Packed.Sizes[6], reader.Statistics.Bytes);
        Assert.Equal(2, reader.Statistics.Sent);
    }

    [Fact]
    public void Of_a_pack_in_a_store_only_the_wanted_frames_are_fetched_neighbours_at_once()
    {
        CopyPack();
        using FileServer server = new(_folder.Path);
        using FaultProxy store = new(server.Port);
        PlaceSettings places = new() { CacheFolder = _folder.File("cache") };
        using VideoTextCorpus here = OpenPack("p"), there = VideoTextCorpus.Open(
            new() { Name = "there", Annotations = $"http://127.0.0.1:{store.Port}/p/index" }, places: places);
        Assert.Equal((here.Content, true), (there.Content, there.IsStored));
        using IFrameReader local = new VideoReader(new DecodeLimits()), remote = new VideoReader(new DecodeLimits { Places = places }),
            isolated = new IsolatedFrameReader(new DecodeLimits { Places = new() }, _worker);
        for (long row = 0; row < 3; row++)
        {
            store.Reset();
            Assert.Equal(Read(local, here[row].Media).Pixels, Read(remote, there[row].Media).Pixels);
            PackedClip clip = there[row].Media.Packed!;
            int least = ((int[])[0, 2, 3, 11]).Sum(frame => clip.Sizes[frame]);
            Assert.InRange(store.Bytes, least, clip.Sizes.Sum());     // these clips are so small that gaps are fetched too
            Assert.InRange(store.Requests, 1, 3);                     // 0; 2 and 3; 11
            Assert.Equal(Read(local, here[row].Media).Pixels, Read(isolated, there[row].Media).Pixels);
        }
        store.Reset();
        Read(remote, there[1].Media);
        Assert.Equal(0, store.Requests);                              // the cache has them
        string copy = Assert.Single(Directory.GetFiles(_folder.File("cache/indexes")));
        DateTime written = File.GetLastWriteTimeUtc(copy);
        VideoTextCorpus.Open(new() { Name = "again", Annotations = $"http://127.0.0.1:{store.Port}/p/index" }, places: places).Dispose();
        Assert.Equal(written, File.GetLastWriteTimeUtc(copy));        // the index is not copied again
    }

    [Fact]
    public async Task Rows_texts_and_their_order_are_those_of_the_corpus()
    {
        PackReport report = await PackAsync(_world.Questions, "q");
        using VideoTextCorpus source = Open(_world.Questions), packed = OpenPack("q");
        Assert.Equal((source.Count, source.Kind, source.Coverage.Rows), (packed.Count, packed.Kind, packed.Coverage.Rows));
        for (long row = 0; row < source.Count; row++)
        {
            VideoTextPair expected = source[row], actual = packed[row];
            Assert.Equal((expected.Key, expected.Answer, expected.AnswerType), (actual.Key, actual.Answer, actual.AnswerType));
            Assert.Equal(expected.Captions, actual.Captions);
        }
        Assert.True(report.Rows > report.Clips);                      // several questions about a video, which is packed once
        Assert.Equal(source.Count, report.Rows);
        Assert.NotEqual(source.Content, packed.Content);              // other pixels: not the same clips
    }

    [Fact]
    public async Task Shards_are_tar_files_that_say_what_is_in_them()
    {
        await PackAsync(_world.Questions, "q");
        using TarReader tar = new(File.OpenRead(_folder.File("q/00000.tar")));
        TarEntry video = tar.GetNextEntry()!;
        Assert.Equal("000000000.mp4", video.Name);
        using VideoTextCorpus packed = OpenPack("q");
        Assert.Equal((packed[0].Media.Offset, packed[0].Media.Length), (video.DataOffset, video.Length));
        byte[] bytes = new byte[video.Length];
        video.DataStream!.ReadExactly(bytes);
        Assert.Equal(packed[0].Media.Packed!.Hash, XxHash3.HashToUInt64(bytes));
        TarEntry texts = tar.GetNextEntry()!;
        Assert.Equal("000000000.json", texts.Name);
        JsonElement json = JsonDocument.Parse(texts.DataStream!).RootElement;
        Assert.Equal(packed[0].Key, json.GetProperty("key").GetString());
        Assert.Equal(packed[0].Captions[0], json.GetProperty("caption")[0].GetString());
        Assert.Equal(packed[0].Answer, json.GetProperty("answer")[0].GetString());
        Assert.Equal($"{packed[0].Key}.mp4", json.GetProperty("origin").GetString());
        Assert.Equal(json.GetProperty("caption").GetArrayLength(), json.GetProperty("rows").GetArrayLength());
    }

    [Theory]
    [InlineData("b-frames", 0.1)]
    [InlineData("open group", 0.1)]
    [InlineData("fragmented", 0.25)]
    [InlineData("b-pyramid long group", 0.3)]
    [InlineData("mpeg-4 avi", 1)]
    public void Frame_i_of_a_pack_is_frame_i_of_the_source_at_that_rate(string kind, double share)
    {
        string path = TestVideos.Get(kind);
        byte[] expected = TestVideos.Run("ffmpeg", $"-v error -nostdin -threads 1 -i \"{path}\" -vf "
            + FormattableString.Invariant($"\"fps=source_fps*{share},scale=64:64:flags=bilinear\" -pix_fmt rgb24 -f rawvideo -"));
        using VideoReader reader = new(new DecodeLimits());
        VideoInfo info = reader.Open(new MediaSource(path));
        int[] frames = new PackSettings { RateFactor = share }.FramesOf(info);
        byte[] actual = new byte[frames.Length * 64 * 64 * 3];
        reader.Read(frames, 64, 64, ResizeFilter.Bilinear, actual);
        Assert.Equal(expected.Length / (64 * 64 * 3), frames.Length);
        Assert.Equal(expected, actual);
    }

    [Fact]
    public void A_rate_chooses_a_frame_of_each_interval_and_never_one_twice()
    {
        VideoInfo info = new(100, 25, 64, 64, 0);
        Assert.Equal([4, 14, 24], new PackSettings().FramesOf(info).Take(3));
        Assert.Equal(new PackSettings { RateFactor = 0.2 }.FramesOf(info), new PackSettings { Rate = 5 }.FramesOf(info));
        Assert.Equal(Enumerable.Range(0, 100), new PackSettings { Rate = 50 }.FramesOf(info));
        Assert.Equal([2], new PackSettings().FramesOf(info with { FrameCount = 3 }));
        Assert.Equal([0], new PackSettings().FramesOf(info with { FrameCount = 1, FrameRate = 0 }));
        foreach (double share in (double[])[0.07, 0.1, 1 / 3.0, 0.5, 0.99, 1])
        {
            int[] frames = new PackSettings { RateFactor = share }.FramesOf(info with { FrameCount = 1422 });
            Assert.Equal(frames.Order().Distinct(), frames);
            Assert.InRange(frames[^1], 0, 1421);
        }
    }

    [Fact]
    public async Task Pixels_of_a_pack_are_near_those_of_the_source()
    {
        PackReport report = await PackAsync(_world.Videos, "p", Small with { RateFactor = 0.5 });
        using VideoTextCorpus source = Open(_world.Videos), packed = OpenPack("p");
        using VideoReader reader = new(new DecodeLimits());
        int[] frames = (Small with { RateFactor = 0.5 }).FramesOf(reader.Open(source[0].Media));
        byte[] expected = new byte[frames.Length * 64 * 64 * 3], actual = new byte[expected.Length];
        reader.Read(frames, 64, 64, ResizeFilter.Bilinear, expected);
        Assert.Equal(frames.Length, reader.Open(packed[0].Media).FrameCount);
        reader.Read([.. Enumerable.Range(0, frames.Length)], 64, 64, ResizeFilter.Bilinear, actual);
        Assert.InRange(expected.Zip(actual, (a, b) => Math.Abs(a - b)).Average(), 0, 4);
        Assert.InRange(report.Sample.WorstPsnr, 25, report.Sample.MeanPsnr);
        Assert.Equal(report.Clips, report.Sample.Clips);
    }

    [Fact]
    public async Task Size_and_shape_are_as_asked()
    {
        File.Copy(TestVideos.Get("b-frames"), _folder.File("wide.mp4"));           // 160 x 96
        File.WriteAllText(_folder.File("a.jsonl"), """{"clip_name": "wide", "caption": "one"}""");
        CorpusConfig config = new() { Name = "wide", Annotations = _folder.File("a.jsonl") };
        await PackAsync(config, "square");
        await PackAsync(config, "kept", Small with { KeepsShape = true });
        await PackAsync(config, "large", Small with { KeepsShape = true, Side = 500 });
        Assert.Equal([(64, 64), (106, 64), (160, 96)], ((string[])["square", "kept", "large"]).Select(pack =>
        {
            using VideoTextCorpus corpus = OpenPack(pack);
            return (corpus[0].Media.Packed!.Width, corpus[0].Media.Packed!.Height);
        }));
    }

    [Fact]
    public async Task A_pack_that_was_stopped_five_times_has_the_same_bytes_as_one_that_was_not()
    {
        PackSettings settings = Small with { ShardBytes = 20_000 };
        PackReport whole = await PackAsync(_world.Videos, "whole", settings, workers: 1);
        Assert.True(whole.Shards > 6);
        int stops = 0, finished = 0;
        for (; stops < 5; stops++)
        {
            using CancellationTokenSource stop = new();
            int done = -1, more = 0;
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => PackAsync(_world.Videos, "stopped", settings, workers: 3,
                new Told(step =>
                {
                    if (done < 0) finished = step.Done;
                    done = step.Done;
                    if (more++ == 4) stop.Cancel();
                }), stop.Token));
        }
        Assert.True(finished > 0);                                    // what was finished is not done again
        await PackAsync(_world.Videos, "stopped", settings, workers: 2);
        Assert.Equal(BytesOf("whole"), BytesOf("stopped"));
        Assert.False(Directory.Exists(_folder.File("stopped/parts")));
    }

    [Fact]
    public async Task What_cannot_be_read_is_listed_and_counted_and_its_rows_are_left_out()
    {
        string videos = _folder.File("v");
        Directory.CreateDirectory(videos);
        File.Copy(TestVideos.Get("b-frames"), Path.Combine(videos, "good.mp4"));
        File.WriteAllText(Path.Combine(videos, "text.mp4"), "<html>not found</html>");
        File.WriteAllText(Path.Combine(videos, "empty.mp4"), "");
        File.WriteAllLines(_folder.File("a.jsonl"), ((string[])["text", "good", "empty", "gone", "good", "text"])
            .Select((name, i) => $$"""{"clip_name": "{{name}}", "caption": "caption {{i}}"}"""));
        CorpusConfig config = new() { Name = "rows", Annotations = _folder.File("a.jsonl"), Media = videos };
        PackReport report = await PackAsync(config, "p");

        Assert.Equal((2, 1, 6, 4), (report.Rows, report.Clips, report.Coverage.Rows, report.Coverage.Missing));
        Assert.Equal("2 of 6 rows have their video", report.Covers);
        Assert.Equal(4, report.Unreadable.Values.Sum());
        Assert.Equal((2, 1, 1), (report.Unreadable["NotMedia"], report.Unreadable["Missing"], report.Unreadable["Empty"]));
        using VideoTextCorpus packed = OpenPack("p");
        Assert.Equal(["caption 1", "caption 4"], Enumerable.Range(0, 2).Select(row => packed[row].Captions[0]));
        Assert.Equal(report.Coverage, packed.Coverage);
        string[] lines = File.ReadAllLines(_folder.File("p/unreadable.csv"));
        Assert.Equal(5, lines.Length);
        Assert.StartsWith($"\"rows\",0,\"{videos}/text.mp4\",NotMedia,", lines[1]);
        Assert.StartsWith($"\"rows\",3,\"{videos}/gone.mp4\",Missing,", lines[3]);
    }

    [Fact]
    public async Task A_corpus_of_which_nothing_can_be_read_is_refused()
    {
        File.WriteAllText(_folder.File("a.jsonl"), """{"clip_name": "gone", "caption": "one"}""");
        var refused = await Assert.ThrowsAsync<DataException>(() => PackAsync(
            new() { Name = "none", Annotations = _folder.File("a.jsonl") }, "p"));
        Assert.Contains("none of its 1 clips can be read", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Wrong_bytes_make_a_clip_unreadable_by_every_reader()
    {
        CopyPack();
        using VideoTextCorpus corpus = OpenPack("p");
        MediaSource media = corpus[2].Media;
        PackedClip clip = media.Packed!;
        using (FileStream shard = File.OpenWrite(media.Path))
        {
            shard.Position = media.Offset + clip.First + clip.Sizes[0] + clip.Sizes[1] / 2;
            shard.WriteByte(0xA5);
            shard.Position--;
            shard.WriteByte(0x5A);
        }
        using VideoReader here = new(new DecodeLimits());
        here.Open(media);
        here.Read([0], 32, 32, ResizeFilter.Bilinear, new byte[32 * 32 * 3]);                 // another frame is as it was
        AssertAltered(() => here.Read([0, 1], 32, 32, ResizeFilter.Bilinear, new byte[2 * 32 * 32 * 3]));
        using FfmpegProcessReader command = new(new DecodeLimits());
        AssertAltered(() => command.Open(media));
        Assert.Equal(12, Read(here, corpus[3].Media).Info.FrameCount);

        static void AssertAltered(Action read)
        {
            var refused = Assert.Throws<UnreadableClipException>(read);
            Assert.Equal((RejectReason.Corrupt, PackedClip.Altered), (refused.Reason, refused.Finding));
        }
    }

    [Fact]
    public void A_shard_that_is_missing_or_cut_makes_its_clips_unreadable()
    {
        CopyPack();
        using VideoTextCorpus corpus = OpenPack("p");
        MediaSource media = corpus[0].Media;
        using VideoReader reader = new(new DecodeLimits());
        using (FileStream shard = File.OpenWrite(media.Path)) shard.SetLength(media.Offset + media.Length - 1);
        Assert.Equal(RejectReason.Truncated, Assert.Throws<UnreadableClipException>(() => reader.Open(media)).Reason);
        File.Delete(media.Path);
        Assert.Equal(RejectReason.Missing, Assert.Throws<UnreadableClipException>(() => reader.Open(media)).Reason);
    }

    [Fact]
    public async Task Another_pack_in_the_folder_is_refused_and_the_same_one_is_complete()
    {
        PackReport first = await PackAsync(_world.Videos, "p");
        DateTime written = File.GetLastWriteTimeUtc(_folder.File("p/00000.tar"));
        PackReport again = await PackAsync(_world.Videos, "p");
        Assert.Equal((first.Rows, first.BytesAfter, first.Sample), (again.Rows, again.BytesAfter, again.Sample));
        Directory.CreateDirectory(_folder.File("p/parts"));           // a kill while the last of it was removed
        await PackAsync(_world.Videos, "p");
        Assert.False(Directory.Exists(_folder.File("p/parts")));
        Assert.Equal(written, File.GetLastWriteTimeUtc(_folder.File("p/00000.tar")));
        var refused = await Assert.ThrowsAsync<DataException>(() => PackAsync(_world.Videos, "p", Small with { Side = 48 }));
        Assert.Contains("holds another pack", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Settings_that_packing_has_settled_are_refused()
    {
        await PackAsync(_world.Images, "p");
        var refused = Assert.Throws<DataException>(() => VideoTextCorpus.Open(
            new CorpusConfig { Name = "p", Annotations = _folder.File("p/index"), MaxCaptionWords = 80 }));
        Assert.Contains("leave out media, mediaExtension, maxCaptionWords, columns and format", refused.Message, StringComparison.Ordinal);
        byte[] index = File.ReadAllBytes(_folder.File("p/index"));
        File.WriteAllBytes(_folder.File("p/index"), index[..^9]);
        refused = Assert.Throws<DataException>(() => OpenPack("p"));
        Assert.Contains("is damaged", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_pack_can_be_packed_again()
    {
        CopyPack();
        PackReport again = await PackAsync(new() { Name = "again", Annotations = _folder.File("p/index") }, "again",
            Small with { RateFactor = 1, Side = 32 });
        using VideoTextCorpus first = OpenPack("p"), second = OpenPack("again");
        Assert.Equal(first.Count, again.Rows);
        Assert.Equal((first[5].Key, 12, 32), (second[5].Key, second[5].Media.Packed!.Sizes.Length, second[5].Media.Packed!.Width));
    }

    [Fact]
    public async Task An_index_of_100_000_rows_opens_in_under_50_ms_and_has_at_most_64_bytes_a_frame()
    {
        using (VideoTextCorpus world = Open(_world.Videos))
            File.WriteAllLines(_folder.File("a.jsonl"), Enumerable.Range(0, 100_000)
                .Select(row => JsonSerializer.Serialize(new { clip_name = Path.GetRelativePath(_world.Videos.Media!,
                    world[row % world.Count].Media.Path)[..^4], caption = $"caption {row} of a clip in the world" })));
        PackReport report = await PackAsync(_world.Videos with { Name = "many", Annotations = _folder.File("a.jsonl") }, "p");
        Assert.Equal((100_000, 24), (report.Rows, report.Clips));
        Assert.InRange(report.IndexBytes, 1, 64 * 100_000 * 12L);
        double fastest = Enumerable.Range(0, 5).Min(_ =>
        {
            long start = Stopwatch.GetTimestamp();
            using VideoTextCorpus corpus = OpenPack("p");
            Assert.Equal("caption 99999 of a clip in the world", corpus[99_999].Captions[0]);
            return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        });
        _output.WriteLine($"opening and the last row: {fastest:F2} ms; {report.IndexBytes / (100_000 * 12.0):F1} bytes a frame");
        Assert.InRange(fastest, 0, 50);
    }

    private static PackSettings Small => new() { Side = 64, RateFactor = 0.5 };

    private static VideoTextCorpus Open(CorpusConfig config) => VideoTextCorpus.Open(config with { Missing = MissingMedia.Lazy });

    private VideoTextCorpus OpenPack(string name) =>
        VideoTextCorpus.Open(new CorpusConfig { Name = name, Annotations = _folder.File($"{name}/index") });

    private Task<PackReport> PackAsync(CorpusConfig config, string name, PackSettings? settings = null, int workers = 2,
        IProgress<(int, int)>? progress = null, CancellationToken stop = default) =>
        PackIntoAsync(config, _folder.File(name), settings ?? Small, workers, progress, stop);

    private static async Task<PackReport> PackIntoAsync(CorpusConfig config, string folder, PackSettings settings, int workers = 2,
        IProgress<(int, int)>? progress = null, CancellationToken stop = default)
    {
        using VideoTextCorpus corpus = Open(config);
        return await new CorpusPacker(settings, () => FrameReaders.Create(new DecodeLimits()), workers)
            .PackAsync(corpus, config.Media ?? Path.GetDirectoryName(config.Annotations)!, folder, progress, stop);
    }

    /// <summary>Takes a copy of the world's pack as <c>p</c>.</summary>
    private void CopyPack()
    {
        Directory.CreateDirectory(_folder.File("p"));
        foreach (string file in Directory.EnumerateFiles(_world.Pack)) File.Copy(file, _folder.File($"p/{Path.GetFileName(file)}"));
    }

    private (string Name, string Hash)[] BytesOf(string pack) => [.. Directory.EnumerateFiles(_folder.File(pack))
        .Where(path => Path.GetFileName(path) != "pack-report.json").Order(StringComparer.Ordinal)
        .Select(path => (Path.GetFileName(path), Convert.ToHexString(XxHash128.Hash(File.ReadAllBytes(path)))))];

    private static (VideoInfo Info, byte[] Pixels) Read(IFrameReader reader, MediaSource media)
    {
        VideoInfo info = reader.Open(media);
        int[] frames = info.FrameCount == 1 ? [0] : [0, 2, 3, info.FrameCount - 1];
        byte[] pixels = new byte[frames.Length * 48 * 48 * 3];
        reader.Read(frames, 48, 48, ResizeFilter.Bilinear, pixels);
        return (info, pixels);
    }

    private sealed class Told(Action<(int Done, int Count)> told) : IProgress<(int Done, int Count)>
    {
        public void Report((int Done, int Count) value) => told(value);
    }

    /// <summary>A synthetic world that all these tests pack, and a small pack of its videos.</summary>
    public sealed class World : IAsyncLifetime
    {
        private readonly TemporaryFolder _folder = new();

        internal CorpusConfig Videos => new() { Name = "videos", Annotations = _folder.File("train/results_train.csv"),
            Media = _folder.File("train/videos") };

        internal CorpusConfig Questions => new() { Name = "questions", Annotations = _folder.File("qa/test.jsonl"),
            Media = _folder.File("test/videos") };

        internal CorpusConfig Images => new() { Name = "images", Annotations = _folder.File("images/annotations.json"),
            Media = _folder.File("images") };

        internal string Pack => _folder.File("pack");

        public async Task InitializeAsync()
        {
            await SyntheticWorld.CreateAsync(_folder.Path, new SyntheticWorldSettings { Clips = 24, TestClips = 4, Seed = 3 }, null,
                CancellationToken.None);
            await PackIntoAsync(Videos, Pack, Small);
        }

        public Task DisposeAsync()
        {
            _folder.Dispose();
            return Task.CompletedTask;
        }
    }
}
