using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

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
        var frame = new Frame(source_HWC, width, source_HWC.Length / 3 / width);
        AffineWarp inverse = Inverse();
        // Shears and shifts move whole rows or columns, and need one fraction in place of two.
        bool isUnscaled = inverse is { M11: 1, M22: 1 };
        if (isUnscaled && inverse.M21 == 0 && double.IsInteger(inverse.M23)) inverse.SlideRows(frame, target_HWC);
        else if (isUnscaled && inverse is { M12: 0, M13: 0, M23: 0 } && frame.Stride >= Vector256<byte>.Count)
            inverse.SlideColumns(frame, target_HWC);
        else inverse.MapPixels(frame, target_HWC);
    }

    /// <summary>Each row comes from one row, moved along it.</summary>
    private void SlideRows(in Frame frame, Span<byte> target_HWC)
    {
        int width = frame.Width;
        for (int y = 0; y < frame.Height; y++)
        {
            Span<byte> row = target_HWC.Slice(y * frame.Stride, frame.Stride);
            int from = y + (int)M23, start = (Fix(M12 * y + M13) + Fractions / 2) >> ExtraBits, first = start >> FractionBits;
            if ((uint)from >= (uint)frame.Height)
            {
                row.Fill((byte)Fill);
                continue;
            }
            // From begin to end, pixels come from between two of the frame.
            int begin = Math.Clamp(-first, 0, width), end = Math.Clamp(width - 1 - first, begin, width);
            row[..(3 * begin)].Fill((byte)Fill);
            row[(3 * end)..].Fill((byte)Fill);
            if (begin < end)
            {
                ReadOnlySpan<byte> here = frame.Pixels.Slice(from * frame.Stride + (first + begin) * 3, (end - begin) * 3 + 3);
                Mix(here, here[3..], start & (Fractions - 1), row[(3 * begin)..(3 * end)]);
            }
            foreach (int edge in (ReadOnlySpan<int>)[-first - 1, width - 1 - first])
                if ((uint)edge < (uint)width) frame.Sample(start + edge * Fractions, from * Fractions, ref row[3 * edge]);
        }
    }

    /// <summary>Each column comes from one column, moved along it. Neighbours that move as many whole rows go together.</summary>
    private void SlideColumns(in Frame frame, Span<byte> target_HWC)
    {
        const int window = 32;   // bytes
        int stride = frame.Stride, height = frame.Height;
        Span<byte> weights = stackalloc byte[window], chosen = stackalloc byte[window];
        for (int x = 0, next; x < frame.Width; x = next)
        {
            int rows = Down(x) >> FractionBits, begin = Math.Min(3 * x, stride - window);
            chosen.Clear();
            for (next = x; next < frame.Width && 3 * next + 3 - begin <= window && Down(next) >> FractionBits == rows; next++)
            {
                weights.Slice(3 * next - begin, 3).Fill((byte)(Down(next) & (Fractions - 1)));
                chosen.Slice(3 * next - begin, 3).Fill(byte.MaxValue);
            }
            Vector256<byte> weight = Vector256.Create<byte>(weights), mask = Vector256.Create<byte>(chosen);
            Vector256<ushort> low = Vector256.WidenLower(weight), high = Vector256.WidenUpper(weight);
            for (int y = 0; y < height; y++)
            {
                int from = y + rows;
                Span<byte> row = target_HWC.Slice(y * stride, stride);
                if (from >= 0 && from < height - 1)
                {
                    Span<byte> target = row.Slice(begin, window);
                    Vector256<byte> above = Vector256.Create(frame.Pixels.Slice(from * stride + begin, window)),
                        below = Vector256.Create(frame.Pixels.Slice((from + 1) * stride + begin, window));
                    Vector256.ConditionalSelect(mask, Mix(above, below, low, high), Vector256.Create<byte>(target)).CopyTo(target);
                }
                else if (from == -1 || from == height - 1)
                    for (int i = x; i < next; i++) frame.Sample(i * Fractions, y * Fractions + Down(i), ref row[3 * i]);
                else row[(3 * x)..(3 * next)].Fill((byte)Fill);
            }
        }
    }

    /// <summary>How far column x moves, in 1/32 pixels.</summary>
    private int Down(int x) => (Fix(M21 * x) + Fractions / 2) >> ExtraBits;

    /// <summary>Each pixel comes from anywhere.</summary>
    private void MapPixels(in Frame frame, Span<byte> target_HWC)
    {
        int width = frame.Width;
        Span<int> deltas = stackalloc int[2 * width];
        Span<int> deltaX = deltas[..width], deltaY = deltas[width..];
        for (int x = 0; x < width; x++)
        {
            deltaX[x] = Fix(M11 * x);
            deltaY[x] = Fix(M21 * x);
        }
        for (int y = 0; y < frame.Height; y++)
        {
            int startX = Fix(M12 * y + M13) + Fractions / 2, startY = Fix(M22 * y + M23) + Fractions / 2;
            var line = new Line(startX, startY, deltaX, deltaY);
            Span<byte> row = target_HWC.Slice(y * frame.Stride, frame.Stride);
            // A row is a straight line through the frame: outside, across the edge, inside, and out again.
            int begin = 0, end = width;
            while (begin < end && !frame.Touches(line.X(begin), line.Y(begin))) begin++;
            while (begin < end && !frame.Touches(line.X(end - 1), line.Y(end - 1))) end--;
            int inner = begin, outer = end;
            while (inner < outer && !frame.Surrounds(line.X(inner), line.Y(inner))) inner++;
            while (inner < outer && !frame.Surrounds(line.X(outer - 1), line.Y(outer - 1))) outer--;
            int x = inner;
            if (Avx2.IsSupported)
                for (; x + 4 <= outer && x + 5 <= width; x += 4)   // two bytes are written beyond the four pixels
                    frame.SampleFour(line.FourX(x), line.FourY(x), ref row[3 * x]);
            for (; x < end; x++) frame.Sample(line.X(x), line.Y(x), ref row[3 * x]);
            for (x = begin; x < inner; x++) frame.Sample(line.X(x), line.Y(x), ref row[3 * x]);
            row[..(3 * begin)].Fill((byte)Fill);
            row[(3 * end)..].Fill((byte)Fill);
        }
    }

    /// <summary>Bytes between those of two sources, at a fraction of 1/32 on the way to the second.</summary>
    private static void Mix(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, int fraction, Span<byte> target)
    {
        int i = 0;
        var weights = Vector256.Create((ushort)fraction);
        for (; i + Vector256<byte>.Count <= target.Length; i += Vector256<byte>.Count)
            Mix(Vector256.Create(first[i..]), Vector256.Create(second[i..]), weights, weights).CopyTo(target[i..]);
        for (; i < target.Length; i++)
            target[i] = (byte)((first[i] * (Fractions - fraction) + second[i] * fraction + Fractions / 2) >> FractionBits);
    }

    private static Vector256<byte> Mix(Vector256<byte> first, Vector256<byte> second, Vector256<ushort> low, Vector256<ushort> high)
    {
        return Vector256.Narrow(MixHalf(Vector256.WidenLower(first), Vector256.WidenLower(second), low),
            MixHalf(Vector256.WidenUpper(first), Vector256.WidenUpper(second), high));

        // The difference may be negative and wraps round; so does the sum, back again.
        static Vector256<ushort> MixHalf(Vector256<ushort> first, Vector256<ushort> second, Vector256<ushort> weights) =>
            ((first << FractionBits) + (second - first) * weights + Vector256.Create((ushort)(Fractions / 2))) >>> FractionBits;
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

    /// <summary>Where the pixels of a row come from, in 1/32 pixels.</summary>
    private readonly ref struct Line(int startX, int startY, ReadOnlySpan<int> deltaX, ReadOnlySpan<int> deltaY)
    {
        private readonly ReadOnlySpan<int> _deltaX = deltaX, _deltaY = deltaY;

        public int X(int x) => (startX + _deltaX[x]) >> ExtraBits;

        public int Y(int x) => (startY + _deltaY[x]) >> ExtraBits;

        public Vector128<int> FourX(int x) => (Vector128.Create(startX) + Vector128.Create(_deltaX[x..])) >> ExtraBits;

        public Vector128<int> FourY(int x) => (Vector128.Create(startY) + Vector128.Create(_deltaY[x..])) >> ExtraBits;
    }

    /// <summary>The frame that is sampled.</summary>
    private readonly ref struct Frame(ReadOnlySpan<byte> pixels, int width, int height)
    {
        private readonly uint _innerWidth = (uint)Math.Max(width - 2, 0), _innerHeight = (uint)Math.Max(height - 1, 0);

        public ReadOnlySpan<byte> Pixels { get; } = pixels;

        public int Width => width;

        public int Height => height;

        public int Stride => width * 3;

        /// <summary>Whether any of the four pixels round a position in 1/32 pixels is in the frame.</summary>
        public bool Touches(int fixedX, int fixedY) =>
            (uint)((fixedX >> FractionBits) + 1) <= (uint)width && (uint)((fixedY >> FractionBits) + 1) <= (uint)height;

        /// <summary>Whether all four are, and one more to the right: eight bytes are read for the six of two neighbours.</summary>
        public bool Surrounds(int fixedX, int fixedY) =>
            (uint)(fixedX >> FractionBits) < _innerWidth && (uint)(fixedY >> FractionBits) < _innerHeight;

        /// <summary>Writes the pixel at a position in 1/32 pixels, three bytes.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Sample(int fixedX, int fixedY, ref byte target)
        {
            int x = fixedX >> FractionBits, y = fixedY >> FractionBits, right = fixedX & (Fractions - 1), down = fixedY & (Fractions - 1);
            Vector128<ushort> above, below;
            if (Surrounds(fixedX, fixedY))
            {
                ref byte here = ref Unsafe.Add(ref MemoryMarshal.GetReference(Pixels), (y * width + x) * 3);
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

        /// <summary>Writes four pixels in a row, twelve bytes and two of no meaning; the frame surrounds their positions.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void SampleFour(Vector128<int> fixedX, Vector128<int> fixedY, ref byte target)
        {
            ref byte origin = ref MemoryMarshal.GetReference(Pixels);
            int stride = width * 3;
            Vector128<int> at = (fixedY >> FractionBits) * stride + (fixedX >> FractionBits) * 3,
                down = fixedY & Vector128.Create(Fractions - 1), right = fixedX & Vector128.Create(Fractions - 1);
            // The weights of two pixels side by side: 32 - down and down as bytes, 32 - right and right as 16 bits.
            down = down * 255 + Vector128.Create(Fractions);
            Vector256<int> downs = (down | down << 16).ToVector256Unsafe(),
                rights = (right * 65535 + Vector128.Create(Fractions)).ToVector256Unsafe();
            Vector256<int> even = Vector256.Create(0, 0, 0, 0, 2, 2, 2, 2), odd = Vector256.Create(1, 1, 1, 1, 3, 3, 3, 3);
            Vector256<int> sums02 = Sums(Around(ref origin, at[0], stride), Around(ref origin, at[2], stride),
                Avx2.PermuteVar8x32(downs, even), Avx2.PermuteVar8x32(rights, even));
            Vector256<int> sums13 = Sums(Around(ref origin, at[1], stride), Around(ref origin, at[3], stride),
                Avx2.PermuteVar8x32(downs, odd), Avx2.PermuteVar8x32(rights, odd));
            Vector256<byte> words = Avx2.PackUnsignedSaturate(sums02, sums13).AsByte();
            const byte none = 0x80;
            Vector128<byte> colours = Vector128.Create(0, 2, 4, 8, 10, 12, none, none, none, none, none, none, none, none, none, none);
            Vector256<ulong> pixels = Avx2.Shuffle(words, Vector256.Create(colours, colours)).AsUInt64();
            Unsafe.WriteUnaligned(ref target, pixels[0]);
            Unsafe.WriteUnaligned(ref Unsafe.Add(ref target, 6), pixels[2]);
        }

        /// <summary>The pixels above and below, byte by byte in turn.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector128<byte> Around(ref byte origin, int at, int stride)
        {
            ref byte here = ref Unsafe.Add(ref origin, at);
            return Sse2.UnpackLow(Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<ulong>(ref here)).AsByte(),
                Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref here, stride))).AsByte());
        }

        /// <summary>The colours of two pixels, rounded, 32 bits each.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector256<int> Sums(Vector128<byte> first, Vector128<byte> second, Vector256<int> downs, Vector256<int> rights)
        {
            const byte none = 0x80;
            // Columns of 32 down fit 16 bits. A colour goes beside the same one of the neighbour, three columns on.
            Vector256<short> columns = Avx2.MultiplyAddAdjacent(Vector256.Create(first, second), downs.AsSByte());
            Vector128<byte> beside = Vector128.Create(0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11, none, none, none, none);
            Vector256<short> pairs = Avx2.Shuffle(columns.AsByte(), Vector256.Create(beside, beside)).AsInt16();
            return (Avx2.MultiplyAddAdjacent(pairs, rights.AsInt16()) + Vector256.Create(Fractions * Fractions / 2)) >> (2 * FractionBits);
        }

        private static Vector128<ushort> Widen(ulong pixels) => Vector128.WidenLower(Vector128.CreateScalarUnsafe(pixels).AsByte());

        /// <summary>One pixel in the low three bytes.</summary>
        private ulong At(int x, int y)
        {
            if ((uint)x >= (uint)width || (uint)y >= (uint)height) return Fill | Fill << 8 | Fill << 16;
            ReadOnlySpan<byte> pixel = Pixels.Slice((y * width + x) * 3, 3);
            return pixel[0] | (ulong)pixel[1] << 8 | (ulong)pixel[2] << 16;
        }
    }
}
