using System.Diagnostics;
using System.Text.Json;

namespace Alpro.Cli.Tests.Commands;

/// <summary><c>alpro doctor</c> on machines whose driver is a stand-in.</summary>
public sealed class DoctorCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public DoctorCommandTests()
    {
        using Process compiler = Process.Start("cc",
            ["-shared", "-fPIC", "-o", _folder.File("libcuda.so.1"), Path.Combine(Locations.Root, "tests/Alpro.Cli.Tests/native/cuda.c")])!;
        compiler.WaitForExit();
        Assert.Equal(0, compiler.ExitCode);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_driver_that_libtorch_cannot_use_fails_with_the_remedy()
    {
        (bool ok, Dictionary<string, JsonElement> found) = Examine(("LD_LIBRARY_PATH", _folder.Path));
        Assert.False(ok);
        Assert.Equal("NVIDIA H100 80GB HBM3, 79.6 GiB, compute capability 9.0, driver of unknown version, CUDA 12.8",
            found["GPU 0"].GetProperty("found").GetString());
        Assert.False(found["CUDA"].GetProperty("ok").GetBoolean());
        Assert.Equal("build for CUDA: TorchBackend=cuda scripts/setup", found["CUDA"].GetProperty("remedy").GetString());
    }

    [Fact]
    public void A_driver_without_a_card_fails_in_its_own_words()
    {
        (bool ok, Dictionary<string, JsonElement> found) = Examine(("LD_LIBRARY_PATH", _folder.Path), ("NO_CARD", "1"));
        Assert.False(ok);
        Assert.Contains("no CUDA-capable device is detected", found["GPU"].GetProperty("found").GetString(), StringComparison.Ordinal);
        Assert.Contains("nvidia-smi", found["GPU"].GetProperty("remedy").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_step_that_fits_and_one_that_does_not_are_told_with_their_peak()
    {
        string config = Path.Combine(Locations.Root, "config/demo/pretrain.json");
        Assert.Equal((true, "fits"), Step());
        Assert.Equal((false, "does not fit"), Step("--set", "training.batchSize=80000"));

        (bool, string) Step(params string[] settings)
        {
            (_, string output, string errors) = AlproProgram.Run(["doctor", "--json", "--config", config, .. settings]);
            Assert.True(output.Length > 0, errors);
            JsonElement step = JsonDocument.Parse(output).RootElement.GetProperty("findings").EnumerateArray()
                .Single(finding => finding.GetProperty("item").GetString() == "step");
            return (step.GetProperty("ok").GetBoolean(), step.GetProperty("found").GetString()!.Split(':')[0]);
        }
    }

    private static (bool Ok, Dictionary<string, JsonElement> Found) Examine(params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo("dotnet",
            [Path.Combine(AppContext.BaseDirectory, "alpro.dll"), "doctor", "--json"]) { RedirectStandardOutput = true };
        foreach ((string name, string value) in environment) start.Environment[name] = value;
        using Process process = Process.Start(start)!;
        JsonElement answer = JsonDocument.Parse(process.StandardOutput.ReadToEnd()).RootElement;
        process.WaitForExit();
        Assert.Equal(answer.GetProperty("ok").GetBoolean() ? 0 : 1, process.ExitCode);
        return (answer.GetProperty("ok").GetBoolean(),
            answer.GetProperty("findings").EnumerateArray().ToDictionary(finding => finding.GetProperty("item").GetString()!));
    }
}
