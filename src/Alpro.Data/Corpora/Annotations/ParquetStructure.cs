using System.Buffers.Binary;

namespace Alpro.Data.Corpora.Annotations;

/// <summary>
/// Checks the footer and the page headers of a parquet file before the library reads them, for the library believes them. Where they are
/// damaged, it reads on for ever behind their end, makes room for whatever number they name, or overflows its stack. What passes here is as
/// the format has it, ends where it should, and claims nothing beyond the file.
/// </summary>
internal sealed class ParquetStructure
{
    /// <summary>The most values of a column in a row group: 16 bytes each are taken for them.</summary>
    private const int MostValues = 1 << 27;

    private const int DeepestSchema = 32, FirstPiece = 4096;

    /// <summary>
    /// The structures of the format by name: what their fields 1, 2, … are. Fields that are not known here are numbers or text, which the
    /// library passes over.
    /// </summary>
    private static readonly Dictionary<string, string[]> _structures = """
        File int [Element] long [Group] [Pair] text [Order] - text
        Pair text text
        Order Empty Empty
        Element int int int text int int int int int Logical
        Logical Empty Empty Empty Empty Decimal Empty Time Time - Integer Empty Empty Empty Empty Empty Variant Geometry Geography
        Decimal int int
        Time bool Unit
        Unit Empty Empty Empty
        Integer byte bool
        Variant byte
        Geometry text
        Geography text int
        Empty
        Group [Chunk] long long [Sorting] long long short
        Sorting int bool bool
        Chunk text long Column long int long int - text
        Column int [int] [text] int long long long [Pair] long long long Statistics [Encoding] long int Sizes Places
        Statistics text text long long text text bool bool
        Encoding int int int
        Sizes long [long] [long]
        Places Box [int]
        Box double double double double double double double double
        Page int int int int Data Empty Dictionary Data2
        Data int int int int Statistics
        Dictionary int int bool
        Data2 int int int int int int bool Statistics
        """.Split('\n').Select(line => line.Split(' ')).ToDictionary(words => words[0], words => words[1..]);

    private static readonly Dictionary<string, int> _types = new()
    {
        ["byte"] = 3, ["short"] = 4, ["int"] = 5, ["long"] = 6, ["double"] = 7, ["text"] = 8,
    };

    private readonly byte[] _bytes;
    private int _at;

    private ParquetStructure(byte[] bytes) => _bytes = bytes;

    /// <summary>Checks a file; where the stream stands does not matter.</summary>
    /// <returns>Where the columns of the row groups end, by where they begin.</returns>
    /// <exception cref="InvalidDataException">The file is no parquet file, or a damaged one.</exception>
    /// <exception cref="EndOfStreamException">The file is cut off.</exception>
    public static Dictionary<long, long> Check(Stream stream)
    {
        byte[] tail = Piece(stream, Math.Max(0, stream.Length - 8), 8);
        int length = tail.Length < 8 || !tail.AsSpan(4).SequenceEqual("PAR1"u8) ? -1 : BinaryPrimitives.ReadInt32LittleEndian(tail);
        if (length < 0 || length > stream.Length - 12) throw Unsound("its last eight bytes are not those of one");
        var footer = new ParquetStructure(Piece(stream, stream.Length - 8 - length, length));
        Dictionary<int, object?> file = footer.Structure("File");
        CheckSchema(Structures(file, 2));
        Dictionary<long, long> ends = [];
        foreach (Dictionary<int, object?> group in Structures(file, 4))
            foreach (Dictionary<int, object?> chunk in Structures(group, 1))
                if (chunk.GetValueOrDefault(3) is Dictionary<int, object?> column)
                    ends[Begin(column)] = EndOfPages(stream, column, Number(group, 3));
        return ends;
    }

    /// <summary>Where a column begins, of the offsets of its pages: 0 where it has none of a kind.</summary>
    public static long Begin(params long[] offsets) => offsets.Where(offset => offset != 0).DefaultIfEmpty().Min();

    private static long Begin(Dictionary<int, object?> column) => Begin(Number(column, 9), Number(column, 10), Number(column, 11));

    /// <summary>The schema is a tree, written as its elements with their numbers of children.</summary>
    private static void CheckSchema(IEnumerable<Dictionary<int, object?>> elements)
    {
        Stack<long> left = new([1]);
        foreach (Dictionary<int, object?> element in elements)
        {
            while (left.TryPeek(out long siblings) && siblings == 0) left.Pop();
            if (left.Count is 0 or > DeepestSchema) throw Unsound("its schema is no tree, or a very deep one");
            left.Push(left.Pop() - 1);
            if (Number(element, 5) is > 0 and var children) left.Push(children);
        }
        if (left.Any(siblings => siblings > 0)) throw Unsound("its schema lacks elements");
    }

    /// <summary>The pages of a column lie one after another, and have its values together.</summary>
    private static long EndOfPages(Stream stream, Dictionary<int, object?> column, long rows)
    {
        long values = Number(column, 5);
        if (values is < 0 or > MostValues || rows < 0 || rows > values)
            throw Unsound($"a row group of {rows} rows has a column of {values} values; {MostValues} are the most");
        long position = Begin(column);
        for (long found = 0; found < values;)
        {
            (Dictionary<int, object?> page, int header) = Page(stream, position);
            position += header;
            long compressed = Number(page, 3);
            if (compressed < 0 || compressed > stream.Length - position || Number(page, 2) < 0)
                throw Unsound($"a page at byte {position} is larger than the file");
            position += compressed;
            int kind = Number(page, 1) switch { 0 => 5, 2 => 7, 3 => 8, var other => throw Unsound($"a page is of type {other}") };
            if (page.GetValueOrDefault(kind) is not Dictionary<int, object?> content) throw Unsound("a page lacks its own header");
            long count = Number(content, 1);
            if (count < 0 || count > values || kind != 7 && count > values - found)
                throw Unsound($"a page of {count} values is in a column of {values}");
            if (kind != 7) found += count;
        }
        return position;
    }

    private static (Dictionary<int, object?> Page, int Length) Page(Stream stream, long position)
    {
        if (position < 4 || position >= stream.Length) throw Unsound($"a page is said to be at byte {position}");
        for (long length = FirstPiece; ; length *= 16)
        {
            var header = new ParquetStructure(Piece(stream, position,
                (int)Math.Min(length, Math.Min(stream.Length - position, Array.MaxLength))));
            try
            {
                return (header.Structure("Page"), header._at);
            }
            catch (EndOfStreamException) when (header._bytes.Length == length)
            {
                continue;                                            // it is longer than that
            }
        }
    }

    private static byte[] Piece(Stream stream, long position, int length)
    {
        byte[] bytes = new byte[length];
        stream.Position = position;
        return stream.ReadAtLeast(bytes, length, throwOnEndOfStream: false) == length ? bytes : throw Cut();
    }

    private static IEnumerable<Dictionary<int, object?>> Structures(Dictionary<int, object?> of, int field) =>
        of.GetValueOrDefault(field) is List<object?> list ? list.Cast<Dictionary<int, object?>>() : [];

    private static long Number(Dictionary<int, object?> of, int field) => of.GetValueOrDefault(field) is long number ? number : 0;

    private Dictionary<int, object?> Structure(string name)
    {
        string[] fields = _structures[name];
        var values = new Dictionary<int, object?>();
        for (int id = 0; Byte() is not 0 and var head;)
        {
            id = head >> 4 is not 0 and var step ? id + step : (short)ZigZag();
            values[id] = Value(id >= 1 && id <= fields.Length ? fields[id - 1] : "-", head & 15);
        }
        return values;
    }

    private object? Value(string kind, int type)
    {
        bool fits = kind switch
        {
            "-" => type is >= 1 and <= 9,
            "bool" => type is 1 or 2,
            ['[', ..] => type == 9,
            _ => type == _types.GetValueOrDefault(kind, 12),
        };
        if (!fits) throw Unsound($"its structure has something of type {type} in place of {kind}");
        switch (type)
        {
            case 1 or 2: return null;
            case 3: return (long)Byte();
            case 4 or 5 or 6: return ZigZag();
            case 7: return Skip(8);
            case 8: return Skip(Varint());
            case 9: return List(kind == "-" ? "-" : kind[1..^1]);
            default: return Structure(kind);
        }
    }

    private List<object?> List(string kind)
    {
        int head = Byte();
        ulong count = head >> 4 == 15 ? Varint() : (ulong)(head >> 4);
        if (count > (ulong)(_bytes.Length - _at)) throw Cut();          // each has a byte at least
        if (count > 0 && kind == "-" && (head & 15) is < 3 or > 8) throw Unsound("its structure has a list that is not known");
        var items = new List<object?>((int)count);
        for (ulong i = 0; i < count; i++) items.Add(Value(kind, head & 15));
        return items;
    }

    private byte Byte() => _at < _bytes.Length ? _bytes[_at++] : throw Cut();

    private object? Skip(ulong count)
    {
        if (count > (ulong)(_bytes.Length - _at)) throw Cut();
        _at += (int)count;
        return null;
    }

    private ulong Varint()
    {
        ulong value = 0;
        for (int shift = 0; shift < 64; shift += 7)
        {
            byte next = Byte();
            value |= (ulong)(next & 127) << shift;
            if (next < 128) return value;
        }
        throw Unsound("a number in its structure has no end");
    }

    private long ZigZag() => Varint() is var value ? (long)(value >> 1) ^ -(long)(value & 1) : 0;

    private static EndOfStreamException Cut() => new("it is not a sound parquet file: its structure is cut off");

    private static InvalidDataException Unsound(string what) => new($"it is not a sound parquet file: {what}");
}
