using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Alpro.Data.Clips;

/// <summary>
/// An affine map of frames, sampled bilinearly on a grid of 1/32 pixel. The arithmetic is the fixed-point one of OpenCV's
/// <c>warpAffine</c>, so the pixels are the same. The point (x, y) goes to (M11 x + M12 y + M13, M21 x + M22 y + M23).
/// </summary>
internal readonly record struct AffineWarp(double M11, double M12, double M13, double M21, double M22, double M23)
{
    private const ulong Fill = 128;
    private const int FractionBits = 5, Fractions = 1 << FractionBits, ExtraBits = 5;
    private const double Scale = 1 << (FractionBits + ExtraBits);

    /// <summary>A counter-clockwise turn by an angle in degrees about a point.</summary>
    public static AffineWarp Rotation(double degrees, double x, double y)
    {
        double angle = degrees * (Math.PI / 180), cos = Math.Cos(angle), sin = Math.Sin(angle);
        return new(cos, sin, (1 - cos) * x - sin * y, -sin, cos, sin * x + (1 - cos) * y);
    }

    /// <summary>Maps one frame into another of the same size; the two may not overlap.</summary>
    /// <param name="source_HWC">RGB bytes [H, W, 3].</param>
    /// <param name="target_HWC">Receives as many.</param>
    /// <param name="width">Width in pixels.</param>
    public void Apply(ReadOnlySpan<byte> source_HWC, Span<byte> target_HWC, int width)
    {
        int height = source_HWC.Length / 3 / width;
        AffineWarp inverse = Inverse();
        Span<int> deltas = stackalloc int[2 * width];
        Span<int> deltaX = deltas[..width], deltaY = deltas[width..];
        for (int x = 0; x < width; x++)
        {
            deltaX[x] = Fix(inverse.M11 * x);
            deltaY[x] = Fix(inverse.M21 * x);
        }
        var frame = new Frame(source_HWC, width, height);
        for (int y = 0; y < height; y++)
        {
            int startX = Fix(inverse.M12 * y + inverse.M13) + Fractions / 2, startY = Fix(inverse.M22 * y + inverse.M23) + Fractions / 2;
            Span<byte> row = target_HWC.Slice(y * width * 3, width * 3);
            for (int x = 0; x < width; x++)
                frame.Sample((startX + deltaX[x]) >> ExtraBits, (startY + deltaY[x]) >> ExtraBits, ref row[3 * x]);
        }
    }

    /// <summary>The map back, in the order of operations whose rounding OpenCV's has.</summary>
    private AffineWarp Inverse()
    {
        double determinant = M11 * M22 - M12 * M21;
        double scale = determinant == 0 ? 0 : 1 / determinant;
        double m11 = M22 * scale, m12 = M12 * -scale, m21 = M21 * -scale, m22 = M11 * scale;
        return new(m11, m12, -m11 * M13 - m12 * M23, m21, m22, -m21 * M13 - m22 * M23);
    }

    private static int Fix(double value) => (int)Math.Round(value * Scale, MidpointRounding.ToEven);

    /// <summary>The frame that is sampled.</summary>
    private readonly ref struct Frame(ReadOnlySpan<byte> pixels, int width, int height)
    {
        private readonly ReadOnlySpan<byte> _pixels = pixels;
        private readonly uint _innerWidth = (uint)Math.Max(width - 2, 0), _innerHeight = (uint)Math.Max(height - 1, 0);

        /// <summary>Writes the pixel at a position in 1/32 pixels, three bytes.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Sample(int fixedX, int fixedY, ref byte target)
        {
            int x = fixedX >> FractionBits, y = fixedY >> FractionBits, right = fixedX & (Fractions - 1), down = fixedY & (Fractions - 1);
            Vector128<ushort> above, below;
            // Eight bytes are read for the six of two neighbours, so a third has to follow.
            if ((uint)x < _innerWidth && (uint)y < _innerHeight)
            {
                ref byte here = ref Unsafe.Add(ref MemoryMarshal.GetReference(_pixels), (y * width + x) * 3);
                above = Widen(Unsafe.ReadUnaligned<ulong>(ref here));
                below = Widen(Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref here, width * 3)));
            }
            else
            {
                above = Widen(At(x, y) | At(x + 1, y) << 24);
                below = Widen(At(x, y + 1) | At(x + 1, y + 1) << 24);
            }
            // Weights of 32 down fit 16 bits; times those across they need 18.
            Vector128<ushort> column = above * (ushort)(Fractions - down) + below * (ushort)down;
            Vector128<uint> left = Vector128.WidenLower(column),
                next = Vector128.WidenLower(Vector128.Shuffle(column, Vector128.Create((ushort)3, 4, 5, 0, 0, 0, 0, 0)));
            Vector128<uint> sum = left * (uint)(Fractions - right) + next * (uint)right + Vector128.Create((uint)Fractions * Fractions / 2);
            Vector128<ushort> rounded = (sum >> (2 * FractionBits)).AsUInt16();
            target = (byte)rounded[0];
            Unsafe.Add(ref target, 1) = (byte)rounded[2];
            Unsafe.Add(ref target, 2) = (byte)rounded[4];
        }

        private static Vector128<ushort> Widen(ulong pixels) => Vector128.WidenLower(Vector128.CreateScalarUnsafe(pixels).AsByte());

        /// <summary>One pixel in the low three bytes.</summary>
        private ulong At(int x, int y)
        {
            if ((uint)x >= (uint)width || (uint)y >= (uint)height) return Fill | Fill << 8 | Fill << 16;
            ReadOnlySpan<byte> pixel = _pixels.Slice((y * width + x) * 3, 3);
            return pixel[0] | (ulong)pixel[1] << 8 | (ulong)pixel[2] << 16;
        }
    }
}
