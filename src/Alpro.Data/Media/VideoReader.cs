using System.Runtime.InteropServices;

namespace Alpro.Data.Media;

/// <summary>
/// Reads frames of videos and images in this process. Only the packets that wanted frames depend on are decoded, in one thread. Frames are
/// turned as the file asks, and scaled as FFmpeg's <c>scale</c> filter does, bit for bit. Allocates nothing per clip.
/// </summary>
/// <remarks>Embedded EXIF orientation of images is not applied, as in the reference's loader.</remarks>
public sealed class VideoReader : IFrameReader
{
    private readonly NativeDecoder.ReaderHandle _reader;
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
        _path = media.Path;
        _info = default;
        Check(NativeDecoder.Open(_reader, media.Path, media.Offset, media.Length, out NativeDecoder.Info info));
        return _info = new VideoInfo(info.FrameCount, info.FrameRate, info.Width, info.Height, info.Rotation);
    }

    /// <inheritdoc/>
    public void Read(ReadOnlySpan<int> indices, int width, int height, ResizeFilter filter, Span<byte> pixels_THWC)
    {
        FrameReaders.CheckRequest(_info, indices, width, height, pixels_THWC.Length);
        Check(NativeDecoder.Read(_reader, indices, indices.Length, width, height, (int)filter, pixels_THWC));
    }

    /// <inheritdoc/>
    public void Dispose() => _reader.Dispose();

    private void Check(int status)
    {
        if (status == 0) return;
        string message = Marshal.PtrToStringUTF8(NativeDecoder.Message(_reader)) ?? "";
        throw new UnreadableClipException((RejectReason)(status - 1), _path, message);
    }
}
