using System.Diagnostics.Metrics;
using Alpro.Data.Clips;
using Alpro.Data.Corpora;
using Alpro.Data.Media;
using Alpro.Data.Tests.Media;
using Alpro.Data.Tests.Text;
using Alpro.Data.Text;

namespace Alpro.Data.Tests;

/// <summary>What the making of clips tells. Measurements come on the thread that makes them, so others' are told apart.</summary>
public sealed class DataMetricsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly MeterListener _listener = new();
    private readonly int _thread = Environment.CurrentManagedThreadId;
    private readonly List<(string Stage, double Seconds)> _stages = [];
    private readonly Dictionary<string, long> _counts = [];

    public DataMetricsTests()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == "Alpro.Data") listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<double>((_, value, tags, _) =>
        {
            if (Environment.CurrentManagedThreadId == _thread) _stages.Add(((string)tags[0].Value!, value));
        });
        _listener.SetMeasurementEventCallback<long>((instrument, value, _, _) =>
        {
            if (Environment.CurrentManagedThreadId == _thread)
                _counts[instrument.Name] = _counts.GetValueOrDefault(instrument.Name) + value;
        });
        _listener.Start();
    }

    public void Dispose()
    {
        _listener.Dispose();
        _folder.Dispose();
    }

    private void Load(FakeReader reader)
    {
        var settings = new ClipSettings { Frames = 4, DecodeSize = 40, Size = 32, Augment = Augmentation.Pretrain, TextLength = 12 };
        var pair = new VideoTextPair
        {
            Row = 0,
            Key = "the key",
            Kind = MediaKind.Video,
            Media = new MediaSource("video.mp4"),
            Captions = ["a man runs"],
        };
        using var loader = new ClipLoader([new FakeCorpus(pair)], settings, new CaptionTokenizer(Vocabularies.WriteSmall(_folder)), reader);
        loader.Load(new(Step: 3, Slot: 1, Attempt: 0, Corpus: 0, Row: 0, Seed: 1)).Dispose();
    }

    [Fact]
    public void Each_stage_of_a_clip_is_told_once_and_as_long_as_the_reader_says()
    {
        Load(new() { Statistics = new(0, 0, 0, DecodeNanoseconds: 2_000_000, ConvertNanoseconds: 3_000, 0, 0, 0, Bytes: 77) });
        Assert.Equal(["tokenize", "augment", "read", "decode", "convert"], _stages.Select(stage => stage.Stage));
        Assert.Equal((0.002, 0.000_003), (_stages[3].Seconds, _stages[4].Seconds));
        Assert.Equal((1L, 77L), (_counts["alpro.clips.decoded"], _counts["alpro.media.io"]));
    }

    [Fact]
    public void Time_in_a_reader_that_cannot_tell_is_decoding()
    {
        Load(new());
        Assert.Equal(["tokenize", "augment", "decode"], _stages.Select(stage => stage.Stage));
        Assert.All(_stages, stage => Assert.True(stage.Seconds >= 0, $"{stage}"));
    }

    [Fact]
    public void Clip_that_cannot_be_made_is_not_counted()
    {
        var failure = new UnreadableClipException(RejectReason.Missing, "video.mp4", "it is not there");
        Assert.Throws<UnreadableClipException>(() => Load(new() { Failure = failure }));
        Assert.Empty(_counts);
        Assert.Empty(_stages);
    }

    [Fact]
    public void Measuring_allocates_nothing()
    {
        using var listener = new MeterListener();                    // this one keeps nothing
        listener.InstrumentPublished = (instrument, own) =>
        {
            if (instrument.Meter.Name == "Alpro.Data") own.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<double>(static (_, _, _, _) => { });
        listener.SetMeasurementEventCallback<long>(static (_, _, _, _) => { });
        listener.Start();
        _listener.Dispose();
        Measure();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++) Measure();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        static void Measure()
        {
            DataMetrics.Decoded();
            DataMetrics.TookSince("decode", 1);
            DataMetrics.ReadMedia(1);
        }
    }
}
