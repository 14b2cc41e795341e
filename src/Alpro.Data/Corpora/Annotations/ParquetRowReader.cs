using System.Globalization;
using Parquet;
using Parquet.Data;
using Parquet.Meta;
using Parquet.Schema;

namespace Alpro.Data.Corpora.Annotations;

/// <summary>
/// Reads a parquet file with the columns of one of the other formats, a row group at a time: text, integers and lists of text.
/// </summary>
internal sealed class ParquetRowReader : AnnotationReader
{
    private readonly ParquetReader _reader;
    private readonly BoundedStream _stream;
    private readonly Dictionary<long, long> _ends;
    private readonly Dictionary<string, DataField> _fields = [];
    private readonly IEnumerable<string> _wanted;

    /// <summary>A reader of a file.</summary>
    /// <param name="stream">The file.</param>
    /// <param name="wanted">The columns to read; null for those of the formats.</param>
    public ParquetRowReader(Stream stream, IEnumerable<string>? wanted = null)
    {
        _stream = new(stream);
        _wanted = wanted ?? AnnotationFormat.Recognisable.SelectMany(columns => columns.Required.Concat(columns.Optional));
        _ends = ParquetStructure.Check(stream);
        _reader = Await(() => ParquetReader.CreateAsync(_stream, leaveStreamOpen: false));
        foreach (DataField field in Await(() => Task.FromResult(_reader.Schema.DataFields)))
            if (field.ClrType == typeof(ReadOnlyMemory<char>) || field.ClrType == typeof(long) || field.ClrType == typeof(int))
                _fields.TryAdd(field.Path.FirstPart!, field);
    }

    public override IReadOnlyCollection<string> Names => _fields.Keys;

    public override IEnumerable<AnnotationFields> Rows()
    {
        string[] wanted = [.. _wanted.Where(_fields.ContainsKey).Distinct()];
        for (int group = 0; group < _reader.RowGroupCount; group++)
        {
            using ParquetRowGroupReader rows = _reader.OpenRowGroupReader(group);
            Dictionary<string, IReadOnlyList<string>[]> columns =
                wanted.ToDictionary(name => name, name => Await(() => ReadAsync(rows, _fields[name])));
            for (long row = 0; row < rows.RowCount; row++) yield return new Row(columns, row);
        }
    }

    /// <summary>Waits for the library. Whatever it stumbles over in a damaged file, and its exceptions are many, is invalid data.</summary>
    private static T Await<T>(Func<Task<T>> work)
    {
        try
        {
            return Task.Run(work).GetAwaiter().GetResult();
        }
        catch (Exception exception) when (exception is EndOfStreamException or not IOException)
        {
            throw new InvalidDataException($"it is not a sound parquet file: {exception.Message}", exception);
        }
    }

    /// <summary>The values of a column, a list for each row; a repetition level of 0 begins a row.</summary>
    private async Task<IReadOnlyList<string>[]> ReadAsync(ParquetRowGroupReader rows, DataField field)
    {
        ColumnMetaData about = rows.GetMetadata(field)?.MetaData
            ?? throw new InvalidDataException($"the column {field.Name} is not in every row group");
        _stream.End = _ends[ParquetStructure.Begin(about.DataPageOffset, about.IndexPageOffset ?? 0, about.DictionaryPageOffset ?? 0)];
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
        int at = 0, row = -1;
        foreach (string? value in values)
        {
            if (levels.Length == 0 || levels[at++] == 0) texts[++row] = [];
            if (value is not null) texts[row].Add(value);
        }
        return row + 1 == texts.Length ? texts
            : throw new InvalidDataException($"the column {field.Name} has {row + 1} rows where its row group has {texts.Length}");

        IEnumerable<string?> Texts<T>(RawColumnData<T> column) where T : struct => field.MaxDefinitionLevel > 0
            ? column.NullableValues.Select(value => value is { } present ? Convert.ToString(present, CultureInfo.InvariantCulture) : null)
            : column.Values.ToArray().Select(value => Convert.ToString(value, CultureInfo.InvariantCulture));
    }

    public override void Dispose() => _reader.DisposeAsync().AsTask().GetAwaiter().GetResult();

    private sealed class Row(Dictionary<string, IReadOnlyList<string>[]> columns, long row) : AnnotationFields
    {
        public override IReadOnlyCollection<string> Names => columns.Keys;

        public override IReadOnlyList<string> this[string name] =>
            columns.TryGetValue(name, out IReadOnlyList<string>[]? values) ? values[row] : [];
    }

    /// <summary>
    /// A stream that ends where what is read ends. The library goes on behind the last page of a column that has fewer values than it says.
    /// Behind the end of a file it goes on for ever.
    /// </summary>
    private sealed class BoundedStream(Stream stream) : Stream
    {
        public long End { get; set; } = stream.Length;

        public override bool CanRead => true;

        public override bool CanSeek => true;

        public override bool CanWrite => false;

        public override long Length => stream.Length;

        public override long Position { get => stream.Position; set => stream.Position = value; }

        public override int Read(Span<byte> buffer)
        {
            if (buffer.Length > 0 && Position >= End) throw new EndOfStreamException("it has fewer values than it says");
            return stream.Read(buffer[..(int)Math.Min(buffer.Length, End - Position)]);
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override long Seek(long offset, SeekOrigin origin) => stream.Seek(offset, origin);

        public override void Flush() { }

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing) stream.Dispose();
            base.Dispose(disposing);
        }
    }
}
