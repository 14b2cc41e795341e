using System.Text.Json;
using Alpro.Actors.Distributed.Indexing;
using Alpro.Actors.Distributed.Work;
using Alpro.Actors.Search;
using Alpro.Data.Media;
using Alpro.Training.Configuration;
using Alpro.Training.Search;

namespace Alpro.Actors.Tests.Distributed.Indexing;

/// <summary>What goes over the connection between a process that indexes and a window encoder of a node.</summary>
public sealed class IndexWireTests
{
    private static readonly VideoInfo _info = new(250, 29.97, 640, 360, 90);

    private static readonly IndexedFile _file = new(3, "a/ü.mp4", new("/here/a/ü.mp4")) { Size = 5_000_000_000 };

    private static readonly Window[] _windows = [new(0, 0, 0, 120, 0, 4.004), new(1, 0, 60, 120, 2.002, 6.006)];

    private static readonly IndexTerms _terms = IndexTerms.Of(new()
    {
        Source = "videos",
        Model = new("step_1", LearningTask.Retrieval, [], "/here/weights", new('a', 64), new('b', 64), HasMatching: true),
        Windows = new() { Seconds = 3, Stride = 1 },
        Width = 2,
        Tokens = [1, 3],
    });

    private static readonly EncodedWindow[] _made =
        [new([(Half)1, (Half)(-0.5)], [(Half)1, default, (Half)3], [9, 8]), new([(Half)0.25, default], [(Half)4, (Half)5, (Half)6], [7])];

    [Fact]
    public async Task Terms_asks_and_answers_arrive_as_they_were_sent()
    {
        using MemoryStream stream = new();
        NamedFile named = new(_file.Name, _file.Size);
        await WireFrame.SayAsync(stream, _terms, CancellationToken.None);
        await IndexWire.AskAsync(stream, new([named], [], []), CancellationToken.None);
        await IndexWire.AskAsync(stream, new([named, named], [_info, _info], _windows), CancellationToken.None);
        await IndexWire.AnswerAsync(stream, new SurveyedFile(_file with { Info = _info }, _windows), CancellationToken.None);
        await IndexWire.AnswerAsync(stream, _made, CancellationToken.None);
        await IndexWire.AnswerAsync(stream, "no bytes", CancellationToken.None);
        stream.Position = 0;
        IndexTerms heard = await WireFrame.HearAsync<IndexTerms>(stream, CancellationToken.None);
        Assert.Equal((_terms.Windows, ""), (heard.Windows, _terms.Differences(heard.Data)));
        Assert.Equal(JsonSerializer.Serialize(_terms), JsonSerializer.Serialize(heard));
        Assert.Equivalent(new IndexAsk([named], [], []), await IndexWire.NextAsync(stream, CancellationToken.None), strict: true);
        Assert.Equivalent(new IndexAsk([named, named], [_info, _info], _windows),
            await IndexWire.NextAsync(stream, CancellationToken.None), strict: true);
        SurveyedFile survey = await IndexWire.ReceiveAsync(stream, _file, CancellationToken.None);
        Assert.Equal(_file with { Info = _info }, survey.File);
        Assert.Equal(_windows, survey.Windows);
        Assert.Equivalent(_made, await IndexWire.ReceiveAsync(stream, "/here/a", 2, _terms, CancellationToken.None), strict: true);
        var trouble = await Assert.ThrowsAsync<UnreadableClipException>(() =>
            IndexWire.ReceiveAsync(stream, "/here/a", 2, _terms, CancellationToken.None));
        Assert.Equal(("/here/a", "no bytes"), (trouble.Path, trouble.Finding));
        Assert.Null(await IndexWire.NextAsync(stream, CancellationToken.None));
    }

    [Fact]
    public async Task Answer_that_is_damaged_or_has_other_sizes_ends_the_connection()
    {
        using MemoryStream sent = new();
        await IndexWire.AnswerAsync(sent, _made, CancellationToken.None);
        byte[] sound = sent.ToArray(), damaged = [.. sound];
        damaged[12] ^= 1;
        foreach ((byte[] bytes, int count, IndexTerms terms) in new[]
        {
            (damaged, 2, _terms), (sound[..^9], 2, _terms), (sound, 1, _terms), (sound, 3, _terms), (sound, 2, _terms with { Width = 200 }),
        })
            await Assert.ThrowsAnyAsync<IOException>(() =>
                IndexWire.ReceiveAsync(new MemoryStream(bytes), "/here/a", count, terms, CancellationToken.None));
    }

    [Fact]
    public void Other_weights_are_named() => Assert.Contains(
        "weights: the index has step_1 with the SHA-256 aaaaaaaaaaaa…, the node step_2",
        _terms.Differences(IndexTerms.DataOf(
            new("step_2", LearningTask.Retrieval, [], "", new('c', 64), new('b', 64), HasMatching: true))),
        StringComparison.Ordinal);
}
