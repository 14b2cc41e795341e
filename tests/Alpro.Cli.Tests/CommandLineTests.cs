using Alpro.Actors;
using Alpro.Chaos;
using Alpro.Cli.Tests.Commands;
using Alpro.Tests.Support.Runs;

namespace Alpro.Cli.Tests;

/// <summary>
/// What a person meets who makes a mistake: one line that names it, what was expected, and no word of the program's inside.
/// </summary>
public sealed class CommandLineTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

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
    [InlineData("--log loud: expected one of trace, debug, info, warning, error", "doctor", "--log", "loud")]
    [InlineData("--log-format xml: expected one of text, json", "doctor", "--log-format", "xml")]
    [InlineData("--seed host: expected a node as host:port", "node", "--role", "decoder", "--config", "F", "--seed", "host")]
    public void Wrong_words_are_named(string message, params string[] arguments)
    {
        (int code, string output, string errors) = AlproProgram.Run(arguments);
        Assert.Equal((ExitCode.BadInput, ""), (code, output));
        Assert.StartsWith($"alpro: {message}", errors, StringComparison.Ordinal);
        Assert.Equal(2, errors.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.DoesNotContain("System.", errors, StringComparison.Ordinal);
    }

    [Fact]
    public void Mistakes_are_events_too()
    {
        (int code, _, string errors) = AlproProgram.RunAlone("pretain", "--log-format", "json");
        Assert.Equal(ExitCode.BadInput, code);
        string[] lines = errors.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal([nameof(CommandEvents.WordsRefused), nameof(CommandEvents.HelpOffered)],
            lines.Select(line => NodeEvent.Parse(line)!.Name));
    }

    [Fact]
    public void Place_that_cannot_be_written_is_named_in_one_line()
    {
        File.WriteAllText(_folder.File("file"), "");
        string within = _folder.File("file/out"), clip = _folder.File("clip.png"), config = _folder.File("run.json"),
            released = _folder.File("args.json");
        using (var ffmpeg = System.Diagnostics.Process.Start("ffmpeg",
            ["-v", "error", "-f", "lavfi", "-i", "testsrc=size=32x32", "-frames:v", "1", clip])) ffmpeg.WaitForExit();
        File.WriteAllText(_folder.File("a.csv"), "videoid,name\n1,a dog\n");
        File.WriteAllText(config, """{ "data": { "corpora": [ { "name": "a", "annotations": "a.csv", "media": "." } ] } }""");
        string weights = Directory.EnumerateFiles(Path.Combine(Locations.Golden, "model"), "retrieval.pt").Single();
        foreach (string[] arguments in new string[][]
        {
            ["frames", clip, "--frames", "1", "--out", within],
            ["frames", clip, "--frames", "1", "--out", _folder.Path],
            ["checkpoint", "convert", weights, within + ".safetensors"],
            ["certs", "host-a", "--out", within],
            ["scan", config, "--out", within],
            ["corpus", "synthesize", "--clips", "1", "--out", within],
        })
        {
            (int code, _, string errors) = AlproProgram.Run(arguments);
            Assert.True(code == ExitCode.BadInput, $"{arguments[0]}: {code}: {errors}");
            string said = Assert.Single(errors.Split('\n', StringSplitOptions.RemoveEmptyEntries),
                line => line.StartsWith("alpro: ", StringComparison.Ordinal));
            Assert.Contains("cannot be written: ", said, StringComparison.Ordinal);
            Assert.DoesNotContain("   at ", errors, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("../evil")]
    [InlineData("a/b")]
    [InlineData("")]
    public void Certificates_are_made_for_hosts_and_nowhere_else(string host)
    {
        (int code, _, string errors) = AlproProgram.Run("certs", host, "--out", _folder.File("certs"));
        Assert.Equal(ExitCode.BadInput, code);
        Assert.StartsWith($"alpro: {host}: is neither a host name nor an address", errors, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void Folder_without_a_checkpoint_is_named()
    {
        (int code, _, string errors) = AlproProgram.Run("checkpoint", "inspect", _folder.Path);
        Assert.Equal((ExitCode.BadInput, 1), (code, errors.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length));
        Assert.Contains($"{_folder.Path}: holds no checkpoint", errors, StringComparison.Ordinal);
    }

    [Fact]
    public void Annotations_that_cannot_be_read_do_not_pass_the_check()
    {
        string config = _folder.File("run.json"), csv = _folder.File("odd.csv");
        File.WriteAllText(csv, "id,words\n1,a dog\n");
        SmallRun.Write(config, _folder.Path, steps: 2, csv: csv);
        File.WriteAllText(config, File.ReadAllText(config).Replace(", \"format\": \"webvid-csv\"", "", StringComparison.Ordinal));
        Directory.CreateDirectory(_folder.File("train/videos"));
        File.WriteAllText(_folder.File("vocab.txt"), "");
        (int code, _, string errors) = AlproProgram.Run("config", "check", config);
        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains("data.corpora[0].annotations: corpus world: ", errors, StringComparison.Ordinal);
        Assert.Contains("has the columns id, words", errors, StringComparison.Ordinal);
    }
}
