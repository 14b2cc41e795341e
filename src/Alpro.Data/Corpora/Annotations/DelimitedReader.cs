namespace Alpro.Data.Corpora.Annotations;

/// <summary>
/// Reads CSV as RFC 4180 has it: quoted fields with commas, doubled quotes and line breaks. Or TSV, which has no quotes. A header names the
/// columns; without one they have numbers from 1, unless their names are given. A quote inside an unquoted field is an ordinary character.
/// A row whose quote is never closed ends at its own line. Where files were joined, a header in the middle is no row.
/// </summary>
internal sealed class DelimitedReader : AnnotationReader
{
    private readonly ByteWindow _bytes;
    private readonly byte _delimiter;
    private readonly bool _quotes, _header;
    private readonly Dictionary<string, int> _columns = [];
    private readonly HashSet<string> _twice = [];
    private readonly List<(int Start, int Length, bool Quoted)> _fields = [];
    private readonly string[]?[] _values;

    private DelimitedReader(Stream stream, char delimiter, bool quotes, bool header, IReadOnlyList<string>? columns)
    {
        _bytes = new ByteWindow(stream);
        _delimiter = (byte)delimiter;
        (_quotes, _header) = (quotes, header);
        if (_bytes.Has(2) && _bytes.Bytes.StartsWith("\uFEFF"u8)) _bytes.Skip(3);
        if (columns is null)
        {
            int length = ParseRow(out _);
            columns = [.. _fields.Select((_, i) => header ? Field(i).Trim() : $"{i + 1}")];
            if (header) _bytes.Skip(length);
        }
        for (int i = 0; i < columns.Count; i++)
            if (!_columns.TryAdd(columns[i], i)) _twice.Add(columns[i]);
        _values = new string[columns.Count][];
    }

    /// <summary>A reader of comma-separated values.</summary>
    public static DelimitedReader Csv(Stream stream, bool header = true) => new(stream, ',', quotes: true, header, columns: null);

    /// <summary>A reader of tab-separated values, with these columns or those that the file has.</summary>
    public static DelimitedReader Tsv(Stream stream, IReadOnlyList<string>? columns, bool header = false) =>
        new(stream, '\t', quotes: false, header, columns);

    public override IReadOnlyCollection<string> Names => _columns.Keys;

    public override IEnumerable<AnnotationFields> Rows()
    {
        Row row = new(this);
        while (_bytes.Has(0))
        {
            int length = ParseRow(out string? problem);
            bool blank = _fields.Count == 1 && _fields[0] is { Length: 0, Quoted: false };
            if (problem is null && !blank && _fields.Count != _values.Length)
                problem = $"it has {_fields.Count} columns, not {_values.Length}";
            if (problem is null && _header && _columns.All(column => Field(column.Value).Trim() == column.Key))
                problem = "it is the header again";
            if (problem is not null) yield return new MalformedFields(problem);
            else if (!blank) yield return row;
            _bytes.Skip(length);
            Array.Clear(_values);
        }
    }

    /// <summary>Finds the fields of the row at the window's beginning; returns the row's length, line break included.</summary>
    private int ParseRow(out string? problem)
    {
        ReadOnlySpan<byte> ends = [_delimiter, (byte)'\n'];
        _fields.Clear();
        problem = null;
        for (int start = 0; ;)
        {
            int from = start;
            bool quoted = _quotes && _bytes.Has(start) && _bytes.Bytes[start] == '"';
            if (quoted && (from = ClosingQuote(start + 1) + 1) == 0)
            {
                problem = "a quote is opened and never closed";
                int line = _bytes.IndexOfAny(start, "\n"u8);
                return line < 0 ? _bytes.Bytes.Length : line + 1;
            }
            int end = _bytes.IndexOfAny(from, ends);
            bool last = end < 0 || _bytes.Bytes[end] == '\n';
            if (end < 0) end = _bytes.Bytes.Length;
            int length = end - start;
            if (last && length > 0 && _bytes.Bytes[end - 1] == '\r') length--;
            _fields.Add((start, length, quoted));
            if (last) return end + 1;
            start = end + 1;
        }
    }

    /// <summary>The position of the quote that closes a field, or -1.</summary>
    private int ClosingQuote(int from)
    {
        while ((from = _bytes.IndexOfAny(from, "\""u8)) >= 0)
        {
            if (!_bytes.Has(from + 1) || _bytes.Bytes[from + 1] != '"') return from;
            from += 2;
        }
        return -1;
    }

    private string Field(int i)
    {
        (int start, int length, bool quoted) = _fields[i];
        string text = Text(_bytes.Bytes.Slice(start, length));
        if (!quoted) return text;
        int close = text.LastIndexOf('"');
        return text[1..close].Replace("\"\"", "\"", StringComparison.Ordinal) + text[(close + 1)..];
    }

    public override void Dispose() => _bytes.Dispose();

    /// <summary>The row at the window's beginning; what is asked for is decoded, once.</summary>
    private sealed class Row(DelimitedReader reader) : AnnotationFields
    {
        public override IReadOnlyCollection<string> Names => reader.Names;

        public override IReadOnlyList<string> this[string name]
        {
            get
            {
                if (reader._twice.Contains(name))
                    throw new InvalidDataException($"its header has the column \"{name}\" twice; expected once");
                return reader._columns.TryGetValue(name, out int column) ? reader._values[column] ??= [reader.Field(column)] : [];
            }
        }
    }
}
