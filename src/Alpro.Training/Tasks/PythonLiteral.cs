using System.Globalization;
using System.Text.Json.Nodes;

namespace Alpro.Training.Tasks;

/// <summary>
/// Figures as Python prints a dictionary of them, which is how the released code reports: programs that read its logs read ours.
/// </summary>
internal static class PythonLiteral
{
    /// <summary>An object, list, text or number; a <see cref="double"/> always shows that it is one.</summary>
    public static string Of(JsonNode? node) => node switch
    {
        JsonObject item => $"{{{string.Join(", ", item.Select(entry => $"'{entry.Key}': {Of(entry.Value)}"))}}}",
        JsonArray list => $"[{string.Join(", ", list.Select(Of))}]",
        JsonValue value when value.TryGetValue(out double number) => Number(number),
        _ => node?.ToJsonString() ?? "None",
    };

    private static string Number(double number)
    {
        string text = number.ToString("R", CultureInfo.InvariantCulture).ToLowerInvariant();
        return text.AsSpan().ContainsAny('.', 'e', 'n') ? text : text + ".0";
    }
}
