using Alpro.Data.Clips;
using Alpro.Data.Sampling;

namespace Alpro.Data.Tests.Clips;

public class AugmentOpsTests
{
    private static readonly GoldenImages _golden = new(Path.Combine(Locations.Golden, "data", "randaugment.safetensors"));

    public static TheoryData<string> Ops => [.. Enum.GetNames<AugmentOp>()];

    [Theory]
    [MemberData(nameof(Ops))]
    public void Operations_equal_the_golden_ones_byte_for_byte(string op)
    {
        string[] names = [.. _golden.Names.Where(name => name.EndsWith("/" + op, StringComparison.Ordinal))];
        Assert.Equal(6, names.Length);
        foreach (string name in names)
        {
            string[] parts = name.Split('/');
            byte[] frame = _golden[parts[0] + "/input"];
            AugmentOps.Apply(Enum.Parse<AugmentOp>(op), int.Parse(parts[1][1..]), frame, _golden.Width(name), new byte[frame.Length]);
            Assert.True(frame.AsSpan().SequenceEqual(_golden[name]), name);
        }
    }

    [Theory]
    [MemberData(nameof(Ops))]
    public void Operations_equal_the_plain_ones_at_every_level(string op)
    {
        var random = new SeededRandom(9);
        foreach ((int width, int height) in new[] { (1, 1), (3, 4), (11, 9), (40, 30), (70, 41), (224, 224) })
            for (int level = 0; level <= 10; level++)
            {
                // Dark, bright and even frames have means of every kind.
                int darkest = random.NextInt32(256), range = 1 + random.NextInt32(256 - darkest);
                byte[] frame = new byte[width * height * 3];
                foreach (ref byte value in frame.AsSpan()) value = (byte)(darkest + random.NextInt32(range));
                byte[] plain = PlainAugmentOps.Apply(Enum.Parse<AugmentOp>(op), level, frame, width);
                AugmentOps.Apply(Enum.Parse<AugmentOp>(op), level, frame, width, new byte[frame.Length]);
                Assert.True(plain.AsSpan().SequenceEqual(frame), $"level {level}, {width} x {height}");
            }
    }

    [Theory]
    [MemberData(nameof(Ops))]
    public void Operations_stay_within_the_smallest_frames(string op)
    {
        foreach ((int width, int height) in new[] { (1, 1), (1, 5), (5, 1), (2, 2), (3, 3) })
        {
            byte[] frame = [.. Enumerable.Range(0, width * height * 3).Select(i => (byte)(i * 37))];
            AugmentOps.Apply(Enum.Parse<AugmentOp>(op), 7, frame, width, new byte[frame.Length]);
        }
    }
}
