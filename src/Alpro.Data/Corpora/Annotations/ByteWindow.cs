namespace Alpro.Data.Corpora.Annotations;

/// <summary>
/// A sliding window over a stream: bytes are looked at in place, by position from the window's first byte, and dropped when used.
/// </summary>
internal sealed class ByteWindow(Stream stream) : IDisposable
{
    /// <summary>The longest row there can be: what is longer has a quote or brace that is never closed.</summary>
    public const int MaxRow = 16 << 20;

    private byte[] _buffer = new byte[1 << 20];
    private int _start, _end;

    /// <summary>The bytes that are in memory and not yet dropped.</summary>
    public ReadOnlySpan<byte> Bytes => _buffer.AsSpan(_start, _end - _start);

    /// <summary>Whether there is a byte at a position; reads on as needed.</summary>
    public bool Has(int position)
    {
        while (position >= _end - _start)
            if (!Fill()) return false;
        return true;
    }

    /// <summary>
    /// The position of the first of some bytes at or after a position, or -1 where the stream, or the longest row, ends without one.
    /// </summary>
    public int IndexOfAny(int from, ReadOnlySpan<byte> wanted)
    {
        while (Has(from))
        {
            int found = Bytes[from..].IndexOfAny(wanted);
            if (found >= 0) return from + found;
            if ((from = Bytes.Length) > MaxRow) return -1;
        }
        return -1;
    }

    /// <summary>Drops bytes from the window's beginning.</summary>
    public void Skip(int count) => _start = Math.Min(_start + count, _end);

    private bool Fill()
    {
        if (_end == _buffer.Length)
        {
            if (_start < _buffer.Length / 2) Array.Resize(ref _buffer, _buffer.Length * 2);
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            (_start, _end) = (0, _end - _start);
        }
        int read = stream.Read(_buffer, _end, _buffer.Length - _end);
        _end += read;
        return read > 0;
    }

    public void Dispose() => stream.Dispose();
}
