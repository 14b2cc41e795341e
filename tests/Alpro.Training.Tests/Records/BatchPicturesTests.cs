using Alpro.Data.Batches;
using Alpro.Data.Clips;
using Alpro.Data.Media;
using Alpro.Data.Text;
using Alpro.Training.Configuration;
using Alpro.Training.Records;

namespace Alpro.Training.Tests.Records;

public sealed class BatchPicturesTests : IDisposable
{
    private static readonly string[] _words = ["a", "red", "ball", "##s", "moves", "left"];

    private readonly TemporaryFolder _folder = new();
    private readonly SetClock _clock = new();
    private readonly RunConfig _config = TinyRun.Config(LearningTask.Pretrain);
    private readonly BatchPictures _pictures;

    public BatchPicturesTests()
    {
        File.WriteAllLines(_folder.File("vocab.txt"), [.. Vocabulary.SpecialTokens, .. _words]);
        _pictures = new(new CaptionTokenizer(_folder.File("vocab.txt")), new Dictionary<string, int> { ["yes"] = 4 }, ["films"], _clock);
    }

    public void Dispose() => _folder.Dispose();

    private sealed class SetClock : TimeProvider
    {
        public double Seconds { get; set; } = 1;

        public override long TimestampFrequency => 1000;

        public override long GetTimestamp() => (long)(Seconds * 1000);
    }

    /// <summary>A grey batch whose clips say "a red balls moves", with "red" masked.</summary>
    private ClipBatch Batch(long step)
    {
        ClipBatch batch = TinyRun.Batch(_config, step);
        batch.Pixels_BTHWC.Fill(128);
        int[] ids_L = [2, 5, 6, 7, 8, 9, 3, 0], masked_L = [2, 5, 4, 7, 8, 9, 3, 0], labels_L = [-100, -100, 6, -100, -100, -100, -100, -100];
        for (int clip = 0; clip < batch.Size; clip++)
        {
            ids_L.CopyTo(batch.Row(ClipLayout.TokenIds, clip));
            masked_L.CopyTo(batch.Row(ClipLayout.MaskedIds, clip));
            labels_L.CopyTo(batch.Row(ClipLayout.MaskLabels, clip));
            for (int i = 0; i < ids_L.Length; i++) batch.Row(ClipLayout.TokenCount, clip)[i] = ids_L[i] > 0 ? 1 : 0;
            batch[ClipLayout.Answer][clip] = 4 + clip;
        }
        return batch;
    }

    private async Task<BatchSample> TakeAsync(long step)
    {
        var taken = new TaskCompletionSource<BatchSample>();
        using (ClipBatch batch = Batch(step))
        {
            _pictures.Offer(batch, taken.SetResult);
            batch.Pixels_BTHWC.Clear();                              // as if the next had its room already
        }
        return await taken.Task;
    }

    [Fact]
    public async Task Pictures_have_the_frames_the_words_as_the_model_sees_them_and_the_region()
    {
        BatchSample sample = await TakeAsync(7);
        Assert.Equal((7L, "films", 3), (sample.Step, sample.Corpus, sample.Clips.Count));
        ClipSample clip = sample.Clips[0];
        Assert.Equal(("clip-7-0", "yes", 16, 2), (clip.Key, clip.Answer, clip.Side, clip.Frames));
        Assert.Null(sample.Clips[1].Answer);
        Assert.Equal([new("a", false, null), new("red", false, "[MASK]"), new("ball", false, null), new("s", true, null),
            new CaptionPiece("moves", false, null)], clip.Caption);
        Assert.Equal("clip\\-7\\-0: a **red** (\\[MASK\\]) balls moves **yes**", clip.ToMarkdown());
        Assert.Equal(new PixelRectangle(0, 8, 16, 8), clip.Region);

        File.WriteAllBytes(_folder.File("clip.jpg"), clip.Picture);
        using var reader = new VideoReader(new DecodeLimits());
        VideoInfo info = reader.Open(new MediaSource(_folder.File("clip.jpg")));
        Assert.Equal((32, 16), (info.Width, info.Height));
        byte[] pixels = new byte[32 * 16 * 3];
        reader.Read([0], 32, 16, ResizeFilter.Bilinear, pixels);
        (int R, int G, int B) At(int x, int y) => (pixels[3 * (y * 32 + x)], pixels[3 * (y * 32 + x) + 1], pixels[3 * (y * 32 + x) + 2]);
        Assert.InRange(At(8, 2).G, 120, 136);                        // grey, above the region
        Assert.True(At(8, 8).R > 160 && At(8, 8).G < 90, $"{At(8, 8)}");
        Assert.True(At(24, 8).R > 160 && At(24, 8).G < 90, $"{At(24, 8)}");
    }

    [Fact]
    public async Task Pictures_are_taken_every_ten_seconds_at_most_and_the_newest_is_what_is_read()
    {
        var folder = new RunFolder(_folder.Path);
        Assert.Null(BatchSample.Read(folder));
        (await TakeAsync(0)).Write(folder);
        _clock.Seconds += 9.9;
        using (ClipBatch batch = Batch(1)) _pictures.Offer(batch, static sample => Assert.Fail($"taken of step {sample.Step}"));
        _clock.Seconds += 0.2;
        BatchSample second = await TakeAsync(2);
        second.Write(folder);
        BatchSample read = BatchSample.Read(folder)!;
        Assert.Equal((2, second.Clips[2].Key), (read.Step, read.Clips[2].Key));
        Assert.Equal(second.Clips[2].Picture, read.Clips[2].Picture);
    }

    [Fact]
    public void Noise_of_the_largest_frames_stays_small()
    {
        byte[] noise = new byte[4 * 384 * 384 * 3];
        new Random(1).NextBytes(noise);
        byte[] strip = FrameStrip.Of(noise, 384, 4);
        Assert.Equal(noise.AsSpan(384 * 384 * 3, 384 * 3), strip.AsSpan(384 * 3, 384 * 3));      // the second frame is right of the first
        Assert.InRange(FrameStrip.ToJpeg(strip, 384, 4, most: 224).Length, 10_000, 150_000);
    }
}
