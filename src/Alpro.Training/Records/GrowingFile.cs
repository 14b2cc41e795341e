using System.Text;

namespace Alpro.Training.Records;

/// <summary>
/// A file that grows by whole entries. What cannot be written, to a full disk say, waits in memory in its order and is tried again. Nothing
/// of an entry stays in the file unless the whole entry is there.
/// </summary>
/// <param name="path">The file; it is made with the first entry.</param>
internal sealed class GrowingFile(string path) : IDisposable
{
    private readonly Queue<byte[]> _waiting = new();
    private FileStream? _stream;
    private long _end;

    /// <summary>Entries that are not in the file yet.</summary>
    public int Waiting => _waiting.Count;

    /// <summary>Adds an entry, which <see cref="Flush"/> writes.</summary>
    public void Add(byte[] entry) => _waiting.Enqueue(entry);

    /// <summary>Adds a line.</summary>
    public void AddLine(string line) => Add(Encoding.UTF8.GetBytes(line + "\n"));

    /// <summary>Writes what waits.</summary>
    /// <exception cref="IOException">It cannot be written: it waits on, and the file is as it was.</exception>
    /// <exception cref="UnauthorizedAccessException">The same.</exception>
    public void Flush()
    {
        if (_waiting.Count == 0) return;
        if (_stream is null)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            _stream = new(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            _end = _stream.Length;
        }
        for (; _waiting.TryPeek(out byte[]? entry); _waiting.Dequeue())
        {
            if (_stream.Length != _end) _stream.SetLength(_end);     // part of it came there when it was tried last
            _stream.Position = _end;
            _stream.Write(entry);
            _end += entry.Length;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _stream?.Dispose();
}
