using Alpro.Data.Clips;

namespace Alpro.Data.Tests.Clips;

/// <summary>The pixel operations written out, a byte at a time: what the quick ones must equal.</summary>
internal static class PlainAugmentOps
{
    public static byte[] Apply(AugmentOp op, int level, byte[] frame_HWC, int width)
    {
        int height = frame_HWC.Length / 3 / width;
        double share = level / 10.0, factor = share * 1.8 + 0.1, shear = share * 0.3, shift = share * 10;
        return op switch
        {
            AugmentOp.Identity => [.. frame_HWC],
            AugmentOp.Contrast => Contrast(frame_HWC, factor),
            AugmentOp.Brightness => [.. frame_HWC.Select(value => (byte)Math.Clamp(value * (float)factor, 0, 255))],
            AugmentOp.Sharpness => Sharpen(frame_HWC, width, (float)factor),
            AugmentOp.ShearX => Warp(new(1, (float)shear, 0, 0, 1, 0), frame_HWC, width),
            AugmentOp.ShearY => Warp(new(1, 0, 0, (float)shear, 1, 0), frame_HWC, width),
            AugmentOp.TranslateX => Warp(new(1, 0, (float)-shift, 0, 1, 0), frame_HWC, width),
            AugmentOp.TranslateY => Warp(new(1, 0, 0, 0, 1, (float)-shift), frame_HWC, width),
            AugmentOp.Rotate => Warp(AffineWarp.Rotation(share * 30, width / 2.0, height / 2.0), frame_HWC, width),
            AugmentOp.HorizontalFlip => [.. frame_HWC.Chunk(3 * width).SelectMany(row => row.Chunk(3).Reverse().SelectMany(rgb => rgb))],
            _ => throw new ArgumentOutOfRangeException(nameof(op)),
        };
    }

    public static byte[] Warp(AffineWarp warp, byte[] source_HWC, int width)
    {
        int height = source_HWC.Length / 3 / width;
        double determinant = warp.M11 * warp.M22 - warp.M12 * warp.M21, scale = determinant == 0 ? 0 : 1 / determinant;
        double m11 = warp.M22 * scale, m12 = warp.M12 * -scale, m21 = warp.M21 * -scale, m22 = warp.M11 * scale;
        double m13 = -m11 * warp.M13 - m12 * warp.M23, m23 = -m21 * warp.M13 - m22 * warp.M23;
        var target = new byte[source_HWC.Length];
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
            {
                int fixedX = (Fix(m12 * y + m13) + 16 + Fix(m11 * x)) >> 5, fixedY = (Fix(m22 * y + m23) + 16 + Fix(m21 * x)) >> 5;
                int right = fixedX & 31, down = fixedY & 31;
                for (int colour = 0; colour < 3; colour++)
                {
                    int sum = At(fixedX >> 5, fixedY >> 5, colour) * (32 - right) * (32 - down)
                        + At((fixedX >> 5) + 1, fixedY >> 5, colour) * right * (32 - down)
                        + At(fixedX >> 5, (fixedY >> 5) + 1, colour) * (32 - right) * down
                        + At((fixedX >> 5) + 1, (fixedY >> 5) + 1, colour) * right * down;
                    target[(y * width + x) * 3 + colour] = (byte)((sum + 512) >> 10);
                }
            }
        return target;

        static int Fix(double value) => (int)Math.Round(value * 1024, MidpointRounding.ToEven);

        int At(int x, int y, int colour) =>
            (uint)x < (uint)width && (uint)y < (uint)height ? source_HWC[(y * width + x) * 3 + colour] : 128;
    }

    private static byte[] Contrast(byte[] frame_HWC, double factor)
    {
        var sums = new long[3];
        for (int i = 0; i < frame_HWC.Length; i++) sums[i % 3] += frame_HWC[i];
        double count = frame_HWC.Length / 3, mean = sums[0] / count * 0.114 + sums[1] / count * 0.587 + sums[2] / count * 0.299;
        return [.. frame_HWC.Select(value => (byte)Math.Clamp((value - mean) * factor + mean, 0, 255))];
    }

    private static byte[] Sharpen(byte[] frame_HWC, int width, float factor)
    {
        byte[] target = [.. frame_HWC];
        int stride = 3 * width, height = frame_HWC.Length / stride;
        for (int y = 1; y < height - 1; y++)
            for (int x = 3; x < stride - 3; x++)
            {
                int at = y * stride + x, around = 4 * frame_HWC[at];
                for (int row = -stride; row <= stride; row += stride)
                    for (int side = -3; side <= 3; side += 3) around += frame_HWC[at + row + side];
                float smooth = (around + 6) / 13;
                target[at] = unchecked((byte)(int)(smooth + factor * (frame_HWC[at] - smooth)));
            }
        return target;
    }
}
