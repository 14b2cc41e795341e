namespace Alpro.Data.Clips;

/// <summary>
/// Cuts a rectangle out of an image and scales it to a square. The bicubic filter widens when it shrinks, as Pillow's does (a = -0.5, 8-bit
/// intermediate). Keeps its scratch memory; belongs to one thread.
/// </summary>
internal sealed class BicubicResizer
{
    private const int WeightBits = 22;
    private int[] _firsts = [], _weights = [];
    private byte[] _rows = [];

    /// <summary>Scales a rectangle of an image.</summary>
    /// <param name="image_HWC">RGB bytes [height, width, 3].</param>
    /// <param name="width">The image's width in pixels.</param>
    /// <param name="cut">The rectangle, inside the image.</param>
    /// <param name="target_HWC">Receives RGB bytes [side, side, 3].</param>
    /// <param name="side">Side of the target in pixels.</param>
    public void Resize(ReadOnlySpan<byte> image_HWC, int width, PixelRectangle cut, Span<byte> target_HWC, int side)
    {
        // Across first, for the rows of the cut alone; then down.
        Reserve(ref _rows, cut.Height * side * 3);
        int taps = Prepare(cut.Width, side);
        for (int y = 0; y < cut.Height; y++)
        {
            ReadOnlySpan<byte> row = image_HWC.Slice(((cut.Top + y) * width + cut.Left) * 3, cut.Width * 3);
            for (int x = 0; x < side; x++)
            {
                int red = Half, green = Half, blue = Half, at = _firsts[x] * 3;
                foreach (int weight in WeightsOf(x, taps, cut.Width))
                {
                    red += weight * row[at];
                    green += weight * row[at + 1];
                    blue += weight * row[at + 2];
                    at += 3;
                }
                int to = (y * side + x) * 3;
                _rows[to] = Round(red);
                _rows[to + 1] = Round(green);
                _rows[to + 2] = Round(blue);
            }
        }
        taps = Prepare(cut.Height, side);
        int stride = side * 3;
        Span<int> sums = stackalloc int[stride];
        for (int y = 0; y < side; y++)
        {
            sums.Fill(Half);
            int at = _firsts[y] * stride;
            foreach (int weight in WeightsOf(y, taps, cut.Height))
            {
                ReadOnlySpan<byte> row = _rows.AsSpan(at, stride);
                for (int i = 0; i < row.Length; i++) sums[i] += weight * row[i];
                at += stride;
            }
            Span<byte> target = target_HWC.Slice(y * stride, stride);
            for (int i = 0; i < target.Length; i++) target[i] = Round(sums[i]);
        }
    }

    private const int Half = 1 << (WeightBits - 1);

    private static byte Round(int sum) => (byte)Math.Clamp(sum >> WeightBits, 0, 255);

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
