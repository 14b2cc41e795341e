using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Alpro.Data.Media;
using Alpro.Data.Places;
using Microsoft.Win32.SafeHandles;

namespace Alpro.Data.Corpora;

/// <summary>One row as the index keeps it.</summary>
/// <param name="Key">The row's own name.</param>
/// <param name="MediaPaths">
/// Path within the media folder; several where the file is looked for when it is visited. The full path of a shard that holds the media.
/// </param>
/// <param name="Offset">First byte of the stretch.</param>
/// <param name="Length">Bytes of the stretch; 0 for a whole file.</param>
/// <param name="Captions">Captions, or the question.</param>
/// <param name="Answer">Answer of a question; empty for none.</param>
/// <param name="AnswerType">Type of a question; empty for none.</param>
/// <param name="Packed">Where the frames lie in the stretch, of a packed corpus; null elsewhere.</param>
internal sealed record IndexedRow(string Key, IReadOnlyList<string> MediaPaths, long Offset, long Length, IReadOnlyList<string> Captions,
    string Answer, string AnswerType, PackedClip? Packed = null);

/// <summary>
/// What is known of the corpus as a whole. The rows of a packed one name its streams by their numbers; others have none. Of a shard that
/// was put in a store, what it is there.
/// </summary>
internal sealed record IndexSummary(string Fingerprint, string Content, MediaKind Kind, CorpusCoverage Coverage,
    IReadOnlyList<string> Problems, Dictionary<string, long> Listed, IReadOnlyList<PackedStream>? Streams = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] PlaceFacts? Shard = null);

/// <summary>
/// The usable rows of a corpus in one compact file, addressable by number: the rows, a table of where each begins, a summary. A row and its
/// place in the table are read when it is asked for; nothing is held or mapped. Another host may so replace the file on a network share:
/// that costs an error that can be caught.
/// </summary>
/// <remarks>
/// Layout, little-endian: magic, rows, table of (rows + 1) int64, summary as JSON; then table position, summary position and magic, 8 bytes
/// each.
/// </remarks>
internal sealed class RowIndex : IDisposable
{
    /// <summary>The first bytes of an index.</summary>
    public const string Name = "APROIX01";

    private const ulong Magic = 0x3130_5849_4F52_5041;          // the same as a number
    private const int TrailerLength = 24;

    private readonly SafeFileHandle _file;
    private readonly long _table;

    private RowIndex(SafeFileHandle file, long table, long summary, IndexSummary content)
    {
        (_file, _table, Summary) = (file, table, content);
        Count = (summary - table) / sizeof(long) - 1;
    }

    /// <summary>What is known of the corpus as a whole.</summary>
    public IndexSummary Summary { get; }

    /// <summary>Number of rows.</summary>
    public long Count { get; }

    /// <summary>The row with this number.</summary>
    public IndexedRow this[long row]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(row);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, Count);
            Span<long> ends = stackalloc long[2];
            if (!ReadFully(_file, MemoryMarshal.AsBytes(ends), _table + row * sizeof(long))) throw Cut(row);
            byte[] bytes = new byte[ends[1] - ends[0]];
            if (!ReadFully(_file, bytes, ends[0])) throw Cut(row);
            return Decode(new BinaryReader(new MemoryStream(bytes)));
        }
    }

    /// <summary>Opens an index file; null where there is none, it is damaged, or it was made of something else.</summary>
    /// <param name="path">The file.</param>
    /// <param name="fingerprint">What it must have been made of; null for anything.</param>
    public static RowIndex? TryOpen(string path, string? fingerprint)
    {
        if (!File.Exists(path)) return null;
        SafeFileHandle? file = null;
        try
        {
            file = File.OpenHandle(path);
            long length = RandomAccess.GetLength(file);
            Span<ulong> trailer = stackalloc ulong[TrailerLength / sizeof(ulong)];
            if (length < TrailerLength || !ReadFully(file, MemoryMarshal.AsBytes(trailer), length - TrailerLength) || trailer[2] != Magic)
                return null;
            (long table, long summary) = ((long)trailer[0], (long)trailer[1]);
            if (table < sizeof(ulong) || summary < table + sizeof(long) || summary > length - TrailerLength) return null;
            byte[] json = new byte[length - TrailerLength - summary];
            if (!ReadFully(file, json, summary) || JsonSerializer.Deserialize<IndexSummary>(json) is not { } content
                || (fingerprint is not null && content.Fingerprint != fingerprint)) return null;
            RowIndex index = new(file, table, summary, content);
            file = null;
            return index;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;                                            // it is made again
        }
        finally
        {
            file?.Dispose();
        }
    }

    /// <summary>What an index was made of, wherever it lies; null where there is none, or it is damaged.</summary>
    public static string? FingerprintAt(string address)
    {
        try
        {
            using var place = Place.Open(address);
            long length = place.Length;
            if (length < TrailerLength) return null;
            Span<ulong> trailer = stackalloc ulong[TrailerLength / sizeof(ulong)];
            place.Read(length - TrailerLength, MemoryMarshal.AsBytes(trailer));
            if (trailer[2] != Magic || trailer[1] > (ulong)(length - TrailerLength)) return null;
            byte[] json = new byte[length - TrailerLength - (long)trailer[1]];
            place.Read((long)trailer[1], json);
            return JsonSerializer.Deserialize<IndexSummary>(json)?.Fingerprint;
        }
        catch (PlaceException exception) when (exception.Fault == PlaceFault.Missing)
        {
            return null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private static EndOfStreamException Cut(long row) => new($"The corpus index ends inside row {row}.");

    private static bool ReadFully(SafeFileHandle file, Span<byte> bytes, long position)
    {
        for (int read = 0; read < bytes.Length;)
        {
            int more = RandomAccess.Read(file, bytes[read..], position + read);
            if (more == 0) return false;
            read += more;
        }
        return true;
    }

    private IndexedRow Decode(BinaryReader reader)
    {
        return new IndexedRow(reader.ReadString(), ReadList(), reader.Read7BitEncodedInt64(), reader.Read7BitEncodedInt64(), ReadList(),
            reader.ReadString(), reader.ReadString(),
            reader.BaseStream.Position < reader.BaseStream.Length
            ? PackedClip.Read(reader, Summary.Streams![reader.Read7BitEncodedInt()]) : null);

        string[] ReadList()
        {
            string[] texts = new string[reader.Read7BitEncodedInt()];
            for (int i = 0; i < texts.Length; i++) texts[i] = reader.ReadString();
            return texts;
        }
    }

    /// <summary>Writes an index aside; <see cref="Finish"/> puts it in its place.</summary>
    public sealed class Writer : IDisposable
    {
        private readonly string _path, _aside;
        private readonly FileStream _file;
        private readonly MemoryStream _row = new();
        private readonly BinaryWriter _fields;
        private readonly List<long> _begins = [];
        private readonly List<ulong> _hashes = [];
        private readonly XxHash128 _content = new();
        private readonly Dictionary<string, int> _streamNumbers = [];
        private readonly List<PackedStream> _streams = [];
        private long _position;

        /// <summary>Begins an index at a path; nothing appears there before it is finished.</summary>
        public Writer(string path)
        {
            _path = path;
            _aside = $"{path}.{Guid.NewGuid():N}.tmp";       // nodes that share the folder may build it at once
            _file = new FileStream(_aside, FileMode.Create, FileAccess.Write, FileShare.None, 1 << 20);
            _fields = new BinaryWriter(_row, Encoding.UTF8);
            _file.Write(BitConverter.GetBytes(Magic));
            _position = sizeof(ulong);
        }

        /// <summary>Rows that were equal to an earlier one.</summary>
        public long Duplicates()
        {
            ulong[] hashes = [.. _hashes];
            Array.Sort(hashes);
            long duplicates = 0;
            for (int i = 1; i < hashes.Length; i++)
                if (hashes[i] == hashes[i - 1]) duplicates++;
            return duplicates;
        }

        /// <summary>A hash of what the rows so far say, wherever their media lies: <see cref="VideoTextCorpus.Content"/>.</summary>
        public string Content => Convert.ToHexStringLower(_content.GetCurrentHash());

        /// <summary>Adds a row.</summary>
        public void Add(IndexedRow row)
        {
            _row.SetLength(0);
            _fields.Write(row.Key);
            WriteList(row.MediaPaths);
            _fields.Write7BitEncodedInt64(row.Offset);
            _fields.Write7BitEncodedInt64(row.Length);
            WriteList(row.Captions);
            _fields.Write(row.Answer);
            _fields.Write(row.AnswerType);
            if (row.Packed is { } packed)
            {
                _fields.Write7BitEncodedInt(NumberOf(packed.Stream));
                packed.Write(_fields);
                _content.Append(BitConverter.GetBytes(packed.Hash));
            }
            ReadOnlySpan<byte> bytes = _row.GetBuffer().AsSpan(0, (int)_row.Length);
            _begins.Add(_position);
            _hashes.Add(XxHash3.HashToUInt64(bytes));
            _content.Append(Encoding.UTF8.GetBytes(string.Join('\0', [row.Key, .. row.Captions, row.Answer, row.AnswerType, ""])));
            _file.Write(bytes);
            _position += bytes.Length;

            void WriteList(IReadOnlyList<string> texts)
            {
                _fields.Write7BitEncodedInt(texts.Count);
                foreach (string text in texts) _fields.Write(text);
            }
        }

        private int NumberOf(PackedStream stream)
        {
            string name = $"{stream.Codec}{Convert.ToHexString(stream.Header)}";
            if (_streamNumbers.TryAdd(name, _streams.Count)) _streams.Add(stream);
            return _streamNumbers[name];
        }

        /// <summary>Completes the file and moves it to its place, replacing an earlier one.</summary>
        public void Finish(IndexSummary summary)
        {
            _begins.Add(_position);
            ReadOnlySpan<byte> table = MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(_begins));
            _file.Write(table);
            JsonSerializer.Serialize(_file, _streams.Count > 0 ? summary with { Streams = _streams } : summary);
            _file.Write(MemoryMarshal.AsBytes<ulong>([(ulong)_position, (ulong)(_position + table.Length), Magic]));
            _file.Dispose();
            File.Move(_aside, _path, overwrite: true);
        }

        /// <summary>Removes what was not finished.</summary>
        public void Dispose()
        {
            _file.Dispose();
            _fields.Dispose();
            File.Delete(_aside);
        }
    }
}
