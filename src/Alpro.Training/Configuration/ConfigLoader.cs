using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Alpro.Data;
using Alpro.Data.Corpora;
using Alpro.Data.Corpora.Annotations;
using Alpro.Data.Places;

namespace Alpro.Training.Configuration;

/// <summary>
/// Reads a run's configuration: JSON with comments, bound strictly. It reports at once whatever is wrong, with line and path and the
/// nearest valid spelling. That is a key that nothing reads, a value of the wrong kind or out of range, or a file that is not there.
/// </summary>
public static class ConfigLoader
{
    /// <summary>How configurations are written: camel case keys, kebab case names of enumerations, nothing unknown.</summary>
    public static JsonSerializerOptions Json { get; } = new(JsonSerializerOptions.Strict)
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        ReadCommentHandling = JsonCommentHandling.Skip,
        AllowTrailingCommas = true,
        WriteIndented = true,
        TypeInfoResolver = new DefaultJsonTypeInfoResolver(),
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower, allowIntegerValues: false) },
    };

    /// <summary>Reads a file and checks it; relative paths in it become full paths.</summary>
    /// <param name="file">The configuration file.</param>
    /// <param name="overrides">Values set on the command line, each <c>key.path=value</c>; they go before what the file says.</param>
    /// <exception cref="ConfigException">The file is absent or not JSON, or anything in it is wrong.</exception>
    public static RunConfig Load(string file, IReadOnlyList<string>? overrides = null) =>
        Bind(file, BytesOf(file), LinesOf, overrides, static (config, problems) => config.Check(problems));

    /// <summary>
    /// Reads a configuration to evaluate under: what only training reads, the first weights and the training corpora among it, need not be
    /// there.
    /// </summary>
    /// <param name="file">The configuration file, or the one that <paramref name="imported"/> was made from.</param>
    /// <param name="imported">The configuration, where the file is not one of ours.</param>
    /// <param name="overrides">Values set on the command line.</param>
    /// <exception cref="ConfigException">The file is absent or not JSON, or anything that is read is wrong.</exception>
    public static RunConfig LoadForEvaluation(string file, RunConfig? imported = null, IReadOnlyList<string>? overrides = null)
    {
        return imported is null ? Bind(file, BytesOf(file), LinesOf, overrides, Check)
            : Bind(file, JsonSerializer.SerializeToUtf8Bytes(imported, Json), static _ => [], overrides, Check);

        static void Check(RunConfig config, ConfigProblems problems) => config.CheckEvaluation(problems);
    }

    /// <summary>Reads a configuration to count what a step of it takes: no file that it names need be there.</summary>
    /// <param name="file">The configuration file.</param>
    /// <param name="overrides">Values set on the command line.</param>
    /// <exception cref="ConfigException">The file is absent or not JSON, or a size in it is wrong.</exception>
    public static RunConfig LoadForSizes(string file, IReadOnlyList<string>? overrides = null) =>
        Bind(file, BytesOf(file), LinesOf, overrides, static (config, problems) => config.CheckSizes(problems));

    /// <summary>
    /// Reads the corpora that a configuration names, and the lists that are made of them, for commands that come before the run. It looks
    /// at nothing else in the configuration, and no file that the configuration names need be there.
    /// </summary>
    /// <param name="file">The configuration file.</param>
    /// <param name="overrides">Values set on the command line.</param>
    /// <returns>
    /// A configuration of the corpora, entities, answers and vocabulary alone, with their numbers; an absent vocabulary has an empty path.
    /// </returns>
    /// <exception cref="ConfigException">The file is absent or not JSON, names no corpora, or names them wrongly.</exception>
    public static RunConfig LoadForCorpora(string file, IReadOnlyList<string>? overrides = null) => Bind(file, BytesOf(file), LinesOf,
        overrides,
        static (config, problems) => problems.Require(config.Data.Corpora.Count > 0, "data.corpora", "empty", "a corpus at least"),
        CorporaAlone);

    private const string LossesAreWeights =
        """; losses have weights, as in { "vtc": 1, "vtm": 1, "mlm": 1, "pem": 1 }: 1 in place of true, 0 or absent is off""";

    private static byte[] BytesOf(string file) =>
        File.Exists(file) ? File.ReadAllBytes(file) : throw new ConfigException(file, [new("", 1, "there is no such file")]);

    private static RunConfig Bind(
        string file, byte[] bytes, Func<byte[], Dictionary<string, int>> linesOf, IReadOnlyList<string>? overrides,
        Action<RunConfig, ConfigProblems> check, Func<JsonNode?, JsonNode?>? part = null)
    {
        var problems = new ConfigProblems();
        JsonNode? root;
        try
        {
            root = JsonNode.Parse(bytes, documentOptions: new()
            {
                CommentHandling = Json.ReadCommentHandling,
                AllowTrailingCommas = true,
                AllowDuplicateProperties = false,
            });
        }
        catch (JsonException error)
        {
            string message = error.Message.Split(" LineNumber:", 2)[0].Split(" Path:", 2)[0];
            throw new ConfigException(file, [new("", (int)(error.LineNumber ?? 0) + 1, $"not valid JSON: {message}")]);
        }

        problems.Lines = linesOf(bytes);
        foreach (string setting in overrides ?? []) Override(root, setting, problems);
        root = part is null ? root : part(root);
        Check(root, Json.GetTypeInfo(typeof(RunConfig)), "", problems);
        problems.ThrowIfAny(file);

        RunConfig config = Resolve(root.Deserialize<RunConfig>(Json)!, Path.GetDirectoryName(Path.GetFullPath(file))!);
        check(config, problems);
        problems.ThrowIfAny(file);
        return config;
    }

    /// <summary>What names corpora and lists, with something in the place of all else that a configuration must have.</summary>
    private static JsonNode? CorporaAlone(JsonNode? root)
    {
        if (root is not JsonObject config) return root;
        JsonObject data = Part(config["data"], "corpora", "validation", "test", "entities", "answers", "vocabulary");
        data.TryAdd("vocabulary", "");
        data["clip"] = new JsonObject();
        JsonObject model = Part(config["model"], "entities", "answers");
        model["text"] = Part((config["model"] as JsonObject)?["text"], "vocabularySize");
        return new JsonObject { ["task"] = "pretrain", ["model"] = model, ["data"] = data };

        static JsonObject Part(JsonNode? section, params string[] keys)
        {
            var part = new JsonObject();
            foreach (string key in keys)
                if (section is JsonObject settings && settings.TryGetPropertyValue(key, out JsonNode? value))
                    part[key] = value?.DeepClone();
            return part;
        }
    }

    /// <summary>The configuration as a complete JSON text, defaults included.</summary>
    public static string ToJson(RunConfig config) => JsonSerializer.Serialize(config, Json);

    /// <summary>The configuration in a text written by <see cref="ToJson"/>.</summary>
    public static RunConfig FromJson(string json) => JsonSerializer.Deserialize<RunConfig>(json, Json)!;

    /// <summary>Walks the JSON beside the type it shall become, and notes what does not fit.</summary>
    private static void Check(JsonNode? node, JsonTypeInfo type, string path, ConfigProblems problems)
    {
        if (type.Kind == JsonTypeInfoKind.Object)
        {
            if (node is not JsonObject item)
            {
                problems.Add(path, $"is {Show(node)}; expected an object {{ … }}");
                return;
            }
            foreach ((string key, JsonNode? value) in item)
            {
                string at = path.Length == 0 ? key : $"{path}.{key}";
                JsonPropertyInfo? property = type.Properties.FirstOrDefault(property => property.Name == key);
                if (property is null)
                {
                    string? nearest = Spelling.Nearest(key, type.Properties.Select(property => property.Name));
                    problems.Add(at, nearest is null
                        ? $"is not a setting; there are {string.Join(", ", type.Properties.Select(property => property.Name))}"
                        : $"is not a setting; did you mean \"{nearest}\"?");
                }
                else if (value is not null) Check(value, Json.GetTypeInfo(property.PropertyType), at, problems);
                else if (!property.IsSetNullable) problems.Add(at, $"is null; expected {Expected(property.PropertyType)}");
            }
            foreach (JsonPropertyInfo property in type.Properties.Where(
                property => property.IsRequired && !item.ContainsKey(property.Name)))
                problems.Add(path, $"lacks \"{property.Name}\", {Expected(property.PropertyType)}");
        }
        else if (type.Kind == JsonTypeInfoKind.Enumerable)
        {
            if (node is not JsonArray items) problems.Add(path, $"is {Show(node)}; expected a list [ … ]");
            else for (int i = 0; i < items.Count; i++) Check(items[i], Json.GetTypeInfo(type.ElementType!), $"{path}[{i}]", problems);
        }
        else
        {
            try
            {
                node.Deserialize(type);
            }
            catch (JsonException)
            {
                string text = node is JsonValue value && value.TryGetValue(out string? name) ? name : "";
                string? nearest = NamesOf(type.Type) is { } names ? Spelling.Nearest(text, names) : null;
                bool switched = type.Type == typeof(double) && node?.GetValueKind() is JsonValueKind.True or JsonValueKind.False;
                string hint = nearest is not null ? $"; did you mean \"{nearest}\"?"
                    : switched && path.StartsWith("losses.", StringComparison.Ordinal) ? LossesAreWeights : "";
                problems.Add(path, $"is {Show(node)}; expected {Expected(type.Type)}{hint}");
            }
        }
    }

    /// <summary>Applies <c>key.path=value</c> to the JSON; the value is JSON where it can be read as such, else text.</summary>
    private static void Override(JsonNode? root, string setting, ConfigProblems problems)
    {
        int equals = setting.IndexOf('=');
        if (equals <= 0)
        {
            problems.AddOverride("", $"\"{setting}\" is not a setting; expected key.path=value, such as training.batchSize=8");
            return;
        }
        string path = setting[..equals].Trim();
        JsonNode? value;
        try
        {
            value = JsonNode.Parse(setting[(equals + 1)..]);
        }
        catch (JsonException)
        {
            value = JsonValue.Create(setting[(equals + 1)..]);
        }

        string[] keys = path.Replace("[", ".", StringComparison.Ordinal).Replace("]", "", StringComparison.Ordinal).Split('.');
        JsonNode? node = root;
        for (int i = 0; i < keys.Length - 1; i++)
        {
            if (node is JsonObject parent && parent[keys[i]] is null) parent[keys[i]] = new JsonObject();
            node = Child(node, keys[i]);
        }
        if (node is JsonObject item) item[keys[^1]] = value;
        else if (node is JsonArray list && int.TryParse(keys[^1], out int index) && index >= 0 && index < list.Count) list[index] = value;
        else
        {
            problems.AddOverride(path, "there is nothing of that name to set");
            return;
        }
        problems.Overridden.Add(path);
    }

    private static JsonNode? Child(JsonNode? node, string key) => node switch
    {
        JsonObject item => item[key],
        JsonArray list when int.TryParse(key, out int index) && index >= 0 && index < list.Count => list[index],
        _ => null,
    };

    /// <summary>The line of every key, by path.</summary>
    internal static Dictionary<string, int> LinesOf(byte[] bytes)
    {
        var lines = new Dictionary<string, int> { [""] = 1 };
        var reader = new Utf8JsonReader(bytes, new JsonReaderOptions
        {
            CommentHandling = JsonCommentHandling.Skip,
            AllowTrailingCommas = true,
        });
        var open = new Stack<(string Path, int Index)>();           // Index: of the next list item; -1 in an object
        (string path, int line, long counted) = ("", 1, 0);
        while (reader.Read())
        {
            line += bytes.AsSpan((int)counted, (int)(reader.TokenStartIndex - counted)).Count((byte)'\n');
            counted = reader.TokenStartIndex;
            if (reader.TokenType == JsonTokenType.PropertyName)
            {
                string parent = open.Peek().Path;
                path = parent.Length == 0 ? reader.GetString()! : $"{parent}.{reader.GetString()}";
                lines[path] = line;
                continue;
            }
            if (reader.TokenType is JsonTokenType.EndObject or JsonTokenType.EndArray)
            {
                open.Pop();
                continue;
            }
            if (open.TryPeek(out (string Path, int Index) list) && list.Index >= 0)
            {
                open.Pop();
                open.Push((list.Path, list.Index + 1));
                path = $"{list.Path}[{list.Index}]";
                lines[path] = line;
            }
            if (reader.TokenType == JsonTokenType.StartObject) open.Push((path, -1));
            else if (reader.TokenType == JsonTokenType.StartArray) open.Push((path, 0));
        }
        return lines;
    }

    private static RunConfig Resolve(RunConfig config, string folder)
    {
        return config with
        {
            Data = config.Data with
            {
                Corpora = [.. config.Data.Corpora.Select(Corpus)],
                Validation = [.. config.Data.Validation.Select(Corpus)],
                Test = config.Data.Test is { } test ? Corpus(test) : null,
                Vocabulary = Full(config.Data.Vocabulary)!,
                Entities = Full(config.Data.Entities),
                Answers = Full(config.Data.Answers),
            },
            Initialize = new()
            {
                Checkpoint = Full(config.Initialize.Checkpoint),
                Prompter = Full(config.Initialize.Prompter),
                Vision = Full(config.Initialize.Vision),
                Text = Full(config.Initialize.Text),
            },
        };

        CorpusConfig Corpus(CorpusConfig corpus) => corpus with
        {
            Annotations = Place.Resolve(corpus.Annotations, folder),
            Media = corpus.Media is null ? null : Place.Resolve(corpus.Media, folder),
        };
        string? Full(string? path) => path is null or "" ? path : Path.GetFullPath(path, folder);
    }

    /// <summary>What a person must write for a value of a type.</summary>
    public static string Expected(Type type)
    {
        Type plain = Nullable.GetUnderlyingType(type) ?? type;
        if (NamesOf(plain) is { } names) return $"one of {string.Join(", ", names)}";
        if (plain == typeof(string)) return "a text";
        if (plain == typeof(bool)) return "true or false";
        if (plain == typeof(double)) return "a number";
        if (plain == typeof(int) || plain == typeof(long) || plain == typeof(ulong)) return "a whole number";
        return Json.GetTypeInfo(plain).Kind == JsonTypeInfoKind.Enumerable ? "a list [ … ]" : "an object { … }";
    }

    /// <summary>The names that a value of a type may have; null where it is no choice among names.</summary>
    private static IEnumerable<string>? NamesOf(Type type) => type.IsEnum
        ? Enum.GetNames(type).Select(JsonNamingPolicy.KebabCaseLower.ConvertName)
        : type == typeof(AnnotationFormat) ? AnnotationFormat.All.Select(format => format.Name) : null;

    private static string Show(JsonNode? node)
    {
        string text = node?.ToJsonString() ?? "null";
        return text.Length <= 60 ? text : text[..57] + "...";
    }
}
