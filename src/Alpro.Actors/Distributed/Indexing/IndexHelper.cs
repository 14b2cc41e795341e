using System.Text.Json;
using Alpro.Actors.Distributed.Work;
using Alpro.Actors.Hosting;
using Alpro.Actors.Search;
using Alpro.Training.Configuration;
using Alpro.Training.Search;

namespace Alpro.Actors.Distributed.Indexing;

/// <summary>
/// What a node helps indexing processes with: its own copy of the videos, by their names, and its own model, which is loaded when one with
/// the same weights asks.
/// </summary>
internal sealed class IndexHelper : IDisposable
{
    private readonly RunHost _host;
    private readonly RunConfig _config;
    private readonly string _weights;
    private readonly IReadOnlyDictionary<string, string> _data;
    private readonly Dictionary<string, IndexedFile> _files;
    private readonly Dictionary<string, WindowEncoders> _opened = [];

    /// <summary>Finds the model and the videos.</summary>
    /// <param name="host">Where the decoders are.</param>
    /// <param name="videos">The model, and this node's copy of the videos.</param>
    /// <exception cref="UsageException">The model answers questions, or a file is nowhere.</exception>
    /// <exception cref="Alpro.Data.DataException">There are no videos.</exception>
    public IndexHelper(RunHost host, IndexedVideos videos)
    {
        (_host, _config, _weights) = (host, videos.Config(), videos.Target.Weights);
        _data = IndexTerms.DataOf(videos.Model(_config));
        _files = videos.Files(_config, host.Settings.Places).ToDictionary(file => file.Name);
    }

    /// <summary>Encodes for an indexing process over a connection, until that closes it.</summary>
    /// <exception cref="CannotHelpException">This node would make other features.</exception>
    /// <exception cref="IOException">The connection is lost.</exception>
    public async Task ServeAsync(Stream stream, CancellationToken stop)
    {
        IndexTerms wanted = await WireFrame.HearAsync<IndexTerms>(stream, stop);
        await WireFrame.SayAsync(stream, wanted with { Data = _data }, stop);
        if (wanted.Differences(_data) is { Length: > 0 } differences) throw new CannotHelpException(differences);
        using IWindowEncoder encoder = Encoders(wanted).Open();
        while (await IndexWire.NextAsync(stream, stop) is { } ask)
        {
            IndexedFile?[] found = [.. ask.Files.Select(Find)];
            if (Array.IndexOf(found, null) is >= 0 and var missing)
                await IndexWire.AnswerAsync(stream, $"the node has no {ask.Files[missing].Name} of {ask.Files[missing].Size} bytes", stop);
            else if (ask.Windows.Count == 0)
            {
                SurveyedFile survey = await Task.Run(() => encoder.SurveyAsync(found[0]!, stop), stop);
                await (survey.File.Problem is { } problem ? IndexWire.AnswerAsync(stream, problem, stop)
                    : IndexWire.AnswerAsync(stream, survey, stop));
            }
            else
            {
                (IndexedFile, Window)[] rows = [.. ask.Windows.Select((window, row) =>
                    (found[row]! with { Info = ask.Infos[row] }, window))];
                EncodedWindow[] made = await Task.Run(() => encoder.EncodeAsync(rows, stop), stop);
                await (Array.Find(made, window => window.Problem is not null) is { } unreadable
                    ? IndexWire.AnswerAsync(stream, unreadable.Problem!, stop) : IndexWire.AnswerAsync(stream, made, stop));
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (WindowEncoders encoders in _opened.Values) encoders.Dispose();
    }

    private IndexedFile? Find(NamedFile file) =>
        _files.TryGetValue(file.Name, out IndexedFile? own) && own.Size == file.Size ? own : null;

    private WindowEncoders Encoders(IndexTerms terms)
    {
        lock (_opened)
        {
            string key = JsonSerializer.Serialize(terms);
            return _opened.TryGetValue(key, out WindowEncoders? opened) ? opened
                : _opened[key] = new(_host, _config, _weights, terms.Windows, terms.Tokens is not null);
        }
    }
}
