using System.IO.Hashing;
using Alpro.Actors.Distributed.Packing;
using Alpro.Actors.Distributed.Work;
using Alpro.Data.Media;
using Alpro.Data.Packs;

namespace Alpro.Actors.Tests.Distributed.Packing;

/// <summary>What goes over the connection between a packer and an encoder of a decode node.</summary>
public sealed class PackWireTests
{
    private static readonly byte[] _bytes = [.. Enumerable.Range(0, 200).Select(i => (byte)(i * 7))];

    private static readonly EncodedClip _clip = new(_bytes, new(new(PackedCodec.H264, [1, 2, 3]), 64, 48, 2.5,
        XxHash3.HashToUInt64(_bytes), 40, [90, 70], [7, 4_000_000_000]));

    [Fact]
    public async Task Terms_rows_clips_and_troubles_arrive_as_they_were_sent()
    {
        PackTerms terms = new("world", new() { Side = 64, Rate = 2.5, Codec = PackedCodec.Mjpeg, Quality = 3 },
            new Dictionary<string, string> { ["rows"] = "26 of Video" });
        using MemoryStream stream = new();
        await WireFrame.SayAsync(stream, terms, CancellationToken.None);
        await PackWire.AskAsync(stream, 9_876_543_210, CancellationToken.None);
        await PackWire.AnswerAsync(stream, _clip, CancellationToken.None);
        await PackWire.AnswerAsync(stream, new UnreadableClipException(RejectReason.Empty, "/there/a.mp4", "no bytes"),
            CancellationToken.None);
        stream.Position = 0;
        PackTerms heard = await WireFrame.HearAsync<PackTerms>(stream, CancellationToken.None);
        Assert.Equal((terms.Corpus, terms.Settings, ""), (heard.Corpus, heard.Settings, terms.Differences(heard)));
        Assert.Equal(9_876_543_210, await PackWire.NextRowAsync(stream, CancellationToken.None));
        Assert.Equivalent(_clip, await PackWire.ReceiveAsync(stream, "/here/a.mp4", CancellationToken.None), strict: true);
        var trouble = await Assert.ThrowsAsync<UnreadableClipException>(() =>
            PackWire.ReceiveAsync(stream, "/here/a.mp4", CancellationToken.None));
        Assert.Equal((RejectReason.Empty, "/here/a.mp4", "no bytes"), (trouble.Reason, trouble.Path, trouble.Finding));
        Assert.Null(await PackWire.NextRowAsync(stream, CancellationToken.None));
    }

    [Fact]
    public async Task Clip_that_is_damaged_cut_or_too_long_ends_the_connection()
    {
        using MemoryStream sent = new();
        await PackWire.AnswerAsync(sent, _clip, CancellationToken.None);
        byte[] sound = sent.ToArray(), damaged = [.. sound], tooLong = [.. sound];
        damaged[^40] ^= 1;
        tooLong[3] = 0x7F;
        foreach (byte[] bytes in (byte[][])[damaged, sound[..^9], tooLong])
            await Assert.ThrowsAnyAsync<IOException>(() =>
                PackWire.ReceiveAsync(new MemoryStream(bytes), "/here/a.mp4", CancellationToken.None));
    }

    [Fact]
    public void Terms_that_differ_are_named()
    {
        PackTerms here = new("world", new(), new Dictionary<string, string> { ["rows"] = "26", ["encoder"] = "a" });
        Assert.Equal("rows: the pack has 26, the node 25; encoder: the pack has a, the node none",
            here.Differences(here with { Data = new Dictionary<string, string> { ["rows"] = "25" } }));
    }
}
