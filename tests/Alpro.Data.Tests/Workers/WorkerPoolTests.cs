using Alpro.Data.Corpora;
using Alpro.Data.Media;
using Alpro.Data.Packs;
using Alpro.Data.Workers;

namespace Alpro.Data.Tests.Workers;

/// <summary>Workers of other processes that are lost, or cannot read what this one can.</summary>
public sealed class WorkerPoolTests
{
    private static readonly VideoTextPair _clip = new()
    {
        Row = 7, Key = "seven", Kind = MediaKind.Video, Media = new MediaSource("/v/7.mp4"), Captions = [],
    };

    private static Task<EncodedClip> EncodeAsync(WorkerPool<IClipEncoder> pool) =>
        pool.DoAsync(encoder => encoder.EncodeAsync(_clip, CancellationToken.None), CancellationToken.None);

    private static EncodedClip Made(byte mark) => new([mark], new(new(PackedCodec.H264, []), 2, 2, 25, 0, 0, [1], [0]));

    [Fact]
    public async Task Clip_of_an_encoder_that_is_lost_goes_to_another_and_the_lost_one_gets_no_more()
    {
        using WorkerPool<IClipEncoder> pool = new(() => new FakeEncoder(() => Made(0)), workers: 0);
        FakeEncoder lost = new(() => throw new IOException("gone")), sound = new(() => Made(1));
        pool.Add(lost);
        pool.Add(sound);
        for (int i = 0; i < 3; i++) Assert.Equal(1, (await EncodeAsync(pool)).Bytes[0]);
        Assert.Equal((1, 3, true), (lost.Asked, sound.Asked, lost.Disposed));
        Assert.Equal((1, 3), (pool.Count, pool.Elsewhere));
    }

    [Fact]
    public async Task Clip_that_cannot_be_read_elsewhere_is_tried_here_and_then_only_is_it_unreadable()
    {
        bool isHere = true;
        using WorkerPool<IClipEncoder> pool = new(() => new FakeEncoder(() => isHere ? Made(0) : throw Trouble("here")), workers: 0);
        pool.Add(new FakeEncoder(() => throw Trouble("there")));
        Assert.Equal(0, (await EncodeAsync(pool)).Bytes[0]);
        isHere = false;
        Assert.Equal("here", (await Assert.ThrowsAsync<UnreadableClipException>(() => EncodeAsync(pool))).Finding);
        Assert.Equal((1, 0), (pool.Count, pool.Elsewhere));

        static UnreadableClipException Trouble(string where) => new(RejectReason.Missing, _clip.Media.Path, where);
    }

    [Fact]
    public async Task Clip_that_takes_three_encoders_with_it_is_made_here_and_one_given_up_is_not_counted()
    {
        using WorkerPool<IClipEncoder> pool = new(() => new FakeEncoder(() => Made(0)), workers: 0);
        FakeEncoder[] encoders = [.. Enumerable.Range(0, 6).Select(_ => new FakeEncoder(() => throw new IOException("gone")))];
        foreach (FakeEncoder encoder in encoders) pool.Add(encoder);
        pool.Remove(encoders[0]);
        pool.Remove(encoders[2]);
        Assert.Equal(0, (await EncodeAsync(pool)).Bytes[0]);
        Assert.Equal([0, 1, 0, 1, 1, 0], encoders.Select(encoder => encoder.Asked));
        Assert.Equal((1, 0), (pool.Count, pool.Elsewhere));
    }

    private sealed class FakeEncoder(Func<EncodedClip> encode) : IClipEncoder
    {
        public int Asked { get; private set; }

        public bool Disposed { get; private set; }

        public Task<EncodedClip> EncodeAsync(VideoTextPair clip, CancellationToken cancellation)
        {
            Asked++;
            return Task.FromResult(encode());
        }

        public void Dispose() => Disposed = true;
    }
}
