
namespace Alpro.Data.Media;

/// <summary>What a media file holds, as found when it is opened.</summary>
/// <param name="FrameCount">Frames that are displayed, counted, not the header's claim; 1 for an image.</param>
/// <param name="FrameRate">Average frames per second; 0 for an image.</param>
/// <param name="Width">Width in pixels as displayed, after rotation.</param>
/// <param name="Height">Height in pixels as displayed, after rotation.</param>
/// <param name="Rotation">Clockwise rotation in degrees that the file asks for: 0, 90, 180 or 270.</param>
public readonly record struct VideoInfo(int FrameCount, double FrameRate, int Width, int Height, int Rotation);

/// <summary>
/// Reads chosen frames of one video or image after another. An instance belongs to one decoder and one thread, and keeps what can
/// be kept between files. Frame i is the i-th frame in display order, exactly, whichever way it was reached.
/// </summary>
public interface IFrameReader : IDisposable
{
    /// <summary>Opens a file (closing the one before) and finds its frames.</summary>
    /// <exception cref="UnreadableClipException">The file cannot be used; its reason says why.</exception>
    VideoInfo Open(MediaSource media);

    /// <summary>Fetches what reading these frames of the open file needs, where that lies in a store.</summary>
    /// <param name="indices">Frame numbers in ascending order; repeats are allowed.</param>
    /// <exception cref="UnreadableClipException">The store does not give it.</exception>
    void Fetch(ReadOnlySpan<int> indices) { }

    /// <summary>The frames of the open file that cost no other frame to decode, ascending; none for a reader that cannot tell.</summary>
    IReadOnlyList<int> KeyFrames() => [];

    /// <summary>Decodes frames of the open file, scaled to width x height, as RGB bytes [T, height, width, 3].</summary>
    /// <param name="indices">Frame numbers in ascending order; repeats are allowed.</param>
    /// <param name="width">Width of the finished frames in pixels.</param>
    /// <param name="height">Height of the finished frames in pixels.</param>
    /// <param name="filter">Interpolation.</param>
    /// <param name="pixels_THWC">Receives the frames; exactly indices.Length * height * width * 3 bytes.</param>
    /// <exception cref="UnreadableClipException">A wanted frame is missing or damaged, or the deadline passed.</exception>
    void Read(ReadOnlySpan<int> indices, int width, int height, ResizeFilter filter, Span<byte> pixels_THWC);

    /// <summary>What the last <see cref="Open"/> and <see cref="Read"/> took; null for a reader that cannot tell.</summary>
    internal DecodeStatistics? Statistics => null;
}
