using System.IO.Hashing;
using Alpro.Data.Clips;
using Alpro.Data.Sampling;

namespace Alpro.Data.Tests.Clips;

public class BicubicResizerTests
{
    /// <summary>Checksums of what Pillow 9.4 makes of the same pictures with <c>crop(…).resize(…, BICUBIC)</c>.</summary>
    [Theory]
    [InlineData(5, 4, 0, 0, 5, 4, 8, 982257857)]
    [InlineData(700, 500, 13, 40, 600, 450, 224, 0x80120e3b)]
    [InlineData(100, 80, 3, 4, 90, 70, 224, 0x2888e5a)]
    [InlineData(2000, 3, 0, 0, 2000, 3, 16, 0xb4937d99)]
    public void Scaled_cuts_equal_pillows(int width, int height, int left, int top, int cutWidth, int cutHeight, int side, uint crc)
    {
        var image = new byte[width * height * 3];
        for (int i = 0; i < image.Length; i++)
        {
            int channel = i % 3, x = i / 3 % width, y = i / 3 / width;
            image[i] = (byte)(x * x * 7 + y * 13 + channel * 71 + x * y * 31);
        }
        var target = new byte[side * side * 3];
        var resizer = new BicubicResizer();
        for (int time = 0; time < 2; time++)
        {
            resizer.Resize(image, width, new PixelRectangle(left, top, cutWidth, cutHeight), target, side);
            Assert.Equal(crc, Crc32.HashToUInt32(target));
        }
    }

    [Fact]
    public void Every_cut_equals_the_plain_one()
    {
        var random = new SeededRandom(5);
        var resizer = new BicubicResizer();
        for (int attempt = 0; attempt < 60; attempt++)
        {
            int width = 1 + random.NextInt32(90), height = 1 + random.NextInt32(90), side = 1 + random.NextInt32(40);
            var image = new byte[width * height * 3];
            foreach (ref byte value in image.AsSpan()) value = (byte)(random.NextInt32(3) * 127);   // steep: sums leave the range of a byte
            int left = random.NextInt32(width), top = random.NextInt32(height);
            var cut = new PixelRectangle(left, top, 1 + random.NextInt32(width - left), 1 + random.NextInt32(height - top));
            var target = new byte[side * side * 3];
            resizer.Resize(image, width, cut, target, side);
            Assert.True(Plain(image, width, cut, side).AsSpan().SequenceEqual(target), $"{cut} of {width} x {height} to {side}");
        }
    }

    /// <summary>The same scaling written out, a colour at a time.</summary>
    private static byte[] Plain(byte[] image, int width, PixelRectangle cut, int side)
    {
        var rows = new byte[cut.Height * side * 3];
        for (int i = 0; i < rows.Length; i++)
        {
            int x = i / 3 % side, y = i / 3 / side, colour = i % 3;
            rows[i] = Sum(x, cut.Width, from => image[((cut.Top + y) * width + cut.Left + from) * 3 + colour]);
        }
        var target = new byte[side * side * 3];
        for (int i = 0; i < target.Length; i++) target[i] = Sum(i / 3 / side, cut.Height, from => rows[from * side * 3 + i % (side * 3)]);
        return target;

        byte Sum(int at, int length, Func<int, byte> pixel)
        {
            double scale = (double)length / side, stretch = Math.Max(scale, 1), centre = (at + 0.5) * scale;
            int first = Math.Max((int)(centre - 2 * stretch + 0.5), 0), end = Math.Min((int)(centre + 2 * stretch + 0.5), length);
            double[] weights = [.. Enumerable.Range(first, end - first).Select(i => Cubic(Math.Abs((i - centre + 0.5) / stretch)))];
            double total = 0;
            foreach (double weight in weights) total += weight;
            int sum = 1 << 21;
            for (int i = 0; i < weights.Length; i++)
                sum += (int)Math.Round(weights[i] / total * (1 << 22), MidpointRounding.AwayFromZero) * pixel(first + i);
            return (byte)Math.Clamp(sum >> 22, 0, 255);
        }

        static double Cubic(double x) => x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
    }
}
