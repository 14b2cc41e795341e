using System.Diagnostics;
using Alpro.Data.Clips;
using Alpro.Data.Corpora;
using Alpro.Data.Media;
using Alpro.Data.Sampling;
using Alpro.Data.Tests.Media;
using Alpro.Data.Tests.Text;
using Alpro.Data.Text;

namespace Alpro.Data.Tests.Clips;

public sealed class ClipLoaderTests : IDisposable
{
    private static readonly ClipSettings _pretraining = new()
    {
        Frames = 4, DecodeSize = 40, Size = 32, Augment = Augmentation.Pretrain, TextLength = 12, MaskProbability = 0.15, RegionPatch = 8,
    };

    private readonly TemporaryFolder _folder = new();
    private readonly CaptionTokenizer _tokenizer;
    private readonly FakeReader _reader = new();

    public ClipLoaderTests() => _tokenizer = new CaptionTokenizer(Vocabularies.WriteSmall(_folder));

    public void Dispose() => _folder.Dispose();

    private static VideoTextPair Pair(MediaKind kind = MediaKind.Video, string? answer = null, params string[] captions) => new()
    {
        Row = 0, Key = "the key", Kind = kind, Media = new MediaSource("video.mp4"), Captions = captions, Answer = answer,
    };

    private ClipLoader Loader(ClipSettings settings, VideoTextPair pair, IReadOnlyDictionary<string, int>? answers = null) =>
        new([new FakeCorpus(pair)], settings, _tokenizer, _reader, answers);

    [Fact]
    public async Task Waiting_for_a_turn_to_compute_is_told()
    {
        using SemaphoreSlim turns = new(0);
        using ClipLoader loader =
            new([new FakeCorpus(Pair(MediaKind.Video, null, "a dog"))], _pretraining, _tokenizer, _reader, null, turns);
        TaskCompletionSource fetched = new();
        _reader.Fetched = () => fetched.TrySetResult();
        long began = Stopwatch.GetTimestamp();
        Task<Clip> loading = Task.Run(() => loader.Load(Request(1)));
        await fetched.Task;
        await Task.Delay(50);
        Assert.False(loading.IsCompleted);
        turns.Release();
        using Clip clip = await loading;
        Assert.InRange(loader.Waited, TimeSpan.FromMilliseconds(20), Stopwatch.GetElapsedTime(began));
        loader.Load(Request(2)).Dispose();
        Assert.InRange(loader.Waited, TimeSpan.Zero, TimeSpan.FromMilliseconds(20));
    }

    private static ClipRequest Request(ulong seed, int attempt = 0) => new(Step: 3, Slot: 1, attempt, Corpus: 0, Row: 0, seed);

    private static string Contents(Clip clip) => string.Join('|',
        Convert.ToBase64String(clip.Pixels_THWC), clip.Key,
        string.Join(',', ClipLayout.Fields.Select(field => $"{field.Name}: {string.Join(' ', clip[field].ToArray())}")));

    [Theory]
    [InlineData(MediaKind.Video)]
    [InlineData(MediaKind.Image)]
    public void The_request_alone_decides_the_clip(MediaKind kind)
    {
        VideoTextPair pair = Pair(kind, null, "a man runs", "dog, man!", "a dog runs, a man runs!");
        var clips = new HashSet<string>();
        using ClipLoader first = Loader(_pretraining, pair), second = Loader(_pretraining, pair);
        for (ulong seed = 0; seed < 40; seed++)
        {
            using Clip clip = first.Load(Request(seed));
            // Another loader, in another order, with another history.
            using Clip other = second.Load(Request(39 - seed));
            using Clip again = second.Load(Request(seed));
            Assert.Equal(Contents(clip), Contents(again));
            clips.Add(Contents(clip));
        }
        Assert.Equal(40, clips.Count);
    }

    [Fact]
    public void A_purpose_switched_off_shifts_no_other()
    {
        VideoTextPair pair = Pair(captions: ["a man runs", "dog, man!"]);
        using ClipLoader all = Loader(_pretraining, pair), some = Loader(_pretraining with { MaskProbability = 0, RegionPatch = 0 }, pair);
        for (ulong seed = 0; seed < 10; seed++)
        {
            using Clip with = all.Load(Request(seed)), without = some.Load(Request(seed));
            Assert.True(with.Pixels_THWC.SequenceEqual(without.Pixels_THWC));
            Assert.Equal(with[ClipLayout.TokenIds], without[ClipLayout.TokenIds]);
            foreach (ClipField field in new[] { ClipLayout.MaskedIds, ClipLayout.MaskLabels, ClipLayout.Region })
                Assert.Equal((true, false), (with.Layout.Has(field), without.Layout.Has(field)));
            Assert.NotEqual(default, with.Region);
        }
    }

    [Fact]
    public void Evaluation_takes_the_frames_as_decoded()
    {
        var settings = new ClipSettings { Frames = 8, DecodeSize = 32, Size = 32, Strategy = FrameStrategy.Uniform, TextLength = 12 };
        using ClipLoader loader = Loader(settings, Pair(captions: "a man"));
        using Clip clip = loader.Load(Request(1));
        Assert.Equal([0, 12, 24, 36, 48, 60, 72, 84], _reader.LastIndices);
        var expected = new byte[8 * 32 * 32 * 3];
        _reader.Open(new MediaSource("video.mp4"));
        _reader.Read(_reader.LastIndices, 32, 32, ResizeFilter.Bilinear, expected);
        Assert.True(clip.Pixels_THWC.SequenceEqual(expected));
        Assert.Equal("the key", clip.Key);
        Assert.Equal(-1, clip.Answer);
    }

    [Theory]
    [InlineData(Augmentation.Pretrain, 90, 60)]
    [InlineData(Augmentation.RandAugment, 40, 40)]
    [InlineData(Augmentation.None, 40, 40)]
    public void An_image_stands_as_equal_frames(Augmentation augmentation, int width, int height)
    {
        _reader.Info = new VideoInfo(1, 0, 90, 60, 0);
        using ClipLoader loader = Loader(_pretraining with { Augment = augmentation }, Pair(MediaKind.Image, null, "a man"));
        using Clip clip = loader.Load(Request(4));
        Assert.Equal([0], _reader.LastIndices);
        Assert.Equal((width, height), _reader.LastSize);
        int frame = clip.Pixels_THWC.Length / 4;
        for (int i = 1; i < 4; i++) Assert.True(clip.Pixels_THWC[..frame].SequenceEqual(clip.Pixels_THWC.Slice(i * frame, frame)));
        Assert.Equal(MediaKind.Image, clip.Kind);
    }

    [Fact]
    public void A_huge_image_is_shrunk_while_decoding()
    {
        _reader.Info = new VideoInfo(1, 0, 16_384, 4, 0);
        using ClipLoader loader = Loader(_pretraining, Pair(MediaKind.Image, null, "a man"));
        loader.Load(Request(4)).Dispose();
        Assert.Equal((2048, 1), _reader.LastSize);
    }

    [Fact]
    public void Every_caption_of_a_list_is_drawn()
    {
        using ClipLoader loader = Loader(_pretraining, Pair(captions: ["a", "man", "dog"]));
        var drawn = new HashSet<int>();
        for (ulong seed = 0; seed < 60; seed++)
        {
            using Clip clip = loader.Load(Request(seed));
            drawn.Add(clip[ClipLayout.TokenIds][1]);
        }
        Assert.Equal([5, 6, 7], drawn.Order());
    }

    [Fact]
    public void Answers_become_labels()
    {
        var answers = new Dictionary<string, int> { ["dog"] = 17 };
        using ClipLoader known = Loader(_pretraining, Pair(answer: "dog", captions: "a"), answers), unknown = Loader(_pretraining,
            Pair(answer: "cat", captions: "a"), answers);
        using Clip right = known.Load(Request(1)), none = unknown.Load(Request(1));
        Assert.Equal((17, -1), (right.Answer, none.Answer));
    }

    [Theory]
    [InlineData("")]
    [InlineData("\uFFFD\uFFFD a \uFFFDman\uFFFD")]
    [InlineData("\uD83D")]
    public void Odd_captions_still_make_a_clip(string caption)
    {
        using ClipLoader loader = Loader(_pretraining, Pair(captions: caption));
        using Clip clip = loader.Load(Request(1));
        Assert.InRange(clip.TokenCount, 2, 4);
    }

    [Fact]
    public void A_row_without_caption_is_unreadable()
    {
        using ClipLoader loader = Loader(_pretraining, Pair());
        var thrown = Assert.Throws<UnreadableClipException>(() => loader.Load(Request(1)));
        Assert.Equal(RejectReason.BadText, thrown.Reason);
    }

    [Fact]
    public void A_readers_reason_passes_through_and_the_loader_goes_on()
    {
        using ClipLoader loader = Loader(_pretraining, Pair(captions: "a man"));
        _reader.Failure = new UnreadableClipException(RejectReason.Truncated, "video.mp4", "ends early");
        Assert.Same(_reader.Failure, Assert.Throws<UnreadableClipException>(() => loader.Load(Request(1))));
        _reader.Failure = null;
        loader.Load(Request(1)).Dispose();
    }

    [Fact]
    public void Frames_cannot_be_cropped_to_more_than_was_decoded() =>
        Assert.Contains("decodeSize", Assert.Throws<ArgumentException>(
        () => Loader(_pretraining with { DecodeSize = 16 }, Pair(captions: "a"))).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData(MediaKind.Video)]
    [InlineData(MediaKind.Image)]
    public void A_clip_costs_under_four_kilobytes_of_managed_memory(MediaKind kind)
    {
        string caption = string.Concat(Enumerable.Repeat("a man runs, dog! ", 6_000));
        _reader.RecordsIndices = false;
        using ClipLoader loader = Loader(_pretraining with { TextLength = 30 }, Pair(kind, null, caption));
        for (ulong seed = 0; seed < 200; seed++) loader.Load(Request(seed)).Dispose();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (ulong seed = 0; seed < 200; seed++) loader.Load(Request(seed)).Dispose();
        Assert.InRange((GC.GetAllocatedBytesForCurrentThread() - before) / 200, 1, 4000);
    }

    [Fact]
    public void The_loader_closes_its_reader()
    {
        Loader(_pretraining, Pair(captions: "a")).Dispose();
        Assert.True(_reader.Disposed);
    }
}
