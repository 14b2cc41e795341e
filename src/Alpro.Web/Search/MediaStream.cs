using Alpro.Data.Media;
using Alpro.Data.Places;

namespace Alpro.Web.Search;

/// <summary>The bytes of a clip, wherever they lie, as a stream that can be sought: a whole file, or a stretch of a shard.</summary>
internal sealed class MediaStream : Stream
{
    private readonly Place _place;
    private readonly long _first;

    /// <summary>Opens the clip.</summary>
    /// <param name="media">Where its bytes lie.</param>
    /// <exception cref="PlaceException">It is not there, or cannot be read.</exception>
    public MediaStream(MediaSource media)
    {
        _place = Place.Open(media.Path);
        (_first, Length) = (media.Offset, media.Length > 0 ? media.Length : _place.Length - media.Offset);
    }

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => false;

    public override long Length { get; }

    public override long Position { get; set; }

    public override int Read(Span<byte> buffer)
    {
        int count = (int)Math.Min(buffer.Length, Math.Max(0, Length - Position));
        _place.Read(_first + Position, buffer[..count]);
        Position += count;
        return count;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override long Seek(long offset, SeekOrigin origin) => Position = offset + origin switch
    {
        SeekOrigin.Begin => 0,
        SeekOrigin.Current => Position,
        _ => Length,
    };

    public override void Flush() { }

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing) _place.Dispose();
        base.Dispose(disposing);
    }
}
