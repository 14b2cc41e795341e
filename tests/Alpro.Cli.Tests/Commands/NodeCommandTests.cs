using Alpro.Actors;

namespace Alpro.Cli.Tests.Commands;

public sealed class NodeCommandTests
{
    [Fact]
    public void Gpu_that_is_not_there_is_bad_input()
    {
        (int code, _, string errors) = AlproProgram.Run("node", "--role", "trainer", "--gpu", "99", "--config", "none.json", "--out",
            "none");
        Assert.Equal(ExitCode.BadInput, code);
        Assert.StartsWith("alpro: --gpu 99: the process sees no such GPU that libtorch can use; expected the number of one, from 0", errors,
            StringComparison.Ordinal);
    }
}
