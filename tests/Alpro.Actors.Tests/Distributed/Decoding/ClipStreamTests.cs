using System.Buffers.Binary;
using Alpro.Actors.Distributed.Decoding;
using Alpro.Data.Clips;
using Alpro.Data.Media;
using Alpro.Data.Sampling;

namespace Alpro.Actors.Tests.Distributed.Decoding;

/// <summary>Clips over a connection of the data plane, and what is no clip.</summary>
public sealed class ClipStreamTests
{
    private static readonly ClipSettings _clips = new()
    {
        Frames = 2,
        DecodeSize = 16,
        Size = 16,
        TextLength = 6,
        MaskProbability = 0.15,
        RegionPatch = 4,
    };

    private static readonly ClipNumbers _numbers = new(Tokens: 106, Answers: 2);

    private static Clip NewClip(int slot, ClipSettings? settings = null)
    {
        ClipSettings made = settings ?? _clips;
        var clip = new Clip(new(1L << 40, slot, 2, 1, 10_000_000_000, ulong.MaxValue - 5), new(made))
        {
            Key = "ключ/1.mp4",
            Kind = MediaKind.Image,
            TokenCount = 5,
            Answer = -1,
        };
        if (made.RegionPatch > 0) clip.Region = new(4, 8, 8, 4);
        var random = new SeededRandom((ulong)slot);
        foreach (ref byte pixel in clip.Pixels_THWC) pixel = (byte)random.NextUInt64();
        for (int i = 0; i < made.TextLength; i++) clip[ClipLayout.TokenIds][i] = 100 + i;
        if (made.MaskProbability == 0) return clip;
        ((int[])[100, 103, 102, 103, 104, 105]).CopyTo(clip[ClipLayout.MaskedIds]);
        ((int[])[-100, 101, -100, -100, -100, -100]).CopyTo(clip[ClipLayout.MaskLabels]);
        return clip;
    }

    private static MemoryStream Sent(params Clip[] clips)
    {
        var stream = new MemoryStream();
        var sender = new ClipSender(stream, new(_clips));
        foreach (Clip clip in clips) sender.Send(clip);
        stream.Position = 0;
        return stream;
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Clip_arrives_as_it_was_sent(bool masked)
    {
        ClipSettings settings = masked ? _clips : _clips with { MaskProbability = 0, RegionPatch = 0 };
        using Clip sent = NewClip(3, settings);
        var stream = new MemoryStream();
        new ClipSender(stream, new(settings)).Send(sent);
        stream.Position = 0;
        using Clip got = new ClipReceiver(stream, new(settings), _numbers).Receive(static _ => true)!;
        Assert.Equal(sent.Request, got.Request);
        Assert.Equal((sent.Key, MediaKind.Image, 5, -1), (got.Key, got.Kind, got.TokenCount, got.Answer));
        foreach (ClipField field in ClipLayout.Fields) Assert.Equal(sent[field], got[field]);
        Assert.Equal(masked, got.Layout.Has(ClipLayout.Region));
        Assert.True(sent.Pixels_THWC.SequenceEqual(got.Pixels_THWC));
    }

    [Fact]
    public void Byte_that_is_changed_on_the_way_is_noticed_wherever_it_is()
    {
        using Clip clip = NewClip(0);
        byte[] bytes = Sent(clip).ToArray();
        for (int at = 0; at < bytes.Length; at++)
        {
            byte[] damaged = [.. bytes];
            damaged[at] ^= 0x10;
            Assert.ThrowsAny<IOException>(() => new ClipReceiver(new MemoryStream(damaged), new(_clips),
                _numbers).Receive(static _ => true));
        }
    }

    [Theory]
    [InlineData(4, int.MaxValue)]
    [InlineData(4, -1)]
    [InlineData(8, int.MaxValue)]
    [InlineData(8, 0)]
    public void Lengths_of_no_such_clip_are_refused_before_room_is_made(int at, int length)
    {
        using Clip clip = NewClip(0);
        byte[] bytes = Sent(clip).ToArray();
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(at), length);
        var receiver = new ClipReceiver(new MemoryStream(bytes), new(_clips), _numbers);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Throws<DataPlaneException>(() => receiver.Receive(static _ => true));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 16 << 10);
    }

    public static TheoryData<string, Action<Clip>> Strange { get; } = new()
    {
        { "kind", clip => clip.Kind = (MediaKind)7 },
        { "number of tokens", clip => clip.TokenCount = 7 },
        { "number of tokens", clip => clip.TokenCount = -1 },
        { "answer", clip => clip.Answer = 2 },
        { "answer", clip => clip.Answer = -2 },
        { "region", clip => clip.Region = new(8, 0, 12, 4) },
        { "region", clip => clip.Region = new(0, -4, 4, 4) },
        { "region", clip => clip.Region = new(0, int.MaxValue, 4, 4) },
        { "region", clip => clip.Region = default },
        { "token", clip => clip[ClipLayout.TokenIds][5] = 106 },
        { "token", clip => clip[ClipLayout.TokenIds][0] = -1 },
        { "token", clip => clip[ClipLayout.MaskedIds][2] = int.MaxValue },
        { "label", clip => clip[ClipLayout.MaskLabels][2] = 106 },
        { "label", clip => clip[ClipLayout.MaskLabels][2] = -99 },
    };

    [Theory]
    [MemberData(nameof(Strange), DisableDiscoveryEnumeration = true)]
    public void Numbers_that_the_model_does_not_know_are_refused(string what, Action<Clip> change)
    {
        using Clip clip = NewClip(0);
        change(clip);
        var receiver = new ClipReceiver(Sent(clip), new(_clips), _numbers);
        Assert.Contains($"its {what} is", Assert.Throws<DataPlaneException>(() => receiver.Receive(static _ => true)).Message);
    }

    [Fact]
    public void Clip_that_nobody_waits_for_is_read_over()
    {
        using Clip first = NewClip(0), second = NewClip(1);
        var receiver = new ClipReceiver(Sent(first, second), new(_clips), _numbers);
        Assert.Null(receiver.Receive(static request => request.Slot == 1));
        using Clip got = receiver.Receive(static request => request.Slot == 1)!;
        Assert.Equal(1, got.Request.Slot);
        Assert.Throws<EndOfStreamException>(() => receiver.Receive(static _ => true));
    }

    [Fact]
    public void Clip_of_other_settings_is_not_sent()
    {
        using Clip other = NewClip(0, _clips with { Size = 8 });
        Assert.Throws<ArgumentException>(() => Sent(other));
    }
}
