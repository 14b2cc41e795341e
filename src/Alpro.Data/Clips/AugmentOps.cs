using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Alpro.Data.Clips;

/// <summary>The pixel operations of RandAugment.</summary>
internal enum AugmentOp
{
    /// <summary>Nothing.</summary>
    Identity,

    /// <summary>Distance from the mean grey scaled.</summary>
    Contrast,

    /// <summary>Values scaled.</summary>
    Brightness,

    /// <summary>Distance from a smoothed frame scaled.</summary>
    Sharpness,

    /// <summary>Rows slide to the left, the more the lower.</summary>
    ShearX,

    /// <summary>Columns slide up, the more the further right.</summary>
    ShearY,

    /// <summary>The frame slides to the right.</summary>
    TranslateX,

    /// <summary>The frame slides down.</summary>
    TranslateY,

    /// <summary>The frame turns counter-clockwise about its centre.</summary>
    Rotate,

    /// <summary>Left and right change places.</summary>
    HorizontalFlip,
}

/// <summary>
/// RandAugment's operations on RGB bytes [H, W, 3], equal to OpenCV's as the released code calls it (paper section 4.1). Levels of 0-10 are
/// never negated; what is uncovered is grey, 128.
/// </summary>
internal static class AugmentOps
{
    private const double MaxLevel = 10;

    /// <summary>Applies one operation to a frame in place.</summary>
    /// <param name="op">The operation.</param>
    /// <param name="level">Its strength, 0-10.</param>
    /// <param name="frame_HWC">The frame.</param>
    /// <param name="width">Its width in pixels.</param>
    /// <param name="scratch_HWC">Room for a copy of the frame.</param>
    public static void Apply(AugmentOp op, int level, Span<byte> frame_HWC, int width, Span<byte> scratch_HWC)
    {
        int height = frame_HWC.Length / 3 / width;
        double share = level / MaxLevel, factor = share * 1.8 + 0.1, shear = share * 0.3, shift = share * 10;
        switch (op)
        {
            case AugmentOp.Identity: break;
            case AugmentOp.Contrast: Contrast(frame_HWC, factor); break;
            case AugmentOp.Brightness: Brightness(frame_HWC, (float)factor); break;
            case AugmentOp.Sharpness: Sharpen(frame_HWC, width, (float)factor, scratch_HWC); break;
            case AugmentOp.ShearX: Warp(new(1, (float)shear, 0, 0, 1, 0), frame_HWC, scratch_HWC); break;
            case AugmentOp.ShearY: Warp(new(1, 0, 0, (float)shear, 1, 0), frame_HWC, scratch_HWC); break;
            case AugmentOp.TranslateX: Warp(new(1, 0, (float)-shift, 0, 1, 0), frame_HWC, scratch_HWC); break;
            case AugmentOp.TranslateY: Warp(new(1, 0, 0, 0, 1, (float)-shift), frame_HWC, scratch_HWC); break;
            case AugmentOp.Rotate: Warp(AffineWarp.Rotation(share * 30, width / 2.0, height / 2.0), frame_HWC, scratch_HWC); break;
            case AugmentOp.HorizontalFlip: FlipHorizontally(frame_HWC, width); break;
            default: throw new ArgumentOutOfRangeException(nameof(op), op, "no such operation");
        }

        void Warp(AffineWarp warp, Span<byte> frame_HWC, Span<byte> scratch_HWC)
        {
            frame_HWC.CopyTo(scratch_HWC);
            warp.Apply(scratch_HWC[..frame_HWC.Length], frame_HWC, width);
        }
    }

    /// <summary>Left and right change places.</summary>
    public static void FlipHorizontally(Span<byte> frame_HWC, int width)
    {
        Span<Pixel> pixels = MemoryMarshal.Cast<byte, Pixel>(frame_HWC);
        for (int row = 0; row < pixels.Length; row += width) pixels.Slice(row, width).Reverse();
    }

    private static void Contrast(Span<byte> frame_HWC, double factor)
    {
        // A level of 5 changes nothing, whatever the mean: where i - mean is rounded, i - mean + mean is rounded back to i.
        if (factor == 1) return;
        long red = 0, green = 0, blue = 0;
        foreach (Pixel pixel in MemoryMarshal.Cast<byte, Pixel>(frame_HWC))
        {
            red += pixel.Red;
            green += pixel.Green;
            blue += pixel.Blue;
        }
        // The released code weighs RGB as if it were BGR.
        double count = frame_HWC.Length / 3;
        double mean = red / count * 0.114 + green / count * 0.587 + blue / count * 0.299;

        Span<byte> table = stackalloc byte[256];
        for (int i = 0; i < 256; i++) table[i] = (byte)Math.Clamp((i - mean) * factor + mean, 0, 255);
        Replace(frame_HWC, table);
    }

    private static void Brightness(Span<byte> frame_HWC, float factor)
    {
        if (factor == 1) return;
        Span<byte> table = stackalloc byte[256];
        for (int i = 0; i < 256; i++) table[i] = (byte)Math.Clamp(i * factor, 0, 255);
        Replace(frame_HWC, table);
    }

    private static void Replace(Span<byte> values, ReadOnlySpan<byte> table)
    {
        // A table of 256 needs no check of a byte.
        ref byte first = ref MemoryMarshal.GetReference(table);
        foreach (ref byte value in values) value = Unsafe.Add(ref first, value);
    }

    private static void Sharpen(Span<byte> frame_HWC, int width, float factor, Span<byte> scratch_HWC)
    {
        if (factor == 1) return;
        ReadOnlySpan<byte> source = scratch_HWC[..frame_HWC.Length];
        frame_HWC.CopyTo(scratch_HWC);
        int stride = width * 3, height = frame_HWC.Length / stride;
        for (int y = 1; y < height - 1; y++)
        {
            ReadOnlySpan<byte> above = source.Slice((y - 1) * stride, stride), here = source.Slice(y * stride, stride),
                below = source.Slice((y + 1) * stride, stride);
            Span<byte> row = frame_HWC.Slice(y * stride, stride);
            int x = 3;
            for (; x + Vector128<byte>.Count <= stride - 3; x += Vector128<byte>.Count)
            {
                (Vector128<ushort> low, Vector128<ushort> high) = (Vector128<ushort>.Zero, Vector128<ushort>.Zero);
                for (int side = -3; side <= 3; side += 3)
                {
                    Add(Vector128.Create(above[(x + side)..]), ref low, ref high);
                    Add(Vector128.Create(here[(x + side)..]), ref low, ref high);
                    Add(Vector128.Create(below[(x + side)..]), ref low, ref high);
                }
                Vector128<byte> centre = Vector128.Create(here[x..]);
                Vector128.Narrow(
                    Scale(low, Vector128.WidenLower(centre), factor),
                    Scale(high, Vector128.WidenUpper(centre), factor)).CopyTo(row[x..]);
            }
            for (; x < stride - 3; x++)
            {
                int around = above[x - 3] + above[x] + above[x + 3] + here[x - 3] + here[x] + here[x + 3] + below[x - 3] + below[x]
                    + below[x + 3];
                float smooth = (around + 4 * here[x] + 6) / 13;
                // A value beyond a byte wraps round, as in the released code, whose frames the weights saw.
                row[x] = unchecked((byte)(int)(smooth + factor * (here[x] - smooth)));
            }
        }

        static void Add(Vector128<byte> values, ref Vector128<ushort> low, ref Vector128<ushort> high)
        {
            low += Vector128.WidenLower(values);
            high += Vector128.WidenUpper(values);
        }

        static Vector128<ushort> Scale(Vector128<ushort> around, Vector128<ushort> centre, float factor)
        {
            Vector128<ushort> weighted = around + (centre << 2) + Vector128.Create((ushort)6);
            return Vector128.Narrow(
                ScaleHalf(Vector128.WidenLower(weighted), Vector128.WidenLower(centre), factor),
                ScaleHalf(Vector128.WidenUpper(weighted), Vector128.WidenUpper(centre), factor)).AsUInt16();
        }

        static Vector128<int> ScaleHalf(Vector128<uint> weighted, Vector128<uint> centre, float factor)
        {
            // A thirteenth, exact for sums of bytes of weight 13.
            Vector128<int> smooth = ((weighted * 5042) >> 16).AsInt32();
            return Vector128.ConvertToInt32(Vector128.ConvertToSingle(smooth)
                + factor * Vector128.ConvertToSingle(centre.AsInt32() - smooth));
        }
    }

    private readonly record struct Pixel(byte Red, byte Green, byte Blue);
}
