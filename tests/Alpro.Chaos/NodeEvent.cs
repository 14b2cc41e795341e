using System.Text.Json;

namespace Alpro.Chaos;

/// <summary>An event that a process of the program has written, with <c>--log-format json</c>, to standard error.</summary>
/// <param name="Time">When it happened.</param>
/// <param name="Name">Which it is.</param>
/// <param name="Message">The sentence for people.</param>
/// <param name="Fields">All of it.</param>
internal sealed record NodeEvent(DateTimeOffset Time, string Name, string Message, JsonElement Fields)
{
    /// <summary>Reads a line; null where it is no event, such as the last words of a runtime that crashes.</summary>
    public static NodeEvent? Parse(string line)
    {
        if (!line.StartsWith('{')) return null;
        try
        {
            using JsonDocument document = JsonDocument.Parse(line);
            JsonElement fields = document.RootElement.Clone();
            string name = fields.GetProperty("event").GetString()!, message = fields.GetProperty("message").GetString()!;
            return new(fields.GetProperty("time").GetDateTimeOffset(), name, message, fields);
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException)
        {
            return null;
        }
    }

    /// <summary>A field that is a text.</summary>
    public string Text(string field) => Fields.GetProperty(field).GetString()!;

    /// <summary>A field that is a whole number.</summary>
    public int Number(string field) => Fields.GetProperty(field).GetInt32();
}
