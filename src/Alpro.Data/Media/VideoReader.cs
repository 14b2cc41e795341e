using System.Diagnostics.CodeAnalysis;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Alpro.Data.Places;

namespace Alpro.Data.Media;

/// <summary>
/// Reads frames of videos and images in this process. Only the packets that wanted frames depend on are decoded, in one thread. Frames are
/// turned as the file asks, and scaled as FFmpeg's <c>scale</c> filter does, bit for bit. Allocates nothing per clip.
/// </summary>
/// <remarks>Embedded EXIF orientation of images is not applied, as in the reference's loader.</remarks>
public sealed class VideoReader : IFrameReader
{
    private const int MaxRanges = 4096;

    private readonly NativeDecoder.ReaderHandle _reader;
    private readonly PlaceSettings _places;
    private GCHandle _self;
    private Place? _place;
    private ByteRange[]? _ranges;
    private long _end;
    private Exception? _trouble;
    private string _path = "";
    private VideoInfo _info;

    /// <summary>A reader within limits.</summary>
    /// <exception cref="InvalidOperationException">The native library is not available.</exception>
    public VideoReader(DecodeLimits limits)
    {
        if (!NativeDecoder.IsAvailable)
            throw new InvalidOperationException($"Videos cannot be decoded in this process: {NativeDecoder.WhyNot}");
        long deadline = (long)Math.Min(limits.Deadline.TotalNanoseconds, long.MaxValue / 4);
        _reader = NativeDecoder.New(new(deadline, limits.MaxPixels, limits.MaxPackets));
        (_places, _self) = (limits.Places, GCHandle.Alloc(this, GCHandleType.Weak));
    }

    /// <summary>What the last call to <see cref="Open"/> and to <see cref="Read"/> took.</summary>
    internal DecodeStatistics Statistics
    {
        get
        {
            NativeDecoder.Statistics(_reader, out DecodeStatistics statistics);
            return statistics;
        }
    }

    DecodeStatistics? IFrameReader.Statistics => Statistics;

    /// <inheritdoc/>
    public VideoInfo Open(MediaSource media)
    {
        Close();
        _path = Place.NameOf(media.Path);
        Check(OpenClip(media, out NativeDecoder.Info info));
        return _info = new VideoInfo(info.FrameCount, info.FrameRate, info.Width, info.Height, info.Rotation);
    }

    /// <inheritdoc/>
    public void Fetch(ReadOnlySpan<int> indices)
    {
        if (_place is null) return;
        ArraySegment<ByteRange> ranges = RangesOf(indices);
        PlaceMedia.Guarded(() => _place.Fetch(ranges));
    }

    /// <summary>The stretches of the open file that decoding these frames reads, ascending; valid until the next call.</summary>
    internal ArraySegment<ByteRange> RangesOf(ReadOnlySpan<int> indices)
    {
        _ranges ??= new ByteRange[MaxRanges];
        int count = NativeDecoder.Ranges(_reader, indices, indices.Length, _ranges, MaxRanges);
        _ranges.AsSpan(0, count).Sort(static (a, b) => a.Start.CompareTo(b.Start));
        return new(_ranges, 0, count);
    }

    /// <inheritdoc/>
    public IReadOnlyList<int> KeyFrames()
    {
        int[] frames = new int[NativeDecoder.KeyFrames(_reader, [], 0)];
        NativeDecoder.KeyFrames(_reader, frames, frames.Length);
        return frames;
    }

    /// <inheritdoc/>
    public void Read(ReadOnlySpan<int> indices, int width, int height, ResizeFilter filter, Span<byte> pixels_THWC)
    {
        FrameReaders.CheckRequest(_info, indices, width, height, pixels_THWC.Length);
        Fetch(indices);
        Check(NativeDecoder.Read(_reader, indices, indices.Length, width, height, (int)filter, pixels_THWC));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Close();
        _reader.Dispose();
        if (_self.IsAllocated) _self.Free();
    }

    private unsafe int OpenClip(MediaSource media, out NativeDecoder.Info info)
    {
        if (media.Packed is not { } clip) return OpenBytes(media, null, out info);
        fixed (byte* header = clip.Stream.Header)
        fixed (int* sizes = clip.Sizes)
        fixed (uint* checksums = clip.Checksums)
        {
            NativeDecoder.Packed packed = new()
            {
                Header = header,
                HeaderSize = clip.Stream.Header.Length,
                Sizes = sizes,
                Checksums = checksums,
                FrameCount = clip.Sizes.Length,
                First = clip.First,
                FrameRate = clip.FrameRate,
                Codec = (int)clip.Stream.Codec,
                Width = clip.Width,
                Height = clip.Height,
            };
            return OpenBytes(media, &packed, out info);
        }
    }

    private unsafe int OpenBytes(MediaSource media, NativeDecoder.Packed* clip, out NativeDecoder.Info info)
    {
        if (!Place.IsRemote(media.Path)) return NativeDecoder.Open(_reader, media.Path, media.Offset, media.Length, clip, out info);
        _place = Place.Open(media.Path, _places);
        long length = media.Length;
        if (length == 0) PlaceMedia.Guarded(() => length = _place.Length - media.Offset);
        if (length <= 0) throw new UnreadableClipException(RejectReason.Empty, _path, "it has no bytes");
        _end = media.Offset + length;
        _place.StayWithin(new ByteRange(media.Offset, length));
        return NativeDecoder.OpenInput(_reader, &ReadPlace, GCHandle.ToIntPtr(_self), media.Offset, length, clip, out info);
    }

    /// <summary>The library's way to the bytes of a place; an exception waits here until the library has returned.</summary>
    [UnmanagedCallersOnly]
    [SuppressMessage("Design", "CA1031", Justification = "No exception may pass through native frames.")]
    private static unsafe int ReadPlace(nint source, long position, byte* bytes, int size)
    {
        var reader = (VideoReader)GCHandle.FromIntPtr(source).Target!;
        try
        {
            int count = (int)Math.Clamp(reader._end - position, 0, size);
            reader._place!.Read(position, new Span<byte>(bytes, count));
            return count;
        }
        catch (Exception exception)
        {
            reader._trouble = exception;
            return -1;
        }
    }

    private void Close()
    {
        _place?.Dispose();
        (_place, _trouble, _info) = (null, null, default);
    }

    private void Check(int status)
    {
        if (_trouble is PlaceException problem) throw PlaceMedia.Unreadable(problem);
        if (_trouble is not null) ExceptionDispatchInfo.Throw(_trouble);
        if (status == 0) return;
        string message = Marshal.PtrToStringUTF8(NativeDecoder.Message(_reader)) ?? "";
        throw new UnreadableClipException((RejectReason)(status - 1), _path, message);
    }
}
