using System.Diagnostics;

namespace Alpro.Training.Tests;

/// <summary>
/// <c>scripts/gpu-check</c> where there is no GPU, no SDK on the path, no network that is asked, and libtorch's CPU files stand in for
/// PyTorch's.
/// </summary>
public sealed class GpuCheckTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [CpuLibtorchFact]
    public void Every_stage_that_needs_no_gpu_passes_in_a_bare_folder_and_every_other_says_what_it_needs()
    {
        string root = Locations.Root, bundle = _folder.File(".gpu");
        (int code, string output) = Run("env", "ALPRO_NO_BUILD=1", "bash", Path.Combine(root, "scripts/gpu-check"), "pack", "--out",
            bundle);
        Assert.True(code == 0, output);
        Assert.InRange(Directory.EnumerateFiles(bundle).Sum(file => new FileInfo(file).Length), 10L << 20, 60L << 20);
        Copy(Path.Combine(root, "scripts/gpu-check"), "scripts/gpu-check");
        foreach (string file in Directory.EnumerateFiles(Locations.Golden, "*", SearchOption.AllDirectories))
            Copy(file, Path.GetRelativePath(root, file));

        (code, output) = Run("env", "-i", "PATH=/usr/bin:/bin", $"LIBTORCH={CpuLibtorchFactAttribute.Folder}", "bash",
            _folder.File("scripts/gpu-check"), "run", "--out", _folder.File("out"));
        Assert.True(code == 0, output);
        Dictionary<string, string> verdicts = output.Split('\n').Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(words => words is [_, "PASS" or "SKIP" or "FAIL", ..]).ToDictionary(words => words[0], words => words[1]);
        Assert.Equal(("PASS", "PASS"), (verdicts["probe"], verdicts["parity"]));
        string[] needs = ["ceilings", "kernels", "step-16", "step-64", "step-halves-16", "step-halves-64", "train", "nccl"];
        foreach (string stage in needs) Assert.Equal("SKIP", verdicts[stage]);
        Assert.Contains("35 of 35 pass", output, StringComparison.Ordinal);
        Assert.Contains("step: needs a GPU that libtorch can use, and there is none", output, StringComparison.Ordinal);
        Assert.InRange(File.ReadAllLines(_folder.File("out/table.txt")).Length, 5, 60);
        Assert.NotEmpty(File.ReadAllLines(_folder.File("out/results.jsonl")));
    }

    private void Copy(string file, string to)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_folder.File(to))!);
        File.Copy(file, _folder.File(to));
    }

    private static (int Code, string Output) Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + errors.GetAwaiter().GetResult());
    }
}

/// <summary>A fact about libtorch for the CPU on Linux: skipped, with a message, where the build has another.</summary>
public sealed class CpuLibtorchFactAttribute : FactAttribute
{
    public CpuLibtorchFactAttribute()
    {
        if (!File.Exists(Path.Combine(Folder, "libtorch_cpu.so")) || File.Exists(Path.Combine(Folder, "libtorch_cuda.so")))
            Skip = "needs a build with libtorch for the CPU on Linux";
    }

    public static string Folder { get; } = Path.Combine(AppContext.BaseDirectory, "runtimes/linux-x64/native");
}
