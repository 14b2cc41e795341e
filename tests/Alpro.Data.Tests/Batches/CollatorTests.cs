using Alpro.Data.Batches;
using Alpro.Data.Clips;
using Alpro.Data.Media;

namespace Alpro.Data.Tests.Batches;

public class CollatorTests
{
    private static readonly ClipSettings _settings = new()
    {
        Frames = 2,
        Size = 4,
        DecodeSize = 4,
        TextLength = 5,
        MaskProbability = 0.15,
        RegionPatch = 2,
    };

    private static Clip Clip(int slot, long step = 7, int corpus = 1, int size = 4, bool masked = true, int attempt = 0)
    {
        var clip = new Clip(new(step, slot, attempt, corpus, slot * 10, 99),
            new(_settings with { Size = size, MaskProbability = masked ? 0.15 : 0 }))
        {
            Key = $"clip {slot}", Kind = MediaKind.Image, TokenCount = 3, Answer = slot * 2,
        };
        clip.Region = new(slot, 0, 1, 1);
        clip.Pixels_THWC.Fill((byte)(slot + 1));
        for (int i = 0; i < 5; i++) clip[ClipLayout.TokenIds][i] = slot * 100 + i;
        if (!masked) return clip;
        ((int[])[1, 2, slot, 4, 5]).CopyTo(clip[ClipLayout.MaskedIds]);
        ((int[])[-100, -100, slot, -100, -100]).CopyTo(clip[ClipLayout.MaskLabels]);
        return clip;
    }

    [Fact]
    public void Order_of_arrival_does_not_change_a_batch()
    {
        foreach (int[] order in new int[][] { [0, 1, 2], [2, 0, 1] })
        {
            using var collator = new Collator(7, 3, _settings);
            foreach (int place in order)
            {
                using Clip clip = Clip(place);
                collator.Add(place, clip);
            }
            using ClipBatch batch = collator.Take()!;
            for (int place = 0; place < 3; place++)
            {
                Assert.Equal(Enumerable.Repeat((byte)(place + 1), 96), batch.Pixels_BTHWC.Slice(place * 96, 96).ToArray());
                Assert.Equal(Enumerable.Range(place * 100, 5), batch.Row(ClipLayout.TokenIds, place).ToArray());
                Assert.Equal([1, 1, 1, 0, 0], batch.Row(ClipLayout.TokenCount, place).ToArray());
                Assert.Equal([1, 2, place, 4, 5], batch.Row(ClipLayout.MaskedIds, place).ToArray());
                Assert.Equal([-100, -100, place, -100, -100], batch.Row(ClipLayout.MaskLabels, place).ToArray());
                Assert.Equal((place * 2, $"clip {place}", new PixelRectangle(place, 0, 1, 1)),
                    (batch[ClipLayout.Answer][place], batch.Keys[place], batch.Regions_B[place]));
            }
            Assert.Equal((7L, 1, false), (batch.Step, batch.Corpus, batch.IsVideo));
        }
    }

    [Fact]
    public void A_batch_counts_the_clips_that_were_rejected_before_its_own()
    {
        using var collator = new Collator(7, 3, _settings);
        foreach ((int place, int attempt) in new[] { (0, 0), (1, 2), (2, 1) })
        {
            using Clip clip = Clip(place, attempt: attempt);
            collator.Add(place, clip);
        }
        using ClipBatch batch = collator.Take()!;
        Assert.Equal(3, batch.Rejected);
    }

    [Fact]
    public void An_incomplete_batch_is_not_handed_over()
    {
        using var collator = new Collator(7, 2, _settings);
        using Clip clip = Clip(0);
        collator.Add(0, clip);
        Assert.Equal(1, collator.Unsettled);
        Assert.Contains("misses 1 of 2", Assert.Throws<InvalidOperationException>(() => collator.Take()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_batch_is_handed_over_once()
    {
        using var collator = new Collator(7, 0, _settings);
        collator.Take()!.Dispose();
        Assert.Throws<InvalidOperationException>(() => collator.Take());
    }

    [Fact]
    public void Places_left_empty_close_up()
    {
        using var collator = new Collator(7, 3, _settings);
        using Clip first = Clip(0), last = Clip(2);
        collator.Add(2, last);
        collator.LeaveEmpty(1);
        Assert.Equal(1, collator.Unsettled);
        collator.Add(0, first);
        using ClipBatch batch = collator.Take()!;
        Assert.Equal((2, 7L, 1), (batch.Size, batch.Step, batch.Corpus));
        Assert.Equal(["clip 0", "clip 2"], batch.Keys);
        Assert.Equal([1, 3], new[] { batch.Pixels_BTHWC[0], batch.Pixels_BTHWC[96] });
        Assert.Equal([0, 1, 2, 3, 4, 200, 201, 202, 203, 204], batch[ClipLayout.TokenIds].ToArray());
        Assert.Equal([1, 1, 1, 0, 0, 1, 1, 1, 0, 0], batch[ClipLayout.TokenCount].ToArray());
        Assert.Equal([new(0, 0, 1, 1), new(2, 0, 1, 1)], batch.Regions_B.ToArray());
    }

    [Fact]
    public void A_place_that_was_left_empty_stays_so()
    {
        using var collator = new Collator(7, 3, _settings);
        using Clip first = Clip(0), second = Clip(1), last = Clip(2);
        collator.Add(1, second);
        collator.LeaveEmpty(0);
        collator.LeaveEmpty(1);                                      // counted as unreadable, although it came
        Assert.True(collator.IsSettled(0));
        Assert.Throws<InvalidOperationException>(() => collator.Add(0, first));
        Assert.Equal(1, collator.Unsettled);
        collator.Add(2, last);
        using ClipBatch batch = collator.Take()!;
        Assert.Equal(["clip 2"], batch.Keys);
    }

    [Fact]
    public void A_batch_of_empty_places_alone_is_none()
    {
        using var collator = new Collator(7, 1, _settings);
        collator.LeaveEmpty(0);
        Assert.Null(collator.Take());
    }

    [Fact]
    public void Clips_that_do_not_belong_are_refused_by_name()
    {
        using var collator = new Collator(7, 2, _settings);
        using Clip first = Clip(0), late = Clip(1, step: 6), large = Clip(1, size: 8), plain = Clip(1, masked: false), foreign = Clip(1,
            corpus: 0);
        collator.Add(0, first);
        Refuses("the place is taken", () => collator.Add(0, first));
        Refuses("not in the batch", () => collator.Add(2, first));
        Refuses("of step 7", () => collator.Add(1, late));
        Refuses("frames of 4 pixels", () => collator.Add(1, large));
        Refuses("masked", () => collator.Add(1, plain));
        Refuses("of corpus 1", () => collator.Add(1, foreign));
        Assert.Equal(1, collator.Unsettled);

        static void Refuses(string reason, Action add)
        {
            string message = Assert.Throws<InvalidOperationException>(add).Message;
            Assert.Contains("clip 'clip ", message, StringComparison.Ordinal);
            Assert.Contains(reason, message, StringComparison.Ordinal);
        }
    }
}
