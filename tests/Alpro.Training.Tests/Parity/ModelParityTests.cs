using Alpro.Training.Parity;

namespace Alpro.Training.Tests.Parity;

public class ModelParityTests
{
    [Fact]
    public void The_models_compute_the_golden_numbers()
    {
        var rows = ModelParity.Check(Environment.GetEnvironmentVariable("GOLD") ?? Path.Combine(Locations.Golden, "model"));
        foreach (var r in rows) Console.WriteLine(r);
        Assert.All(rows, row => Assert.True(row.Passed, row.ToString()));
    }
}
