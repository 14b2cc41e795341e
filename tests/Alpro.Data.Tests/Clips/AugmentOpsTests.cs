using Alpro.Data.Clips;

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
    public void Operations_stay_within_the_smallest_frames(string op)
    {
        foreach ((int width, int height) in new[] { (1, 1), (1, 5), (5, 1), (2, 2), (3, 3) })
        {
            byte[] frame = [.. Enumerable.Range(0, width * height * 3).Select(i => (byte)(i * 37))];
            AugmentOps.Apply(Enum.Parse<AugmentOp>(op), 7, frame, width, new byte[frame.Length]);
        }
    }
}
