using Alpro.Actors.Tests.Commands;

namespace Alpro.Actors.Tests;

/// <summary>What a person meets who makes a mistake: one line that names it, what was expected, and no word of the program's inside.</summary>
public sealed class CommandLineTests
{
    [Theory]
    [InlineData("there is no command 'pretain'; did you mean 'pretrain'?", "pretain", "--config", "F")]
    [InlineData("there is no option '--ot'; did you mean '--out'?", "pretrain", "--config", "F", "--ot", "x")]
    [InlineData("--decoders foo: expected a whole number", "pretrain", "--config", "F", "--out", "x", "--decoders", "foo")]
    [InlineData("--decoders must be at least 0", "pretrain", "--config", "F", "--out", "x", "--decoders", "-3")]
    [InlineData("--role cook: expected one of coordinator, trainer, decoder, evaluator", "node", "--role", "cook", "--config", "F")]
    [InlineData("--port must be at most 65535", "node", "--role", "decoder", "--config", "F", "--port", "99999")]
    [InlineData("--workers many: expected a whole number", "scan", "F", "--workers", "many")]
    [InlineData("--frames few: expected a whole number", "frames", "V", "--frames", "few", "--out", "x")]
    [InlineData("--top must be at least 1", "predict", "--run", "x", "--video", "v", "--question", "q", "--top", "0")]
    [InlineData("--seed host: expected a node as host:port", "node", "--role", "decoder", "--config", "F", "--seed", "host")]
    public void Wrong_words_are_named(string message, params string[] arguments)
    {
        (int code, string output, string errors) = AlproProgram.Run(arguments);
        Assert.Equal((CommandLine.BadInput, ""), (code, output));
        Assert.StartsWith($"alpro: {message}", errors, StringComparison.Ordinal);
        Assert.Equal(2, errors.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.DoesNotContain("System.", errors, StringComparison.Ordinal);
    }
}
