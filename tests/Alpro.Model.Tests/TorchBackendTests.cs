using System.Diagnostics;
using System.Text.Json;

namespace Alpro.Model.Tests;

/// <summary>Which libtorch a checkout is built for, as the build itself evaluates it on made-up machines.</summary>
public sealed class TorchBackendTests : IDisposable
{
    private const string Project = "src/Alpro.Model/Alpro.Model.csproj";

    private readonly TemporaryFolder _folder = new();

    public TorchBackendTests()
    {
        Directory.CreateDirectory(_folder.File("src/Alpro.Model/obj"));
        foreach (string file in new[] { "Directory.Build.props", "Directory.Packages.props", Project })
            File.Copy(Path.Combine(Locations.Root, file), _folder.File(file));
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Without_a_driver_nothing_of_cuda_is_asked_for() => Assert.Equal(("cpu", "libtorch-cpu-linux-x64"), Evaluate());

    [Theory]
    [InlineData("usr/lib/x86_64-linux-gnu")]
    [InlineData("usr/lib64")]
    [InlineData("usr/lib/wsl/lib")]
    public void A_machine_with_a_driver_builds_for_cuda(string libraries)
    {
        Write($"machine/{libraries}/libcuda.so.1", "");
        Assert.Equal(("cuda", "TorchSharp-cuda-linux"), Evaluate());
    }

    [Fact]
    public void What_is_given_decides_before_what_is_found()
    {
        Assert.Equal(("cuda", "TorchSharp-cuda-linux"), Evaluate("-p:TorchBackend=cuda"));
        Write("machine/usr/lib64/libcuda.so.1", "");
        Assert.Equal(("cpu", "libtorch-cpu-linux-x64"), Evaluate("-p:TorchBackend=cpu"));
        Assert.Equal(("cpu", "libtorch-cpu-linux-x64"), Evaluate(environment: "cpu"));
    }

    [Fact]
    public void A_checkout_that_was_built_for_cuda_stays_so_until_it_is_told_otherwise()
    {
        Write("src/Alpro.Model/obj/project.assets.json", """{ "targets": { "net10.0": { "TorchSharp-cuda-linux/0.107.0": {} } } }""");
        Assert.Equal(("cuda", "TorchSharp-cuda-linux"), Evaluate());
        Assert.Equal(("cpu", "libtorch-cpu-linux-x64"), Evaluate("-p:TorchBackend=cpu"));
        Write("src/Alpro.Model/obj/project.assets.json",
            """{ "targets": { "net10.0": { "libtorch-cpu-linux-x64/2.10.0": {} } }, "centralPackageVersions": { "TorchSharp-cuda-linux": "0.107.0" } }""");
        Assert.Equal(("cpu", "libtorch-cpu-linux-x64"), Evaluate());
    }

    private void Write(string file, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_folder.File(file))!);
        File.WriteAllText(_folder.File(file), text);
    }

    private (string Backend, string Package) Evaluate(string? argument = null, string? environment = null)
    {
        string[] asked = ["msbuild", _folder.File(Project), "-nologo", $"-p:NvidiaRoot={_folder.File("machine")}",
            "-getProperty:TorchBackend", "-getItem:PackageReference"];
        var start = new ProcessStartInfo("dotnet", argument is null ? asked : [.. asked, argument]) { RedirectStandardOutput = true };
        start.Environment["TorchBackend"] = environment;
        using Process process = Process.Start(start)!;
        JsonElement found = JsonDocument.Parse(process.StandardOutput.ReadToEnd()).RootElement;
        process.WaitForExit();
        string[] packages = [.. found.GetProperty("Items").GetProperty("PackageReference").EnumerateArray()
            .Select(package => package.GetProperty("Identity").GetString()!)];
        return (found.GetProperty("Properties").GetProperty("TorchBackend").GetString()!,
            Assert.Single(packages, package => package.Contains("cpu") || package.Contains("cuda")));
    }
}
