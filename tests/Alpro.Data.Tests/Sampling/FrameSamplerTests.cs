using System.Text.Json;
using Alpro.Data.Sampling;

namespace Alpro.Data.Tests.Sampling;

public class FrameSamplerTests
{
    private static int[] Choose(FrameStrategy strategy, int frameCount, int k, ulong seed = 1)
    {
        var indices = new int[k];
        SeededRandom random = SeededRandom.For(seed, RandomPurpose.Frames);
        FrameSampler.Choose(strategy, frameCount, ref random, indices);
        return indices;
    }

    public static TheoryData<FrameStrategy> Strategies => [.. Enum.GetValues<FrameStrategy>()];

    [Fact]
    public void Deterministic_choices_equal_the_golden_ones()
    {
        using var golden = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Locations.Golden, "data", "frame_indices.json")));
        Assert.True(golden.RootElement.GetArrayLength() > 100);
        foreach (JsonElement row in golden.RootElement.EnumerateArray())
        {
            int frames = row.GetProperty("vlen").GetInt32(), k = row.GetProperty("num_frm").GetInt32();
            Assert.Equal(Numbers(row, "uniform"), Choose(FrameStrategy.Uniform, frames, k));
            Assert.Equal(Numbers(row, "nlvl_uniform"), Choose(FrameStrategy.NlvlUniform, frames, k));
        }

        static int[] Numbers(JsonElement row, string name) => [.. row.GetProperty(name).EnumerateArray().Select(value => value.GetInt32())];
    }

    [Theory]
    [MemberData(nameof(Strategies))]
    public void Chosen_frames_are_in_the_video_and_ascend(FrameStrategy strategy)
    {
        for (int frames = 1; frames < 60; frames++)
        {
            for (int k = 1; k <= 17; k++)
            {
                int[] indices = Choose(strategy, frames, k, seed: (ulong)(frames * 100 + k));
                Assert.All(indices, index => Assert.InRange(index, 0, frames - 1));
                Assert.Equal(indices.Order(), indices);
            }
        }
    }

    [Theory]
    [InlineData(FrameStrategy.Rand)]
    [InlineData(FrameStrategy.Headtail)]
    [InlineData(FrameStrategy.NlvlRand)]
    public void Random_choices_are_distinct_follow_the_seed_and_reach_every_frame(FrameStrategy strategy)
    {
        const int frames = 40;
        var reached = new HashSet<int>();
        for (ulong seed = 0; seed < 500; seed++)
        {
            int[] indices = Choose(strategy, frames, 8, seed);
            Assert.Equal(8, indices.Distinct().Count());
            Assert.Equal(indices, Choose(strategy, frames, 8, seed));
            reached.UnionWith(indices);
        }
        Assert.Equal(frames, reached.Count);
        Assert.NotEqual(Choose(strategy, frames, 8, 1), Choose(strategy, frames, 8, 2));
    }

    [Fact]
    public void Headtail_takes_half_from_each_half()
    {
        for (ulong seed = 0; seed < 200; seed++)
        {
            Assert.Equal(2, Choose(FrameStrategy.Headtail, 101, 4, seed).Count(index => index < 50));
            Assert.Equal(1, Choose(FrameStrategy.Headtail, 100, 3, seed).Count(index => index < 50));
        }
    }

    [Fact]
    public void Every_pair_of_frames_is_equally_likely()
    {
        var counts = new int[10, 10];
        const int draws = 9000;
        for (ulong seed = 0; seed < draws; seed++)
        {
            int[] pair = Choose(FrameStrategy.Rand, 10, 2, seed);
            counts[pair[0], pair[1]]++;
        }
        for (int a = 0; a < 10; a++)
        {
            // 45 pairs, 200 draws each; five standard deviations.
            for (int b = a + 1; b < 10; b++) Assert.InRange(counts[a, b], 130, 270);
        }
    }

    [Theory]
    [InlineData(FrameStrategy.Rand, 3, 8)]
    [InlineData(FrameStrategy.Headtail, 3, 8)]
    [InlineData(FrameStrategy.Rand, 4, 8)]
    public void Short_videos_repeat_every_frame_about_equally(FrameStrategy strategy, int frames, int k)
    {
        for (ulong seed = 0; seed < 50; seed++)
        {
            int[] times = [.. Choose(strategy, frames, k, seed).CountBy(index => index).Select(pair => pair.Value)];
            Assert.Equal(frames, times.Length);
            if (strategy == FrameStrategy.Rand) Assert.InRange(times.Max() - times.Min(), 0, 1);
        }
    }

    [Fact]
    public void A_hundred_thousand_frames_do_not_overflow() =>
        Assert.Equal(93_750, Choose(FrameStrategy.NlvlUniform, 100_000, 16)[15]);

    [Fact]
    public void A_video_without_frames_is_refused() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => Choose(FrameStrategy.Rand, 0, 4));
}
