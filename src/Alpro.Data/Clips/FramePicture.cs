using Alpro.Data.Media;

namespace Alpro.Data.Clips;

/// <summary>Shows a person what a model saw: a frame of a clip, in the shape that it had before it was made square.</summary>
public static class FramePicture
{
    /// <summary>A JPEG of a frame; its longer side is that of the square.</summary>
    /// <param name="frame_HWC">RGB bytes [side, side, 3].</param>
    /// <param name="side">Side of the square in pixels.</param>
    /// <param name="width">Width of the video in pixels.</param>
    /// <param name="height">Height of the video in pixels.</param>
    public static byte[] Jpeg(ReadOnlySpan<byte> frame_HWC, int side, int width, int height)
    {
        (int across, int down) = width >= height ? (side, Shorter(height, width)) : (Shorter(width, height), side);
        if (across == down) return JpegWriter.Write(frame_HWC, side, side);
        byte[] picture = new byte[across * down * 3];
        int steps = across < side ? across : down;
        for (int step = 0; step < steps; step++)
            for (int other = 0; other < side; other++)
                for (int colour = 0; colour < 3; colour++)
                    picture[(across < side ? other * across + step : step * across + other) * 3 + colour] = across < side
                        ? Mean(frame_HWC, (other * side) * 3 + colour, 3, side, step, steps)
                        : Mean(frame_HWC, other * 3 + colour, side * 3, side, step, steps);
        return JpegWriter.Write(picture, across, down);

        int Shorter(int shorter, int longer) => Math.Clamp((int)Math.Round((double)side * shorter / longer), 1, side);
    }

    /// <summary>The mean of a stretch of a line of pixels; those at its ends count in part.</summary>
    private static byte Mean(ReadOnlySpan<byte> pixels, int first, int stride, int count, int step, int steps)
    {
        double begin = (double)step * count / steps, end = (double)(step + 1) * count / steps, sum = 0;
        for (int at = (int)begin; at < Math.Min(count, Math.Ceiling(end)); at++)
            sum += (Math.Min(end, at + 1) - Math.Max(begin, at)) * pixels[first + at * stride];
        return (byte)Math.Clamp(Math.Round(sum / (end - begin)), 0, 255);
    }
}
