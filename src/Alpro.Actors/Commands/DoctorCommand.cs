using System.CommandLine;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Alpro.Data.Clips;
using Spectre.Console;
using TorchSharp;

namespace Alpro.Actors.Commands;

/// <summary><c>alpro doctor</c>: looks at the machine and names the remedy for whatever is missing.</summary>
internal static class DoctorCommand
{
    private sealed record Finding(string Item, bool Ok, string Found, string? Remedy = null);

    public static Command Create()
    {
        var command = new Command("doctor", CommandLine.Describe("Check this machine: .NET, libtorch, FFmpeg, cores, memory, disk, GPU.", "alpro doctor"));
        command.SetAction(arguments =>
        {
            Finding[] findings = [.. Examine()];
            CommandLine.Result(arguments, new { ok = findings.All(finding => finding.Ok), findings }, console => Show(console, findings));
            return findings.All(finding => finding.Ok) ? CommandLine.Success : CommandLine.Failure;
        });
        return command;
    }

    private static IEnumerable<Finding> Examine()
    {
        yield return new("system", true, $"{RuntimeInformation.OSDescription}, {RuntimeInformation.OSArchitecture}");
        yield return new(".NET", true, RuntimeInformation.FrameworkDescription);
        yield return Libtorch();
        yield return Ffmpeg();
        yield return NativeDecoder.IsAvailable
            ? new("decoder", true, $"in process ({NativeDecoder.Version})")
            : new("decoder", true, $"through the ffmpeg command, several times slower: {NativeDecoder.WhyNot} (install libavformat-dev, libavcodec-dev, libavutil-dev, libswscale-dev, cc and pkg-config, then rebuild)");
        yield return new("cores", true, $"{Environment.ProcessorCount}");
        var memory = GC.GetGCMemoryInfo();
        yield return new("memory", true, $"{memory.TotalAvailableMemoryBytes / (1 << 20)} MiB");
        var disk = new DriveInfo(Directory.GetCurrentDirectory());
        yield return new("disk", disk.AvailableFreeSpace > 1L << 30, $"{disk.AvailableFreeSpace >> 30} GiB free here", "free at least 1 GiB: checkpoints are written aside before they replace older ones");
        yield return Gpu();
        string? gen0 = Environment.GetEnvironmentVariable("DOTNET_GCgen0size");
        yield return new("garbage collector", true, gen0 is null
            ? "default gen-0 budget; scripts/alpro sets DOTNET_GCgen0size=0x20000000, which keeps collections out of training steps"
            : $"gen-0 budget {gen0}");
    }

    private static Finding Libtorch()
    {
        try
        {
            using var scope = torch.NewDisposeScope();
            float two = torch.ones(2).sum().item<float>();
            return new("libtorch", two == 2, $"loads ({torch.__version__}), {torch.get_num_threads()} threads");
        }
        catch (Exception error) when (error is NotSupportedException or DllNotFoundException or TypeInitializationException or TypeLoadException or ExternalException)
        {
            return new("libtorch", false, error.Message.ReplaceLineEndings(" "), "rebuild with scripts/setup; on a GPU machine build with -p:TorchBackend=cuda");
        }
    }

    private static Finding Ffmpeg()
    {
        const string remedy = "install it: apt-get install ffmpeg (scripts/setup does), and have it on PATH";
        try
        {
            using var process = Process.Start(new ProcessStartInfo("ffmpeg", "-version") { RedirectStandardOutput = true, RedirectStandardError = true })!;
            string first = process.StandardOutput.ReadLine() ?? "";
            process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return new("ffmpeg", process.ExitCode == 0, first, remedy);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return new("ffmpeg", false, "not found on PATH", remedy);
        }
    }

    private static Finding Gpu()
    {
        try
        {
            return torch.cuda.is_available()
                ? new("GPU", true, $"{torch.cuda.device_count()} CUDA device(s)")
                : new("GPU", true, "none that libtorch can use: training runs on the CPU");
        }
        catch (Exception error) when (error is NotSupportedException or DllNotFoundException or TypeInitializationException or TypeLoadException or ExternalException)
        {
            return new("GPU", true, "not asked: libtorch does not load");
        }
    }

    private static void Show(IAnsiConsole console, Finding[] findings)
    {
        var table = new Table().Border(TableBorder.None).HideHeaders().AddColumns("", "", "");
        foreach (Finding finding in findings)
        {
            table.AddRow(new Markup(finding.Ok ? "[green]ok[/]" : "[red]--[/]"), new Text(finding.Item), new Text(finding.Found));
            if (!finding.Ok && finding.Remedy is not null) table.AddRow(new Text(""), new Text(""), new Text("-> " + finding.Remedy));
        }
        console.Write(table);
    }
}
