namespace Alpro.Data.Places;

/// <summary>A place as a stream that can be read and sought.</summary>
/// <param name="place">The place; the stream disposes it.</param>
internal sealed class PlaceStream(Place place) : Stream
{
    private readonly long _length = place.Length;

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => false;

    public override long Length => _length;

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

    public override int Read(Span<byte> buffer)
    {
        int count = (int)Math.Min(buffer.Length, Math.Max(0, _length - Position));
        place.Read(Position, buffer[..count]);
        Position += count;
        return count;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override long Seek(long offset, SeekOrigin origin) => Position = offset + origin switch
    {
        SeekOrigin.Begin => 0,
        SeekOrigin.Current => Position,
        _ => _length,
    };

    public override void Flush() { }

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing) place.Dispose();
        base.Dispose(disposing);
    }
}
