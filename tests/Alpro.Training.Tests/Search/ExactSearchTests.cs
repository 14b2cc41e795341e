using Alpro.Data.Sampling;
using Alpro.Training.Search;

namespace Alpro.Training.Tests.Search;

/// <summary>The product in 16 bits is the product: of every width, sign and magnitude, however many threads take part.</summary>
public sealed unsafe class ExactSearchTests
{
    [Theory]
    [InlineData(5, 300)]
    [InlineData(16, 300)]
    [InlineData(24, 300)]
    [InlineData(128, 300)]
    [InlineData(256, 20_000)]
    public void The_best_are_those_of_a_product_in_64_bits(int width, int rows)
    {
        var random = new SeededRandom(7);
        Half[] features = [.. Enumerable.Range(0, rows * width).Select(_ => (Half)(random.NextInt32(2001) / 1000.0 - 1))];
        features[0] = (Half)5e-7;                                    // below the smallest normal number
        features[1] = Half.NegativeZero;
        features[2] = Half.MaxValue;
        float[] query = [.. Enumerable.Range(0, width).Select(_ => (float)(random.NextInt32(2001) / 1000.0 - 1))];
        double[] products = [.. Enumerable.Range(0, rows)
            .Select(row => Enumerable.Range(0, width).Sum(i => (double)features[row * width + i] * query[i]))];

        SimilarWindow[] one = Top(features, rows, query, 10, threads: 1), several = Top(features, rows, query, 10, threads: 3);
        Assert.Equal(one, several);
        Assert.Equal(Enumerable.Range(0, rows).OrderByDescending(row => products[row]).Take(10), one.Select(found => found.Window));
        Assert.All(one, found =>
            Assert.Equal(products[found.Window], found.Similarity, 1e-5 * Math.Max(1, Math.Abs(products[found.Window]))));
    }

    [Fact]
    public void Of_equal_windows_the_first_is_found_first()
    {
        Half[] features = [.. Enumerable.Repeat((Half)0.25, 20_000 * 16)];
        Assert.Equal([0, 1, 2], Top(features, 20_000, new float[16], 3, threads: 4).Select(found => found.Window));
    }

    [Fact]
    public void A_filter_leaves_the_others_as_they_are()
    {
        Half[] features = [.. Enumerable.Range(0, 10_000).SelectMany(row => Enumerable.Repeat((Half)(row / 10_000f), 16))];
        float[] query = [.. Enumerable.Repeat(1f, 16)];
        Assert.Equal([9000, 8000, 7000],
            Top(features, 9001, query, 3, threads: 2, filter: row => row % 1000 == 0).Select(found => found.Window));
        Assert.Empty(Top(features, 9001, query, 3, threads: 2, filter: _ => false));
    }

    private static SimilarWindow[] Top(Half[] features, int rows, float[] query, int count, int threads, Func<int, bool>? filter = null)
    {
        fixed (Half* first = features) return ExactSearch.Top(first, rows, query, count, filter, threads);
    }
}
