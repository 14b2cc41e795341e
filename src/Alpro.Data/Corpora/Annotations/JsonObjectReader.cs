using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Alpro.Data.Media;

namespace Alpro.Data.Corpora.Annotations;

/// <summary>
/// Reads JSON objects one after another, as lines or as one list, without holding the file. A list is split by counting braces,
/// so a malformed object costs itself only.
/// </summary>
internal sealed class JsonObjectReader : AnnotationReader
{
    private readonly ByteWindow _bytes;
    private readonly bool _isList;

    public JsonObjectReader(Stream stream)
    {
        _bytes = new ByteWindow(stream);
        if (_bytes.Has(2) && _bytes.Bytes.StartsWith("\uFEFF"u8)) _bytes.Skip(3);
        while (_bytes.Has(0) && char.IsWhiteSpace((char)_bytes.Bytes[0])) _bytes.Skip(1);
        _isList = _bytes.Has(0) && _bytes.Bytes[0] == '[';
    }

    public override IEnumerable<AnnotationFields> Rows()
    {
        while (_bytes.Has(0))
        {
            (int start, int end) = _isList ? NextObject() : NextLine();
            if (end > start) yield return Parse(_bytes.Bytes[start..end]);
            _bytes.Skip(end + (_isList ? 0 : 1));
        }
    }

    private (int Start, int End) NextLine()
    {
        int end = _bytes.IndexOfAny(0, "\n"u8);
        if (end < 0) end = _bytes.Bytes.Length;
        return _bytes.Bytes[..end].ContainsAnyExcept(" \t\r"u8) ? (0, end) : (end, end);
    }

    private (int Start, int End) NextObject()
    {
        int start = _bytes.IndexOfAny(0, "{"u8);
        if (start < 0) return (_bytes.Bytes.Length, _bytes.Bytes.Length);
        int depth = 1, at = start + 1;
        while (depth > 0 && (at = _bytes.IndexOfAny(at, "{}\""u8)) >= 0)
        {
            switch (_bytes.Bytes[at++])
            {
                case (byte)'{': depth++; break;
                case (byte)'}': depth--; break;
                default: at = EndOfString(at); break;
            }
            if (at < 0) break;
        }
        return (start, at < 0 ? _bytes.Bytes.Length : at);
    }

    private int EndOfString(int at)
    {
        while ((at = _bytes.IndexOfAny(at, "\"\\"u8)) >= 0)
        {
            if (_bytes.Bytes[at] == '"') return at + 1;
            at += 2;
        }
        return -1;
    }

    private static AnnotationFields Parse(ReadOnlySpan<byte> json)
    {
        byte[] bytes = Utf8.IsValid(json) ? json.ToArray() : Encoding.UTF8.GetBytes(Text(json));
        try
        {
            return new Row(JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(bytes) ?? []);
        }
        catch (JsonException exception)
        {
            return new MalformedFields($"it is not a JSON object: {exception.Message}");
        }
    }

    public override void Dispose() => _bytes.Dispose();

    /// <summary>The values of a JSON object: text, numbers as written, lists of these.</summary>
    internal sealed class Row(Dictionary<string, JsonElement> values, MediaSource? media = null) : AnnotationFields
    {
        public override IReadOnlyCollection<string> Names => values.Keys;

        public override MediaSource? Media => media;

        public override IReadOnlyList<string> this[string name] =>
            !values.TryGetValue(name, out JsonElement value) ? [] : value.ValueKind switch
        {
            JsonValueKind.Array => [.. value.EnumerateArray().Where(item => item.ValueKind == JsonValueKind.String)
                .Select(item => item.GetString()!)],
            JsonValueKind.String => [value.GetString()!],
            JsonValueKind.Number => [value.GetRawText()],
            _ => [],
        };
    }
}
