using Alpro.Data.Media;

namespace Alpro.Training.Records;

/// <summary>Some frames of a clip side by side, for people to look at.</summary>
internal static class FrameStrip
{
    /// <summary>Some frames of a clip, spread over it, side by side [side, frames * side, 3].</summary>
    /// <param name="pixels_THWC">The clip [T, side, side, 3].</param>
    /// <param name="side">Side of a frame in pixels.</param>
    /// <param name="frames">How many frames.</param>
    public static byte[] Of(ReadOnlySpan<byte> pixels_THWC, int side, int frames)
    {
        int row = 3 * side, all = pixels_THWC.Length / (row * side);
        byte[] strip_HWC = new byte[frames * row * side];
        for (int frame = 0; frame < frames; frame++)
        {
            int from = frames == 1 ? all / 2 : frame * (all - 1) / (frames - 1);
            for (int y = 0; y < side; y++)
                pixels_THWC.Slice((from * side + y) * row, row).CopyTo(strip_HWC.AsSpan((y * frames + frame) * row));
        }
        return strip_HWC;
    }

    /// <summary>A strip as a JPEG whose frames are no larger than a side.</summary>
    public static byte[] ToJpeg(ReadOnlySpan<byte> strip_HWC, int side, int frames, int most)
    {
        int shown = Math.Min(side, most);
        return Jpeg.Encode(strip_HWC, frames * side, side, frames * shown, shown);
    }
}
