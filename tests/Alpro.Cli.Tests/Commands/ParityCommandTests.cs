namespace Alpro.Cli.Tests.Commands;

public sealed class ParityCommandTests
{
    [Theory]
    [InlineData("gpu", "expected cpu, cuda or cuda:N")]
    [InlineData("cuda:x", "expected cpu, cuda or cuda:N")]
    [InlineData("cuda:64", "doctor says why")]
    public void A_device_that_is_not_there_is_bad_input(string device, string said)
    {
        (int code, _, string error) = AlproProgram.Run("parity", Locations.Golden, "--device", device);
        Assert.Equal(2, code);
        Assert.Contains($"--device {device}: ", error, StringComparison.Ordinal);
        Assert.Contains(said, error, StringComparison.Ordinal);
    }
}
