namespace Alpro.Data.Places;

/// <summary>A place, or a stretch of it, as a stream that can be read and sought.</summary>
/// <param name="place">The place; the stream disposes it.</param>
/// <param name="first">Where the stretch begins, in bytes.</param>
/// <param name="length">Its bytes; null: up to the end.</param>
/// <exception cref="PlaceException">The place is not there, or cannot be read.</exception>
public sealed class PlaceStream(Place place, long first = 0, long? length = null) : Stream
{
    private readonly long _length = length ?? place.Length - first;

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanSeek => true;

    /// <inheritdoc/>
    public override bool CanWrite => false;

    /// <inheritdoc/>
    public override long Length => _length;

    /// <inheritdoc/>
    public override long Position { get; set; }

    /// <summary>The file at an address, read from its front; nothing of it is cached.</summary>
    public static Stream Open(string address)
    {
        if (!Place.IsRemote(address))
            return new FileStream(address, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, FileOptions.SequentialScan);
        var place = Place.Open(address);
        place.ReadThrough();
        return new PlaceStream(place);
    }

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        int count = (int)Math.Min(buffer.Length, Math.Max(0, _length - Position));
        place.Read(first + Position, buffer[..count]);
        Position += count;
        return count;
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => Position = offset + origin switch
    {
        SeekOrigin.Begin => 0,
        SeekOrigin.Current => Position,
        _ => _length,
    };

    /// <inheritdoc/>
    public override void Flush() { }

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing) place.Dispose();
        base.Dispose(disposing);
    }
}
