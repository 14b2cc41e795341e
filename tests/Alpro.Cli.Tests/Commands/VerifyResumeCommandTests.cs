using System.Globalization;
using System.Text.Json;
using Alpro.Tests.Support.Runs;

namespace Alpro.Cli.Tests.Commands;

/// <summary>Runs that are killed, as the operating system kills.</summary>
public sealed class VerifyResumeCommandTests(SmallWorld world) : IClassFixture<SmallWorld>
{
    [Fact]
    public void A_run_killed_three_times_at_random_and_resumed_computes_what_an_undisturbed_one_does()
    {
        using var folder = new TemporaryFolder();
        SmallRun.Write(folder.File("config.json"), world.Folder.Path, steps: 40);
        string seed = TimeProvider.System.GetUtcNow().Ticks.ToString(CultureInfo.InvariantCulture);
        (int code, string output, string errors) = AlproProgram.Run("verify-resume", "--config", folder.File("config.json"), "--steps",
            "40", "--kills", "3", "--seed", seed, "--json");
        Assert.True(code == 0, $"seed {seed}: {output}{errors}");
        JsonElement verdict = JsonDocument.Parse(output).RootElement;
        Assert.True(verdict.GetProperty("identical").GetBoolean());
        Assert.Equal(3, verdict.GetProperty("verdict").GetProperty("killedAt").GetArrayLength());
        Assert.Equal(40, verdict.GetProperty("verdict").GetProperty("comparison").GetProperty("steps").GetInt32());
    }
}
