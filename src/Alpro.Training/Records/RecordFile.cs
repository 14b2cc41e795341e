using System.Text.Json;
using Alpro.Training.Configuration;

namespace Alpro.Training.Records;

/// <summary>
/// A file of records, a line of JSON each, of any length. A last line without its end, which a crash cut short, is no record. Any other
/// that is no record is named with its number.
/// </summary>
/// <typeparam name="T">The records.</typeparam>
internal static class RecordFile<T> where T : class
{
    private const int FirstBlock = 1 << 16, LongestLine = 1 << 26;

    /// <summary>The records in order, one after another; none where there is no file.</summary>
    /// <exception cref="ConfigException">A line is no record.</exception>
    public static IEnumerable<T> Read(string file) => ReadFrom(file, 0).Select(line => line.Record);

    /// <summary>The records from a place in the file on, each with the place where its line begins and the one after it.</summary>
    /// <exception cref="ConfigException">A line is no record.</exception>
    public static IEnumerable<(T Record, long Begin, long End)> ReadFrom(string file, long place)
    {
        if (!File.Exists(file)) yield break;
        using FileStream stream = Open(file, FileMode.Open, FileAccess.Read);
        stream.Position = place;
        byte[] block = new byte[FirstBlock];
        for (int filled = 0; stream.Read(block, filled, block.Length - filled) is > 0 and var read;)
        {
            filled += read;
            int from = 0;
            for (int length; (length = block.AsSpan(from, filled - from).IndexOf((byte)'\n')) >= 0; from += length + 1)
            {
                T record = Parse(block.AsSpan(from, length)) ?? throw Bad(file, LinesBefore(stream, place) + 1);
                (long begin, place) = (place, place + length + 1);
                yield return (record, begin, place);
            }
            block.AsSpan(from, filled - from).CopyTo(block);
            filled -= from;
            if (filled < block.Length) continue;
            if (filled >= LongestLine) throw Bad(file, LinesBefore(stream, place) + 1);
            Array.Resize(ref block, 2 * block.Length);
        }
    }

    /// <summary>The last record; null where there is none. What comes before is not read.</summary>
    /// <exception cref="ConfigException">The last whole line is no record.</exception>
    public static T? Last(string file)
    {
        if (!File.Exists(file)) return null;
        using FileStream stream = Open(file, FileMode.Open, FileAccess.Read);
        return Last(stream, static _ => true).Record;
    }

    /// <summary>
    /// Takes away what comes after the last record that stays; of those before no more is read than it takes to find that one.
    /// </summary>
    /// <param name="file">The file; it is made where there is none.</param>
    /// <param name="stays">Whether a record stays: all of them, up to one from which on none does.</param>
    /// <exception cref="ConfigException">A line is no record.</exception>
    public static void Cut(string file, Func<T, bool> stays)
    {
        using FileStream stream = Open(file, FileMode.OpenOrCreate, FileAccess.ReadWrite);
        stream.SetLength(Last(stream, stays).End);
    }

    private static FileStream Open(string file, FileMode mode, FileAccess access) => new(file, mode, access,
        FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);

    /// <summary>The last record that stays, and where its line ends: looked for in ever larger blocks at the end of the file.</summary>
    private static (T? Record, long End) Last(FileStream stream, Func<T, bool> stays)
    {
        for (long size = FirstBlock; ; size *= 2)
        {
            long begin = Math.Max(0, stream.Length - size);
            byte[] block = new byte[stream.Length - begin];
            stream.Position = begin;
            stream.ReadExactly(block);
            int from = begin == 0 ? 0 : Array.IndexOf(block, (byte)'\n') + 1;        // the line before may have begun outside
            (T? last, long end) = (null, 0);
            for (int length; (begin == 0 || from > 0) && (length = block.AsSpan(from).IndexOf((byte)'\n')) >= 0; from += length + 1)
            {
                T record = Parse(block.AsSpan(from, length)) ?? throw Bad(stream.Name, LinesBefore(stream, begin + from) + 1);
                if (!stays(record)) break;
                (last, end) = (record, begin + from + length + 1);
            }
            if (last is not null || begin == 0) return (last, end);
        }
    }

    private static T? Parse(ReadOnlySpan<byte> line)
    {
        try
        {
            return JsonSerializer.Deserialize<T>(line, RunLog.Json);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static ConfigException Bad(string file, int line) =>
        new(file, [new("", line, "is no record of a run: the file was changed or damaged; put it back, or take the line out")]);

    private static int LinesBefore(FileStream stream, long position)
    {
        byte[] block = new byte[FirstBlock];
        stream.Position = 0;
        int lines = 0;
        for (long left = position; left > 0 && stream.Read(block, 0, (int)Math.Min(left, block.Length)) is > 0 and var read; left -= read)
            lines += block.AsSpan(0, read).Count((byte)'\n');
        return lines;
    }
}
