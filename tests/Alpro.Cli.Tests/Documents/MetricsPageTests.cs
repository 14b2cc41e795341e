using System.Diagnostics.Metrics;
using System.Reflection;
using Alpro.Actors;
using Alpro.Data;
using Alpro.Training.Records;

namespace Alpro.Cli.Tests.Documents;

/// <summary>The page about metrics lists the instruments that the libraries have, and no others.</summary>
public sealed class MetricsPageTests
{
    private static readonly Type[] _classes = [typeof(DataMetrics), typeof(TrainingMetrics), typeof(ActorMetrics)];

    private static readonly Instrument[] _instruments =
    [
        .. from type in _classes
           from field in type.GetFields(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)
           where field.FieldType.IsAssignableTo(typeof(Instrument))
           select (Instrument)field.GetValue(null)!,
    ];

    /// <summary>The names of all instruments.</summary>
    public static IReadOnlySet<string> Names { get; } = _instruments.Select(one => one.Name).ToHashSet();

    /// <summary>Name, kind, unit and meaning of each row whose name is one of ours.</summary>
    private static string[] Rows() =>
    [
        .. from line in Document.All.Single(page => page.Name == "docs/metrics.md").Text.Split('\n')
           where line.StartsWith("| `alpro.", StringComparison.Ordinal)
           let cells = line.Trim().Trim('|').Split('|').Select(cell => cell.Trim().Trim('`')).ToArray()
           where cells.Length == 5
           orderby cells[0]
           select $"{cells[0]} | {cells[1]} | {cells[2]} | {cells[4]}",
    ];

    [Fact]
    public void Page_and_instruments_agree_in_name_kind_unit_and_meaning() => Assert.Equal(
        _instruments.Select(one => $"{one.Name} | {KindOf(one)} | {one.Unit} | {one.Description}").Order(StringComparer.Ordinal),
        Rows().Order(StringComparer.Ordinal));

    [Fact]
    public void Each_name_is_given_once_and_each_meter_is_one_class()
    {
        Assert.True(_instruments.Length > 30, $"{_instruments.Length} instruments were found");
        Assert.Equal(_instruments.Length, _instruments.Select(one => one.Name).Distinct().Count());
        Assert.Equal(["Alpro.Actors", "Alpro.Data", "Alpro.Training"], _instruments.Select(one => one.Meter.Name).Distinct().Order());
    }

    private static string KindOf(Instrument instrument) => instrument.GetType().Name.Split('`')[0] switch
    {
        nameof(Counter<>) => "counter",
        nameof(Histogram<>) => "histogram",
        nameof(Gauge<>) or nameof(ObservableGauge<>) => "gauge",
        nameof(ObservableUpDownCounter<>) => "up-down counter",
        var other => other,
    };
}
