using System.Globalization;
using Parquet;
using Parquet.Data;
using Parquet.Schema;

namespace Alpro.Data.Corpus.Annotations;

/// <summary>Reads a parquet file with the columns of one of the other formats, a row group at a time. Text, integers and lists of text are read.</summary>
internal sealed class ParquetRowReader : AnnotationReader
{
    private static readonly TimeSpan s_deadline = TimeSpan.FromMinutes(2);

    private readonly ParquetReader _reader;
    private readonly Dictionary<string, DataField> _fields = [];

    public ParquetRowReader(Stream stream)
    {
        _reader = Await(() => ParquetReader.CreateAsync(stream, leaveStreamOpen: false));
        foreach (DataField field in _reader.Schema.DataFields)
            if (field.ClrType == typeof(ReadOnlyMemory<char>) || field.ClrType == typeof(long) || field.ClrType == typeof(int)) _fields.TryAdd(field.Path.FirstPart!, field);
    }

    public override IReadOnlyCollection<string> Columns => _fields.Keys;

    public override IEnumerable<AnnotationFields> Rows()
    {
        string[] wanted = [.. AnnotationSchema.Named.SelectMany(schema => schema.Required).Concat(["page_dir", "answer_type"]).Where(_fields.ContainsKey).Distinct()];
        for (int group = 0; group < _reader.RowGroupCount; group++)
        {
            using ParquetRowGroupReader rows = _reader.OpenRowGroupReader(group);
            Dictionary<string, IReadOnlyList<string>[]> columns = wanted.ToDictionary(name => name, name => Await(() => ReadAsync(rows, _fields[name])));
            for (long row = 0; row < rows.RowCount; row++) yield return new Row(columns, row);
        }
    }

    /// <summary>
    /// Waits for the library. Whatever it stumbles over in a damaged file (its exceptions are many, and some damage of the
    /// footer keeps it busy for ever) is invalid data.
    /// </summary>
    private static T Await<T>(Func<Task<T>> work)
    {
        try
        {
            return Task.Run(work).WaitAsync(s_deadline).GetAwaiter().GetResult();
        }
        catch (TimeoutException)
        {
            throw new InvalidDataException($"it is not a sound parquet file: nothing came of it in {s_deadline.TotalSeconds:F0} s");
        }
        catch (Exception damage) when (damage is not IOException)
        {
            throw new InvalidDataException($"it is not a sound parquet file: {damage.Message}", damage);
        }
    }

    /// <summary>The values of a column, a list for each row; a repetition level of 0 begins a row.</summary>
    private static async Task<IReadOnlyList<string>[]> ReadAsync(ParquetRowGroupReader rows, DataField field)
    {
        using RawColumnData column = await rows.ReadRawColumnDataBaseAsync(field).ConfigureAwait(false);
        IEnumerable<string?> values = column switch
        {
            RawColumnData<ReadOnlyMemory<char>> text => Texts(text),
            RawColumnData<long> numbers => Texts(numbers),
            RawColumnData<int> numbers => Texts(numbers),
            _ => throw new InvalidDataException($"the column {field.Name} cannot be read as text"),
        };
        int[] levels = field.MaxRepetitionLevel > 0 ? column.RepetitionLevels.ToArray() : [];
        List<string>[] texts = new List<string>[rows.RowCount];
        Array.Fill(texts, []);
        int at = 0, row = -1;
        foreach (string? value in values)
        {
            if (levels.Length == 0 || levels[at++] == 0) texts[++row] = [];
            if (value is not null) texts[row].Add(value);
        }
        return texts;

        IEnumerable<string?> Texts<T>(RawColumnData<T> column) where T : struct => field.MaxDefinitionLevel > 0
            ? column.NullableValues.Select(value => value is { } present ? Convert.ToString(present, CultureInfo.InvariantCulture) : null)
            : column.Values.ToArray().Select(value => Convert.ToString(value, CultureInfo.InvariantCulture));
    }

    public override void Dispose() => _reader.DisposeAsync().AsTask().GetAwaiter().GetResult();

    private sealed class Row(Dictionary<string, IReadOnlyList<string>[]> columns, long row) : AnnotationFields
    {
        public override IReadOnlyCollection<string> Names => columns.Keys;

        public override IReadOnlyList<string> this[string name] => columns.TryGetValue(name, out IReadOnlyList<string>[]? values) ? values[row] : [];
    }
}
