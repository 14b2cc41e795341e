using System.Buffers;
using System.Collections.Concurrent;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Alpro.Data.Places;

/// <summary>
/// What stores answered, on disk and bounded. A file holds the stretches that were fetched of one megabyte of one address, as records that
/// are only ever appended: a header, then the bytes. A record whose hash is wrong is as good as none. So processes may share the folder and
/// may be killed at any time. The files that were used least recently go first.
/// </summary>
/// <remarks>What lies at an address must not change: bytes of a media file are not asked for again.</remarks>
internal sealed class RangeCache
{
    private const int Segment = 1 << 20, FullestSegment = 4 * Segment, SweepEvery = 64;
    private const uint Magic = 0x31435241;                          // "ARC1"
    private const int InUse = 11;                                   // EWOULDBLOCK: somebody else writes the same file

    private static readonly ConcurrentDictionary<string, RangeCache> _caches = [];
    private static readonly int _headerLength = Marshal.SizeOf<Header>();

    private readonly string _folder;
    private readonly long _size;
    private readonly Lock _sweeping = new();
    private long _added;

    private RangeCache(string folder, long size)
    {
        (_folder, _size, _added) = (folder, size, size);            // others may have filled it: the first addition looks
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new DataException($"the cache folder {folder} cannot be made: {exception.Message}; set alpro.cache.folder", exception);
        }
    }

    /// <summary>What stands before the bytes of a record.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private record struct Header(uint Magic, int Length, long Start, long FileLength, ulong Hash)
    {
        public readonly ulong HashOf(ReadOnlySpan<byte> bytes) => XxHash3.HashToUInt64(bytes, Start ^ (FileLength << 20) ^ Length);
    }

    /// <summary>The cache below a folder; all that name it in this process share it.</summary>
    /// <exception cref="DataException">The folder cannot be made.</exception>
    public static RangeCache At(string folder, long size) =>
        _caches.GetOrAdd(Path.Combine(Path.GetFullPath(folder), "ranges"), static (path, size) => new(path, size), size);

    /// <summary>Copies what is held of an address from a position on; tells how many bytes.</summary>
    public int Read(string address, long position, Span<byte> bytes)
    {
        int done = 0;
        for (int more = 1; done < bytes.Length && more > 0; done += more) more = ReadRecord(address, position + done, bytes[done..]);
        return done;
    }

    /// <summary>The length of the file at an address; null where it is not known.</summary>
    public long? LengthOf(string address)
    {
        using SafeFileHandle? file = Open(PathOf(address, 0));
        return file is not null && ReadHeader(file, 0) is { } header ? header.FileLength : null;
    }

    /// <summary>
    /// Keeps bytes of an address. A disk that is full or cannot be written costs the copy alone; it is counted, and said once.
    /// </summary>
    public void Add(string address, long start, ReadOnlySpan<byte> bytes, long fileLength)
    {
        try
        {
            for (int done = 0; done < bytes.Length;)
            {
                long position = start + done;
                int count = (int)Math.Min(bytes.Length - done, Segment - position % Segment);
                Append(PathOf(address, position / Segment), position, bytes.Slice(done, count), fileLength);
                done += count;
            }
            if (Interlocked.Add(ref _added, bytes.Length) > _size / SweepEvery) Sweep();
        }
        catch (IOException exception) when (exception.HResult == InUse)
        {
            // What is not kept is asked for again.
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            DataMetrics.NotCached();
            StoreNews.SayUnwritable(_folder, exception.Message);
        }
    }

    private int ReadRecord(string address, long position, Span<byte> bytes)
    {
        string path = PathOf(address, position / Segment);
        using SafeFileHandle? file = Open(path);
        if (file is null) return 0;
        for (long at = 0; ReadHeader(file, at) is { } header; at += _headerLength + header.Length)
        {
            long inside = position - header.Start;
            if (inside < 0 || inside >= header.Length) continue;
            byte[] record = ArrayPool<byte>.Shared.Rent(header.Length);
            try
            {
                Span<byte> whole = record.AsSpan(0, header.Length);
                if (RandomAccess.Read(file, whole, at + _headerLength) < whole.Length || header.HashOf(whole) != header.Hash)
                {
                    File.Delete(path);
                    return 0;
                }
                File.SetLastWriteTimeUtc(path, TimeProvider.System.GetUtcNow().UtcDateTime);
                int count = (int)Math.Min(bytes.Length, header.Length - inside);
                whole.Slice((int)inside, count).CopyTo(bytes);
                return count;
            }
            catch (IOException)
            {
                return 0;                                           // it went while it was read
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(record);
            }
        }
        return 0;
    }

    /// <summary>Adds a record behind the last whole one; whoever is at the same file at this moment has the right of way.</summary>
    private static void Append(string path, long start, ReadOnlySpan<byte> bytes, long fileLength)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using SafeFileHandle file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        long end = 0;
        for (; ReadHeader(file, end) is { } held; end += _headerLength + held.Length)
            if (held.Start <= start && start + bytes.Length <= held.Start + held.Length) return;
        if (end > FullestSegment) end = 0;
        if (end < RandomAccess.GetLength(file)) RandomAccess.SetLength(file, end);        // a process died in the middle of a record
        Header header = new(Magic, bytes.Length, start, fileLength, 0);
        header.Hash = header.HashOf(bytes);
        byte[] record = ArrayPool<byte>.Shared.Rent(_headerLength + bytes.Length);
        MemoryMarshal.Write(record, header);
        bytes.CopyTo(record.AsSpan(_headerLength));
        RandomAccess.Write(file, record.AsSpan(0, _headerLength + bytes.Length), end);
        ArrayPool<byte>.Shared.Return(record);
    }

    /// <summary>Removes what was used least recently until an eighth is free. One process does that at a time.</summary>
    private void Sweep()
    {
        if (!_sweeping.TryEnter()) return;
        try
        {
            using SafeFileHandle alone = File.OpenHandle(Path.Combine(_folder, "lock"), FileMode.OpenOrCreate, FileAccess.Write,
                FileShare.None);
            Interlocked.Exchange(ref _added, 0);
            (string Path, long Length, long Used)[] files = [.. new DirectoryInfo(_folder).EnumerateFiles("*", SearchOption.AllDirectories)
                .Select(file => (file.FullName, file.Length, file.LastWriteTimeUtc.Ticks))];
            long held = files.Sum(file => file.Length), aim = _size - _size / SweepEvery;
            if (held <= aim) return;
            foreach ((string path, long length, _) in files.OrderBy(file => file.Used))
            {
                if (held <= _size - _size / 8) break;
                File.Delete(path);
                held -= length;
            }
        }
        finally
        {
            _sweeping.Exit();
        }
    }

    private static SafeFileHandle? Open(string path)
    {
        try
        {
            return File.Exists(path) ? File.OpenHandle(path, share: FileShare.ReadWrite | FileShare.Delete) : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>The header of the record at a position; null behind the last whole one.</summary>
    private static Header? ReadHeader(SafeFileHandle file, long at)
    {
        Header header = default;
        if (RandomAccess.Read(file, MemoryMarshal.AsBytes(new Span<Header>(ref header)), at) < _headerLength || header.Magic != Magic
            || header.Length is <= 0 or > Segment || at + _headerLength + header.Length > RandomAccess.GetLength(file)) return null;
        return header;
    }

    private string PathOf(string address, long segment)
    {
        string name = Convert.ToHexStringLower(XxHash128.Hash(Encoding.UTF8.GetBytes($"{segment}|{address}")));
        return Path.Combine(_folder, name[..2], name[2..]);
    }
}
