using Alpro.Training.Configuration;
using Alpro.Training.Parity;

namespace Alpro.Training.Tests.Parity;

public sealed class MetricsParityTests
{
    private static readonly string _golden = Path.Combine(Locations.Golden, "data");

    [Fact]
    public void Figures_equal_the_golden_ones()
    {
        IReadOnlyList<ParityRow> rows = MetricsParity.Check(_golden);
        Assert.All(rows, row => Assert.True(row.Passed, row.ToString()));
        Assert.Equal([("retrieval_metrics.json", 30), ("qa_metrics.json", 16)], rows.Select(row => (row.Item, row.Cases)));
    }

    [Fact]
    public void Another_figure_is_found()
    {
        using var folder = new TemporaryFolder();
        string text = File.ReadAllText(Path.Combine(_golden, "qa_metrics.json"));
        File.WriteAllText(folder.File("qa_metrics.json"),
            text.Replace("\"overall_acc\": 0.406", "\"overall_acc\": 0.407", StringComparison.Ordinal));
        ParityRow row = Assert.Single(MetricsParity.Check(folder.Path));
        Assert.False(row.Passed);
        Assert.Equal("overall: 0.406, expected 0.407", row.Detail);
    }
}
