using Alpro.Data.Clips;

namespace Alpro.Data.Tests.Clips;

public class FrameAugmenterTests
{
    private const int Side = 16, Decoded = 24, Frames = 3, FrameBytes = Side * Side * 3;

    private static byte[] Noise(int length, ulong seed = 5)
    {
        var random = new Alpro.Data.Sampling.SeededRandom(seed);
        var bytes = new byte[length];
        foreach (ref byte value in bytes.AsSpan()) value = (byte)random.NextInt32(256);
        return bytes;
    }

    [Fact]
    public void A_crop_is_one_square_of_all_frames_and_reaches_every_place()
    {
        // Each pixel says where it is.
        var decoded = new byte[Frames * Decoded * Decoded * 3];
        for (int i = 0; i < decoded.Length / 3; i++)
            (decoded[3 * i], decoded[3 * i + 1], decoded[3 * i + 2]) = ((byte)(i % Decoded), (byte)(i / Decoded % Decoded),
                (byte)(i / Decoded / Decoded));
        var pixels = new byte[Frames * FrameBytes];
        var places = new HashSet<(int, int)>();
        for (ulong seed = 0; seed < 1000; seed++)
        {
            new FrameAugmenter(Side).Crop(decoded, Decoded, centre: false, seed, pixels);
            (byte left, byte top) = (pixels[0], pixels[1]);
            for (int i = 0; i < pixels.Length / 3; i++)
            {
                Assert.Equal(left + i % Side, pixels[3 * i]);
                Assert.Equal(top + i / Side % Side, pixels[3 * i + 1]);
                Assert.Equal(i / Side / Side, pixels[3 * i + 2]);
            }
            places.Add((left, top));
        }
        Assert.Equal(81, places.Count);
        new FrameAugmenter(Side).Crop(decoded, Decoded, centre: true, 1, pixels);
        Assert.Equal((4, 4), (pixels[0], pixels[1]));
    }

    [Fact]
    public void Two_distinct_operations_serve_all_frames_of_a_video()
    {
        var augmenter = new FrameAugmenter(Side);
        byte[] frame = Noise(FrameBytes);
        var reached = new HashSet<string>();
        Dictionary<string, string> names = Outcomes(frame);
        for (ulong seed = 0; seed < 900; seed++)
        {
            byte[] clip = [.. frame, .. frame];
            augmenter.AugmentVideo(clip, seed);
            Assert.True(clip.AsSpan(0, FrameBytes).SequenceEqual(clip.AsSpan(FrameBytes)));
            string outcome = Convert.ToBase64String(clip.AsSpan(0, FrameBytes));
            Assert.Contains(outcome, names);
            reached.Add(names[outcome]);
        }
        Assert.Equal(names.Values.Order(), reached.Order());

        static Dictionary<string, string> Outcomes(byte[] frame)
        {
            var outcomes = new Dictionary<string, string>();
            foreach (AugmentOp first in Enum.GetValues<AugmentOp>())
            {
                foreach (AugmentOp second in Enum.GetValues<AugmentOp>())
                {
                    if (first == second) continue;
                    byte[] made = [.. frame];
                    AugmentOps.Apply(first, 5, made, Side, new byte[FrameBytes]);
                    AugmentOps.Apply(second, 5, made, Side, new byte[FrameBytes]);
                    outcomes[Convert.ToBase64String(made)] = $"{first} {second}";
                }
            }
            return outcomes;
        }
    }

    [Fact]
    public void Augmentation_follows_the_seed()
    {
        byte[] image = Noise(40 * 30 * 3), frame = Noise(FrameBytes);
        var differing = new HashSet<string>();
        for (ulong seed = 0; seed < 50; seed++)
        {
            string[] made = [.. Enumerable.Range(0, 2).Select(_ => Make(seed))];
            Assert.Equal(made[0], made[1]);
            differing.Add(made[0]);
        }
        Assert.Equal(50, differing.Count);

        string Make(ulong seed)
        {
            var augmenter = new FrameAugmenter(Side);
            byte[] made = [.. frame];
            augmenter.CropImage(image, 40, seed, made);
            augmenter.AugmentImage(made, seed);
            return Convert.ToBase64String(made);
        }
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(1000, 2)]
    [InlineData(2, 1000)]
    [InlineData(16, 16)]
    public void Images_of_any_shape_are_cut(int width, int height)
    {
        byte[] image = new byte[width * height * 3];
        image.AsSpan().Fill(77);
        var frame = new byte[FrameBytes];
        for (ulong seed = 0; seed < 20; seed++)
        {
            new FrameAugmenter(Side).CropImage(image, width, seed, frame);
            Assert.All(frame, value => Assert.Equal(77, value));
        }
    }
}
