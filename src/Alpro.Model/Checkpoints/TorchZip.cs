using System.Buffers.Binary;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Alpro.Model.Checkpoints;

/// <summary>One file of a zip archive, stored as it is.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Position">The first byte of its content.</param>
/// <param name="Length">Its length.</param>
/// <param name="Crc32">Its checksum; 0 where the writer kept none.</param>
internal sealed record ZipEntry(string Name, long Position, long Length, uint Crc32);

/// <summary>
/// PyTorch's zip format (1.6 and later): <c>name/data.pkl</c> is the structure, <c>name/data/K</c> the bytes of storage K,
/// uncompressed. The archive is read through its central directory, 64-bit sizes included.
/// </summary>
internal static class TorchZip
{
    private const int LargestDirectory = 64 << 20;
    private const uint EndSignature = 0x06054b50, End64Signature = 0x06064b50, Locator64Signature = 0x07064b50, EntrySignature = 0x02014b50,
        LocalSignature = 0x04034b50;

    /// <summary>Reads the structure, and how many bytes describe it.</summary>
    /// <exception cref="InvalidDataException">The file is damaged or is another kind of archive.</exception>
    public static (object? Root, long Bytes) Read(SafeFileHandle file)
    {
        Dictionary<string, ZipEntry> entries = ReadDirectory(file);
        string[] roots = [.. entries.Keys.Where(
            name => name.EndsWith("/data.pkl", StringComparison.Ordinal) && name.Count(c => c == '/') == 1)];
        if (roots.Length != 1) throw new InvalidDataException("it is a zip archive without the one data.pkl of a PyTorch checkpoint");
        string prefix = roots[0][..^"data.pkl".Length];
        if (entries.ContainsKey(prefix + "constants.pkl"))
            throw new InvalidDataException("it is a TorchScript program, not a checkpoint: save the module's state_dict() instead");
        if (entries.TryGetValue(prefix + "byteorder", out ZipEntry? order) && new PickleInput(file, order.Position,
            order.Position + order.Length).ReadByte() != 'l')
            throw new InvalidDataException("its numbers are big-endian, which is not read");

        var runs = new Dictionary<string, StoredRun>();
        ZipEntry pickle = entries[prefix + "data.pkl"];
        var unpickler = new RestrictedUnpickler(new PickleInput(file, pickle.Position, pickle.Position + pickle.Length),
            (key, element, count) =>
        {
            if (runs.TryGetValue(key, out StoredRun? known)) return known;
            if (!entries.TryGetValue($"{prefix}data/{key}", out ZipEntry? entry))
                throw new InvalidDataException($"the bytes of storage '{key}' are missing");
            if (entry.Length != count * element.Size)
                throw new InvalidDataException(
                    $"storage '{key}' has {entry.Length} bytes, but {count} elements of {element.Name} take {count * element.Size}");
            return runs[key] = new StoredRun(key, element, count)
            {
                Position = entry.Position,
                Crc32 = entry.Crc32 == 0 ? null : entry.Crc32,
            };
        });
        return (unpickler.Load(), pickle.Length);
    }

    private static Dictionary<string, ZipEntry> ReadDirectory(SafeFileHandle file)
    {
        (long position, long length, long count) = FindDirectory(file);
        if (position < 0 || length < 0 || length > LargestDirectory || position > RandomAccess.GetLength(file) - length
            || count > length / 46)
            throw new InvalidDataException("the zip directory at its end does not fit the file: it is damaged");
        byte[] directory = new byte[length];
        file.ReadExactly(directory, position);

        var headers = new List<(long Header, ZipEntry Entry)>();
        ReadOnlySpan<byte> rest = directory;
        for (long i = 0; i < count; i++)
        {
            (long header, ZipEntry entry, int taken) = ReadEntry(rest);
            headers.Add((header, entry));
            rest = rest[taken..];
        }
        headers.Sort((one, other) => one.Header.CompareTo(other.Header));
        return Locate(file, headers, position);
    }

    private static (long Position, long Length, long Count) FindDirectory(SafeFileHandle file)
    {
        long length = RandomAccess.GetLength(file);
        byte[] tail = new byte[Math.Min(length, 22 + ushort.MaxValue)];
        file.ReadExactly(tail, length - tail.Length);
        for (int at = tail.Length - 22; at >= 0; at--)
        {
            ReadOnlySpan<byte> end = tail.AsSpan(at);
            if (U32(end, 0) != EndSignature) continue;
            if (at < 20 || U32(tail, at - 20) != Locator64Signature) return (U32(end, 16), U32(end, 12), U16(end, 10));
            Span<byte> end64 = stackalloc byte[56];
            long end64Position = I64(tail, at - 20 + 8);
            if (end64Position < 0 || end64Position > length - 56) break;
            file.ReadExactly(end64, end64Position);
            if (U32(end64, 0) != End64Signature) break;
            return (I64(end64, 48), I64(end64, 40), I64(end64, 32));
        }
        throw new InvalidDataException("it begins as a zip archive but the directory at its end is missing: it is truncated");
    }

    private static (long Header, ZipEntry Entry, int Taken) ReadEntry(ReadOnlySpan<byte> directory)
    {
        if (directory.Length < 46 || U32(directory, 0) != EntrySignature)
            throw new InvalidDataException("the zip directory at its end is damaged");
        int nameLength = U16(directory, 28), extraLength = U16(directory, 30), taken = 46 + nameLength + extraLength + U16(directory, 32);
        if (directory.Length < taken) throw new InvalidDataException("the zip directory at its end is damaged");
        string name = Encoding.UTF8.GetString(directory.Slice(46, nameLength));
        long stored = U32(directory, 20), length = U32(directory, 24), header = U32(directory, 42);
        for (ReadOnlySpan<byte> extra = directory.Slice(46 + nameLength,
            extraLength); extra.Length >= 4; extra = extra[Math.Min(extra.Length, 4 + U16(extra, 2))..])
        {
            // the 64-bit field holds those of the three that do not fit above
            if (U16(extra, 0) != 1) continue;
            int at = 4;
            if (length == uint.MaxValue) length = Wide(extra, ref at);
            if (stored == uint.MaxValue) stored = Wide(extra, ref at);
            if (header == uint.MaxValue) header = Wide(extra, ref at);
        }
        if ((U16(directory, 8) & 1) != 0) throw new InvalidDataException($"'{name}' is encrypted");
        if (U16(directory, 10) != 0 || stored != length)
            throw new InvalidDataException(
                $"'{name}' is compressed; PyTorch stores it as it is. Unpack the archive and save it again with torch.save");
        return (header, new ZipEntry(name, 0, length, U32(directory, 16)), taken);

        static long Wide(ReadOnlySpan<byte> extra, ref int at) =>
            (at += 8) <= Math.Min(extra.Length, 4 + U16(extra, 2)) ? I64(extra, at - 8)
            : throw new InvalidDataException("the zip directory at its end is damaged");
    }

    /// <summary>
    /// Finds each content behind its local header, and checks that no two parts of the file overlap. So all together are no larger than the
    /// file.
    /// </summary>
    private static Dictionary<string, ZipEntry> Locate(SafeFileHandle file, List<(long Header, ZipEntry Entry)> headers, long directory)
    {
        var entries = new Dictionary<string, ZipEntry>();
        Span<byte> local = stackalloc byte[30];
        for (int i = 0; i < headers.Count; i++)
        {
            (long header, ZipEntry entry) = headers[i];
            long next = i + 1 < headers.Count ? headers[i + 1].Header : directory;
            if (header < 0 || header > next - local.Length || entry.Length < 0)
                throw new InvalidDataException($"'{entry.Name}' overlaps another part of the archive");
            file.ReadExactly(local, header);
            long position = header + local.Length + U16(local, 26) + U16(local, 28);
            if (U32(local, 0) != LocalSignature || entry.Length > next - position)
                throw new InvalidDataException(
                    $"'{entry.Name}' is not where the zip directory says, or overlaps another part of the archive");
            if (!entries.TryAdd(entry.Name, entry with { Position = position }))
                throw new InvalidDataException($"'{entry.Name}' is there twice");
        }
        return entries;
    }

    private static ushort U16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static uint U32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static long I64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadInt64LittleEndian(bytes[at..]);
}
