using System.Globalization;
using Alpro.Data.Media;

namespace Alpro.Data.Packs;

/// <summary>How clips are packed; by default as the paper's pretraining reads them: squares of 256 pixels, a tenth of the frames.</summary>
internal sealed record PackSettings
{
    private const double LeastShare = 1e-6;

    /// <summary>Side of the square in pixels, or shorter side where the shape is kept; even.</summary>
    public int Side { get; init; } = 256;

    /// <summary>Whether videos keep their aspect ratio; images always do. Such a picture is never enlarged.</summary>
    public bool KeepsShape { get; init; }

    /// <summary>The new frame rate as a share of the old, where <see cref="Rate"/> is null.</summary>
    public double RateFactor { get; init; } = 0.1;

    /// <summary>The new frame rate in frames per second, at most the old; null for a share.</summary>
    public double? Rate { get; init; }

    /// <summary>The codec of videos; images become JPEG.</summary>
    public PackedCodec Codec { get; init; }

    /// <summary>x264's constant rate factor, or JPEG's quantizer scale: lower is better and larger. Null for 23, or 3.</summary>
    public int? Quality { get; init; }

    /// <summary>A shard is closed when it has this many bytes.</summary>
    public long ShardBytes { get; init; } = 256L << 20;

    /// <summary>All that decides the bytes of a pack, in words.</summary>
    public string Describe() => string.Create(CultureInfo.InvariantCulture,
        $"{Side}|{KeepsShape}|{Rate}|{(Rate is null ? RateFactor : 0)}|{Codec}|{Quality}|{ShardBytes}");

    /// <summary>
    /// The frames of the source that become the frames of the pack, as the <c>fps</c> filter of FFmpeg chooses them at a constant rate.
    /// With the share s of n frames, frame i is the last one before i + 1/2 new intervals: number ceil((i + 1/2) / s) - 1. There are n s
    /// of them, rounded, and one at least. At 10 % they are 4, 14, 24 and so on.
    /// </summary>
    public int[] FramesOf(VideoInfo source)
    {
        decimal share = ShareOf(source);
        int[] frames = new int[Math.Max(1, (int)(source.FrameCount * share + 0.5m))];
        for (int i = 0; i < frames.Length; i++)
            frames[i] = Math.Min(source.FrameCount - 1, (int)decimal.Ceiling((i + 0.5m) / share) - 1);
        return frames;
    }

    /// <summary>Frames per second of the pack; 0 for an image.</summary>
    public double RateOf(VideoInfo source) => source.FrameRate * (double)ShareOf(source);

    /// <summary>The size of the packed picture, in even pixels.</summary>
    public (int Width, int Height) SizeOf(VideoInfo source, MediaKind kind)
    {
        if (kind == MediaKind.Video && !KeepsShape) return (Side, Side);
        double scale = Math.Min(1, (double)Side / Math.Min(source.Width, source.Height));
        return (Even(source.Width), Even(source.Height));

        int Even(int pixels) => Math.Max(2, 2 * (int)Math.Round(pixels * scale / 2));
    }

    /// <summary>How a picture is scaled: videos as training scales them, images as their random cuts are scaled.</summary>
    public static ResizeFilter FilterOf(MediaKind kind) => kind == MediaKind.Video ? ResizeFilter.Bilinear : ResizeFilter.Bicubic;

    // Decimal, since 1.5 / 0.1 must be 15.
    private decimal ShareOf(VideoInfo source) => (decimal)Math.Clamp(
        Rate is not { } rate ? RateFactor : source.FrameRate > 0 ? rate / source.FrameRate : 1, LeastShare, 1);
}
