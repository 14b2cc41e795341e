using Alpro.Data.Clips;
using Alpro.Data.Sampling;

namespace Alpro.Data.Tests.Clips;

public class AffineWarpTests
{
    private static readonly (int Width, int Height)[] _sizes = [(1, 1), (2, 5), (5, 2), (10, 10), (11, 7), (16, 16), (33, 20), (64, 48)];

    [Fact]
    public void Every_map_equals_the_plain_one()
    {
        var random = new SeededRandom(11);
        foreach ((int width, int height) in _sizes)
            for (int attempt = 0; attempt < 60; attempt++)
            {
                double slant = random.NextDouble(-1.5, 1.5), along = random.NextDouble(-1.2, 1.2) * width;
                int down = random.NextInt32(2 * height) - height;
                AffineWarp warp = (attempt % 6) switch
                {
                    0 => new(1, slant, along, 0, 1, down),
                    1 => new(1, 0, 0, slant, 1, 0),
                    2 => new(1, 0, random.NextInt32(2 * width) - width, 0, 1, down),
                    3 => AffineWarp.Rotation(slant * 120, width / 2.0, height / 2.0),
                    4 => new(1, 0, along, 0, 1, down + slant),
                    _ => new(slant, random.NextDouble(-1, 1), along, random.NextDouble(-1, 1), random.NextDouble(-2, 2), down),
                };
                byte[] source = Noise(ref random, width * height * 3), target = new byte[source.Length];
                warp.Apply(source, target, width);
                Assert.True(PlainAugmentOps.Warp(warp, source, width).AsSpan().SequenceEqual(target), $"{warp} of {width} x {height}");
            }
    }

    [Fact]
    public void Nothing_is_written_beside_the_target()
    {
        const int width = 37, height = 23, margin = 64, length = width * height * 3;
        var random = new SeededRandom(3);
        byte[] source = Noise(ref random, length);
        foreach (AffineWarp warp in new AffineWarp[] { new(1, 0.2, 3, 0, 1, 0), new(1, 0, 0, 0.2, 1, 0), AffineWarp.Rotation(20, 18, 11) })
        {
            byte[] target = Noise(ref random, length + 2 * margin), before = [.. target];
            warp.Apply(source, target.AsSpan(margin, length), width);
            Assert.Equal(before[..margin], target[..margin]);
            Assert.Equal(before[^margin..], target[^margin..]);
        }
    }

    private static byte[] Noise(ref SeededRandom random, int length)
    {
        var bytes = new byte[length];
        foreach (ref byte value in bytes.AsSpan()) value = (byte)random.NextInt32(256);
        return bytes;
    }
}
