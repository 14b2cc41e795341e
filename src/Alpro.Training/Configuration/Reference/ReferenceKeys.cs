using System.Text.Json;
using System.Text.Json.Nodes;

namespace Alpro.Training.Configuration.Reference;

/// <summary>The keys of one of the reference's JSON files: what is taken is marked, so that the rest can be named.</summary>
internal sealed class ReferenceKeys
{
    private readonly JsonObject values;
    private readonly HashSet<string> taken = [];

    private ReferenceKeys(string file, JsonObject values, ConfigProblems problems)
    {
        File = file;
        this.values = values;
        Problems = problems;
    }

    /// <summary>The file.</summary>
    public string File { get; }

    /// <summary>What is wrong with it.</summary>
    public ConfigProblems Problems { get; }

    /// <summary>The keys nobody took that have a value, with it.</summary>
    public IEnumerable<(string Key, string Value)> Rest =>
        values.Where(entry => entry.Value is not null && !taken.Contains(entry.Key))
        .Select(entry => (entry.Key, entry.Value!.ToJsonString()));

    /// <summary>Reads a file.</summary>
    /// <exception cref="ConfigException">It is absent, or no JSON object.</exception>
    public static ReferenceKeys Read(string file)
    {
        if (!System.IO.File.Exists(file)) throw new ConfigException(file, [new("", 1, "there is no such file")]);
        byte[] bytes = System.IO.File.ReadAllBytes(file);
        try
        {
            JsonObject values = JsonNode.Parse(bytes, documentOptions: new() { AllowDuplicateProperties = false }) as JsonObject
                ?? throw new ConfigException(file, [new("", 1, "is not a JSON object")]);
            return new ReferenceKeys(file, values, new ConfigProblems { Lines = ConfigLoader.LinesOf(bytes) });
        }
        catch (JsonException error)
        {
            throw new ConfigException(file, [new("", (int)(error.LineNumber ?? 0) + 1, $"not valid JSON: {error.Message}")]);
        }
    }

    /// <summary>Whether a key has a value.</summary>
    public bool Has(string key) => values[key] is not null;

    /// <summary>The value of a key, or null where it is absent or null.</summary>
    public JsonNode? Node(string key)
    {
        taken.Add(key);
        return values[key];
    }

    /// <summary>A text.</summary>
    public string? Text(string key) => Value<string>(key, "a text");

    /// <summary>A whole number; the reference's own default where it is absent.</summary>
    public int Whole(string key, int otherwise) => (int)Number(key, otherwise);

    /// <summary>A number; the reference's own default where it is absent.</summary>
    public double Number(string key, double otherwise) => Has(key) ? Value<double?>(key, "a number") ?? otherwise : otherwise;

    /// <summary>A switch, written as true and false or as 1 and 0.</summary>
    public bool Flag(string key) => Node(key) switch
    {
        null => false,
        JsonValue value when value.TryGetValue(out bool flag) => flag,
        JsonValue value when value.TryGetValue(out int number) && number is 0 or 1 => value.GetValue<int>() == 1,
        _ => Problem(key, "true or false", false),
    };

    /// <summary>Notes a problem unless a key is absent or has the one value that is supported.</summary>
    public void Must<T>(string key, T expected) where T : notnull
    {
        if (Has(key) && !JsonNode.DeepEquals(JsonNode.Parse(JsonSerializer.Serialize(expected)), Node(key)))
            Problem(key, $"{JsonSerializer.Serialize(expected)}, the only value supported here", false);
    }

    private T? Value<T>(string key, string expected)
    {
        if (Node(key) is not { } node) return default;
        return node is JsonValue value && value.TryGetValue(out T? found) ? found : Problem<T?>(key, expected, default);
    }

    private T Problem<T>(string key, string expected, T result)
    {
        Problems.Require(false, key, values[key]?.ToJsonString(), expected);
        return result;
    }
}
