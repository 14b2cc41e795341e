using Alpro.Model.Tests;
using Alpro.Training.Optimization;

namespace Alpro.Training.Tests;

public class HiddenScalarTests
{
    [Fact]
    public void Training_calls_no_method_that_makes_a_scalar_out_of_sight() =>
    Assert.Empty(new HiddenScalars().CallsOf(typeof(AdamW).Assembly));
}
