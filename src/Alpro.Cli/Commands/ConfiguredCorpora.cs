using System.Text.Json;
using System.Text.Json.Nodes;
using Alpro.Actors;
using Alpro.Data.Corpora;
using Alpro.Training.Configuration;

namespace Alpro.Cli.Commands;

/// <summary>
/// The corpora of a run's configuration, for commands that come before the run: nothing else of the configuration is looked at,
/// so it may name files that are not there yet.
/// </summary>
internal sealed class ConfiguredCorpora
{
    private readonly JsonObject _root;
    private readonly string _file, _folder;

    /// <exception cref="UsageException">The file is absent or not JSON.</exception>
    public ConfiguredCorpora(string file)
    {
        (_file, _folder) = (file, Path.GetDirectoryName(Path.GetFullPath(file))!);
        if (!File.Exists(file)) throw new UsageException($"There is no configuration file {file}.");
        try
        {
            _root = JsonNode.Parse(File.ReadAllBytes(file), documentOptions: new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true }) as JsonObject
                ?? throw new UsageException($"{file} is not a run's configuration: expected an object {{ … }} with \"data\".");
        }
        catch (JsonException error)
        {
            throw new UsageException($"{file} is not valid JSON: {error.Message}");
        }
    }

    /// <summary>The training corpora.</summary>
    public IReadOnlyList<CorpusConfig> Training() => Read<CorpusConfig[]>("corpora") is { Length: > 0 } corpora
        ? [.. corpora.Select(Resolve)]
        : throw new UsageException($"{_file} names no corpora: expected \"data\": {{ \"corpora\": [ … ] }}.");

    /// <summary>All corpora: training, validation, test; one that is named twice, once.</summary>
    public IReadOnlyList<CorpusConfig> All() =>
        [.. Training().Concat((Read<CorpusConfig[]>("validation") ?? []).Select(Resolve)).Concat(Read<CorpusConfig>("test") is { } test ? [Resolve(test)] : [])
            .DistinctBy(corpus => (corpus.Annotations, corpus.Media))];

    /// <summary>The file of the entity list; null where none is named.</summary>
    public string? EntityFile => Read<string>("entities") is { } path ? Path.GetFullPath(path, _folder) : null;

    /// <summary>The number of entities of the model.</summary>
    public int EntityCount => (int?)(_root["model"] as JsonObject)?["entities"] ?? new Model.ModelConfig().Entities;

    private CorpusConfig Resolve(CorpusConfig corpus) => corpus with
    {
        Annotations = Path.GetFullPath(corpus.Annotations, _folder),
        Media = corpus.Media is { } media ? Path.GetFullPath(media, _folder) : null,
    };

    private T? Read<T>(string key)
    {
        try
        {
            return (_root["data"] as JsonObject)?[key] is { } node ? node.Deserialize<T>(ConfigLoader.Json) : default;
        }
        catch (JsonException error)
        {
            throw new UsageException($"{_file}: data.{key} cannot be used: {error.Message} \"alpro config check {_file}\" shows all problems.");
        }
    }
}
