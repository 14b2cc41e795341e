using System.IO.MemoryMappedFiles;

namespace Alpro.Training.Search;

/// <summary>A file in memory, as far as it is read: opening costs the same whatever its length.</summary>
internal sealed unsafe class MappedFile : IDisposable
{
    private readonly MemoryMappedFile? _file;
    private readonly MemoryMappedViewAccessor? _view;
    private readonly byte* _bytes;

    /// <summary>Maps a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="length">Bytes that it must have.</param>
    /// <exception cref="IOException">It is not there, or has another length.</exception>
    public MappedFile(string path, long? length = null)
    {
        Length = new FileInfo(path).Length;
        if (length is { } expected && Length != expected) throw new IOException($"{path} has {Length} bytes; expected {expected}");
        if (Length == 0) return;
        _file = MemoryMappedFile.CreateFromFile(path, FileMode.Open, null, 0, MemoryMappedFileAccess.Read);
        _view = _file.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _bytes);
    }

    /// <summary>Its bytes.</summary>
    public long Length { get; }

    /// <summary>The first of them.</summary>
    public byte* Bytes => _bytes;

    /// <summary>A stretch of the file as values.</summary>
    public ReadOnlySpan<T> Span<T>(long start, int count) where T : unmanaged
    {
        if (start < 0 || count < 0 || start + (long)count * sizeof(T) > Length)
            throw new ArgumentOutOfRangeException(nameof(start), start, $"The file has {Length} bytes.");
        return new(_bytes + start, count);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_bytes is not null) _view!.SafeMemoryMappedViewHandle.ReleasePointer();
        _view?.Dispose();
        _file?.Dispose();
    }
}
