using System.Text.Json;
using System.Text.Json.Serialization;

namespace Alpro.Web;

/// <summary>How pages get their data: camel case, and null for a number that is none.</summary>
internal static class PageJson
{
    /// <summary>The settings.</summary>
    public static JsonSerializerOptions Options { get; } = Apply(new(JsonSerializerDefaults.Web));

    /// <summary>Makes settings ours.</summary>
    public static JsonSerializerOptions Apply(JsonSerializerOptions options)
    {
        options.DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull;
        options.Converters.Add(new Finite());
        return options;
    }

    /// <summary>JSON has no NaN and no infinity, and a browser does not read their names as numbers.</summary>
    private sealed class Finite : JsonConverter<double>
    {
        public override double Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.GetDouble();

        public override void Write(Utf8JsonWriter writer, double value, JsonSerializerOptions options)
        {
            if (double.IsFinite(value)) writer.WriteNumberValue(value);
            else writer.WriteNullValue();
        }
    }
}
