using System.Collections.Concurrent;
using Alpro.Actors.Distributed.Work;
using Alpro.Data;
using Alpro.Data.Corpora;
using Alpro.Data.Media;
using Alpro.Data.Packs;

namespace Alpro.Actors.Distributed.Packing;

/// <summary>
/// What a decode node packs from: the corpora of its own configuration, by name, opened when a packer first asks for one.
/// </summary>
/// <param name="corpora">The corpora.</param>
/// <param name="limits">What reading a file may cost.</param>
/// <param name="isolate">Whether to decode in child processes.</param>
internal sealed class PackSource(IReadOnlyList<CorpusConfig> corpora, DecodeLimits limits, bool isolate) : IDisposable
{
    private readonly ConcurrentDictionary<string, Lazy<VideoTextCorpus>> _opened = [];

    /// <summary>Packs for a packer over a connection, until that closes it.</summary>
    /// <exception cref="CannotHelpException">This node has no such corpus, or would make other clips, or none.</exception>
    /// <exception cref="IOException">The connection is lost.</exception>
    public async Task ServeAsync(Stream stream, CancellationToken stop)
    {
        try
        {
            await ServeCorpusAsync(stream, stop);
        }
        catch (DataException exception)
        {
            throw new CannotHelpException(exception.Message);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Lazy<VideoTextCorpus> opened in _opened.Values)
            if (opened.IsValueCreated) opened.Value.Dispose();
    }

    private async Task ServeCorpusAsync(Stream stream, CancellationToken stop)
    {
        PackTerms wanted = await WireFrame.HearAsync<PackTerms>(stream, stop);
        string scratch = Path.Combine(Path.GetTempPath(), $"alpro-pack-{Guid.NewGuid():N}");
        VideoTextCorpus? corpus = Find(wanted.Corpus);
        PackTerms own = corpus is null ? wanted with { Data = new Dictionary<string, string>() }
            : await PackTerms.OfAsync(corpus, wanted.Settings, scratch, stop);
        await WireFrame.SayAsync(stream, own, stop);
        if (wanted.Differences(own) is { Length: > 0 } differences)
            throw new CannotHelpException(corpus is null ? $"its configuration has no corpus {wanted.Corpus}" : differences);
        using ClipEncoder encoder = new(wanted.Settings,
            FrameReaders.Create(limits, isolate ? WorkerCommand.ThisProgram(DecodeWorker.CommandName) : null), scratch);
        while (await PackWire.NextRowAsync(stream, stop) is { } row)
        {
            try
            {
                await PackWire.AnswerAsync(stream, await Task.Run(() => encoder.EncodeAsync(corpus![row], stop), stop), stop);
            }
            catch (UnreadableClipException trouble)
            {
                await PackWire.AnswerAsync(stream, trouble, stop);
            }
        }
    }

    private VideoTextCorpus? Find(string name) => corpora.FirstOrDefault(corpus => corpus.Name == name) is not { } config ? null
        : _opened.GetOrAdd(name, _ => new(() => VideoTextCorpus.Open(config with { Missing = MissingMedia.Lazy },
            Directory.GetCurrentDirectory(), limits.Places))).Value;
}
