using System.Buffers.Binary;
using System.Runtime.Intrinsics;

namespace Alpro.Data.Clips;

/// <summary>
/// Cuts a rectangle out of an image and scales it to a square. The bicubic filter widens when it shrinks, as Pillow's does (a = -0.5, 8-bit
/// intermediate). Keeps its scratch memory; belongs to one thread.
/// </summary>
internal sealed class BicubicResizer
{
    private const int WeightBits = 22;
    private int[] _firsts = [], _weights = [];
    private Vector256<int>[] _pairs = [];
    private byte[] _row = [], _rows = [];

    /// <summary>Scales a rectangle of an image.</summary>
    /// <param name="image_HWC">RGB bytes [height, width, 3].</param>
    /// <param name="width">The image's width in pixels.</param>
    /// <param name="cut">The rectangle, inside the image.</param>
    /// <param name="target_HWC">Receives RGB bytes [side, side, 3].</param>
    /// <param name="side">Side of the target in pixels.</param>
    public void Resize(ReadOnlySpan<byte> image_HWC, int width, PixelRectangle cut, Span<byte> target_HWC, int side)
    {
        // Across first, for the rows of the cut alone; then down.
        int stride = side * 3, cutBytes = cut.Width * 3;
        Reserve(ref _rows, cut.Height * stride + 1);
        Reserve(ref _row, cutBytes + sizeof(ulong));
        int taps = Prepare(cut.Width, side);
        Pair(taps, side);
        for (int y = 0; y < cut.Height; y++)
        {
            image_HWC.Slice(((cut.Top + y) * width + cut.Left) * 3, cutBytes).CopyTo(_row);
            ResizeRow(taps, cut.Width, _rows.AsSpan(y * stride, stride + 1));
        }
        taps = Prepare(cut.Height, side);
        for (int y = 0; y < side; y++)
            SumRows(_rows.AsSpan(_firsts[y] * stride), WeightsOf(y, taps, cut.Height), target_HWC.Slice(y * stride, stride));
    }

    /// <summary>The row that was set aside, two of its pixels at a time. A byte more than the pixels is written.</summary>
    private void ResizeRow(int taps, int length, Span<byte> target)
    {
        var apart = Vector128.Create((byte)0, 1, 2, 255, 3, 4, 5, 255, 255, 255, 255, 255, 255, 255, 255, 255);
        int pairs = (taps + 1) / 2;
        ReadOnlySpan<byte> row = _row;
        for (int x = 0; 3 * x < target.Length - 1; x++)
        {
            var sums = Vector256<int>.Zero;
            int at = _firsts[x] * 3;
            foreach (Vector256<int> weights in _pairs.AsSpan(x * pairs, (WeightsOf(x, taps, length).Length + 1) / 2))
            {
                var two = Vector128.CreateScalarUnsafe(BinaryPrimitives.ReadUInt64LittleEndian(row[at..])).AsByte();
                Vector128<ushort> colours = Vector128.WidenLower(Vector128.Shuffle(two, apart));
                sums += Vector256.WidenLower(colours.ToVector256Unsafe()).AsInt32() * weights;
                at += 6;
            }
            Vector128<int> sum = Round(sums.GetLower() + sums.GetUpper() + Vector128.Create(Half));
            Vector128<ushort> narrow = Vector128.Narrow(sum, sum).AsUInt16();
            BinaryPrimitives.WriteUInt32LittleEndian(target[(3 * x)..], Vector128.Narrow(narrow, narrow).AsUInt32()[0]);
        }
    }

    /// <summary>The weights of each pixel two by two, as often as it has colours.</summary>
    private void Pair(int taps, int side)
    {
        int pairs = (taps + 1) / 2;
        Reserve(ref _pairs, side * pairs);
        for (int x = 0; x < side; x++)
            for (int pair = 0; pair < pairs; pair++)
            {
                ReadOnlySpan<int> weights = _weights.AsSpan(x * taps, taps)[(2 * pair)..];
                int next = weights.Length > 1 ? weights[1] : 0;
                _pairs[x * pairs + pair] = Vector256.Create(Vector128.Create(weights[0]), Vector128.Create(next));
            }
    }

    /// <summary>The weighted sum of rows that follow each other, each as long as the target.</summary>
    private static void SumRows(ReadOnlySpan<byte> rows, ReadOnlySpan<int> weights, Span<byte> target)
    {
        int i = 0;
        for (; i + Vector256<byte>.Count <= target.Length; i += Vector256<byte>.Count)
        {
            Vector256<int> first = Vector256.Create(Half), second = first, third = first, fourth = first;
            int at = i;
            foreach (int weight in weights)
            {
                (Vector256<ushort> low, Vector256<ushort> high) = Vector256.Widen(Vector256.Create(rows[at..]));
                first += Vector256.WidenLower(low).AsInt32() * weight;
                second += Vector256.WidenUpper(low).AsInt32() * weight;
                third += Vector256.WidenLower(high).AsInt32() * weight;
                fourth += Vector256.WidenUpper(high).AsInt32() * weight;
                at += target.Length;
            }
            Vector256<short> lower = Vector256.Narrow(Round(first), Round(second)), upper = Vector256.Narrow(Round(third), Round(fourth));
            Vector256.Narrow(lower, upper).AsByte().CopyTo(target[i..]);
        }
        for (; i < target.Length; i++)
        {
            int sum = Half, at = i;
            foreach (int weight in weights)
            {
                sum += weight * rows[at];
                at += target.Length;
            }
            target[i] = (byte)Math.Clamp(sum >> WeightBits, 0, 255);
        }
    }

    private const int Half = 1 << (WeightBits - 1);

    private static Vector128<int> Round(Vector128<int> sums) =>
        Vector128.Clamp(sums >> WeightBits, Vector128<int>.Zero, Vector128.Create(255));

    private static Vector256<int> Round(Vector256<int> sums) =>
        Vector256.Clamp(sums >> WeightBits, Vector256<int>.Zero, Vector256.Create(255));

    private ReadOnlySpan<int> WeightsOf(int target, int taps, int length) =>
        _weights.AsSpan(target * taps, Math.Min(taps, length - _firsts[target]));

    /// <summary>
    /// For each target pixel of a line, the first source pixel and the weights from there on; returns how many weights each has.
    /// </summary>
    private int Prepare(int length, int side)
    {
        double scale = (double)length / side, stretch = Math.Max(scale, 1), support = 2 * stretch;
        int taps = 2 * (int)Math.Ceiling(support) + 1;
        Reserve(ref _firsts, side);
        Reserve(ref _weights, side * taps);
        Span<double> values = taps <= 1024 ? stackalloc double[taps] : new double[taps];
        for (int i = 0; i < side; i++)
        {
            double centre = (i + 0.5) * scale;
            int first = Math.Max((int)(centre - support + 0.5), 0), end = Math.Min((int)(centre + support + 0.5), length);
            double sum = 0;
            for (int tap = 0; tap < taps; tap++)
            {
                values[tap] = first + tap < end ? Cubic((first + tap - centre + 0.5) / stretch) : 0;
                sum += values[tap];
            }
            _firsts[i] = first;
            for (int tap = 0; tap < taps; tap++)
                _weights[i * taps + tap] = (int)Math.Round(values[tap] / sum * (1 << WeightBits), MidpointRounding.AwayFromZero);
        }
        return taps;
    }

    private static double Cubic(double x)
    {
        const double a = -0.5;
        x = Math.Abs(x);
        return x < 1 ? ((a + 2) * x - (a + 3)) * x * x + 1
            : x < 2 ? (((x - 5) * x + 8) * x - 4) * a
            : 0;
    }

    private static void Reserve<T>(ref T[] array, int length)
    {
        if (array.Length < length) array = new T[length];
    }
}
