using System.CommandLine;
using System.Runtime.InteropServices;
using Alpro.Actors;
using Alpro.Data.Media;
using Alpro.Model;
using Alpro.Training.Configuration;
using Alpro.Training.Devices;
using Spectre.Console;
using TorchSharp;

namespace Alpro.Cli.Commands;

/// <summary><c>alpro doctor</c>: looks at the machine and names the remedy for whatever is missing.</summary>
internal static class DoctorCommand
{
    private sealed record Finding(string Item, bool Ok, string Found, string? Remedy = null);

    public static Command Create()
    {
        var file = new Option<string?>("--config") { Description = "A configuration: says what a step of it takes of the memory." };
        var settings = ConfigCommand.SetOption();
        var trainers = new Option<int>("--trainers") { Description = "Trainers that share a step of it.", DefaultValueFactory = _ => 1 };
        var command = new Command("doctor", CommandLine.Describe(
            "Check this machine: .NET, libtorch, FFmpeg, cores, memory, disk, GPUs; and whether a run fits on it.",
            "alpro doctor --config config/pretrain.json")) { file, settings, trainers };
        command.SetAction(arguments =>
        {
            RunConfig? config = arguments.GetValue(file) is { } path ? ConfigLoader.LoadForSizes(path, arguments.GetValue(settings)) : null;
            config?.RequireShares(arguments.GetValue(trainers));
            Finding[] findings = [.. Examine(config, arguments.GetValue(trainers))];
            CommandLine.Result(arguments, new { ok = findings.All(finding => finding.Ok), findings }, console => Show(console, findings));
            return findings.All(finding => finding.Ok) ? ExitCode.Success : ExitCode.Failure;
        });
        return command;
    }

    private static IEnumerable<Finding> Examine(RunConfig? config, int trainers)
    {
        yield return new("system", true, $"{RuntimeInformation.OSDescription}, {RuntimeInformation.OSArchitecture}");
        yield return new(".NET", true, RuntimeInformation.FrameworkDescription);
        yield return Libtorch();
        yield return Ffmpeg();
        yield return NativeDecoder.IsAvailable
            ? new("decoder", true, $"in process ({NativeDecoder.Version})")
            : new("decoder", true, $"through the ffmpeg command, several times slower: {NativeDecoder.WhyNot} (install libavformat-dev, "
            + "libavcodec-dev, libavutil-dev, libswscale-dev, cc and pkg-config, then rebuild)");
        yield return new("cores", true, $"{Environment.ProcessorCount}");
        var memory = GC.GetGCMemoryInfo();
        yield return new("memory", true, $"{memory.TotalAvailableMemoryBytes / (1 << 20)} MiB");
        var disk = new DriveInfo(Directory.GetCurrentDirectory());
        yield return new("disk", disk.AvailableFreeSpace > 1L << 30, $"{disk.AvailableFreeSpace >> 30} GiB free here",
            "free at least 1 GiB: checkpoints are written aside before they replace older ones");
        Gpus? driver = Gpus.Find();
        bool usable = IsCudaUsable();
        foreach (Finding finding in ExamineGpus(driver, usable, config)) yield return finding;
        if (config is not null) yield return Fits(config, trainers, usable ? driver : null, memory.TotalAvailableMemoryBytes);
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
        catch (Exception error) when (error is NotSupportedException or DllNotFoundException or TypeInitializationException
            or TypeLoadException or ExternalException)
        {
            return new("libtorch", false, error.Message.ReplaceLineEndings(" "), "rebuild with scripts/setup");
        }
    }

    private static Finding Ffmpeg()
    {
        const string remedy = "install it: apt-get install ffmpeg (scripts/setup does), and have it on PATH";
        string? version = FfmpegCommand.Version();
        return new("ffmpeg", version is not null, version ?? "not found on PATH", remedy);
    }

    /// <summary>The cards, and what libtorch does with them; where there is a driver and libtorch cannot use it, the remedy.</summary>
    private static IEnumerable<Finding> ExamineGpus(Gpus? driver, bool usable, RunConfig? config)
    {
        if (driver is null)
        {
            yield return new("GPU", true, "no NVIDIA driver: training runs on the CPU");
            yield break;
        }
        string version = $"driver {driver.Driver ?? "of unknown version"}, CUDA {driver.Cuda}";
        if (driver.Cards.Count == 0)
        {
            yield return new("GPU", false,
                $"{version}, and no card that this process can see: {driver.Problem ?? "the driver counts none"}",
                "see that nvidia-smi lists a card, that CUDA_VISIBLE_DEVICES hides none, and that a container is given it (docker run "
                + "--gpus all)");
            yield break;
        }
        for (int i = 0; i < driver.Cards.Count; i++)
        {
            Gpu card = driver.Cards[i];
            yield return new($"GPU {i}", true,
                $"{card.Name}, {Gibibytes(card.Memory)} GiB, compute capability {card.Capability}, {version}");
        }
        if (!usable)
        {
            bool built = NativeLibrary.TryLoad("libtorch_cuda.so", typeof(torch).Assembly, null, out _);
            yield return built
                ? new("CUDA", false, "libtorch is built for CUDA and cannot use the driver",
                    $"install a newer driver: this one supports CUDA {driver.Cuda}, libtorch's packages are for 12.8")
                : new("CUDA", false, "libtorch is built for the CPU, and training would run there",
                "build for CUDA: TorchBackend=cuda scripts/setup");
            yield break;
        }
        yield return new("CUDA", true, $"libtorch uses {torch.cuda.device_count()} of them; NCCL {NcclVersion()}");
        yield return new("attention", true, string.Join(", ", Enum.GetValues<Precision>().Select(precision =>
            $"{AttentionBackend.Of(torch.CUDA, precision)} in {ConfigCommand.NameOf(precision)}")));
        VisionConfig vision = config?.Model.Vision ?? new();
        yield return new("vision kernels", true, AttentionBackend.OfBlocks(vision, config?.Data.Clip.Frames ?? vision.Frames));
    }

    private static bool IsCudaUsable()
    {
        try
        {
            return torch.cuda.is_available();
        }
        catch (Exception error) when (error is NotSupportedException or DllNotFoundException or TypeInitializationException
            or TypeLoadException or ExternalException)
        {
            return false;                                            // libtorch does not load, which is a finding of its own
        }
    }

    private static unsafe string NcclVersion()
    {
        foreach (string name in new[] { "libtorch_cuda.so", "libnccl.so.2" })
        {
            int version = 0;
            if (NativeLibrary.TryLoad(name, typeof(torch).Assembly, null, out nint library) && NativeLibrary.TryGetExport(library,
                "ncclGetVersion", out nint entry)
                && ((delegate* unmanaged<int*, int>)entry)(&version) == 0)
                return $"{version / 10000}.{version / 100 % 100}.{version % 100}";
        }
        return "not found: several trainers need it";
    }

    /// <summary>
    /// Whether a step of a run fits into the smallest card that is seen, or into the machine's memory where it trains on the CPU.
    /// </summary>
    private static Finding Fits(RunConfig config, int trainers, Gpus? gpus, long memory)
    {
        StepMemory step = StepMemory.Of(config, trainers, gpu: gpus is not null);
        long need = step.Peak + (gpus is null ? 0 : StepMemory.Overhead), has = gpus?.Cards.Min(card => card.Memory) ?? memory;
        int clips = config.Training.BatchSize / config.Training.Accumulation / trainers;
        string parts =
            $"a step on {clips} clips at a time: weights {Gibibytes(step.Weights)}, gradients and moments {Gibibytes(step.Training)}, "
            + $"kept for the backward pass {Gibibytes(step.Kept)}, passing {Gibibytes(step.Passing)} GiB";
        string fits = need <= has ? "fits" : "does not fit", where = gpus is null ? "of this machine's memory" : "of the GPU";
        if (gpus is null) parts += $"; on a GPU {Gibibytes(StepMemory.Of(config, trainers).Peak + StepMemory.Overhead)} GiB in all";
        return new("step", need <= has, $"{fits}: {Gibibytes(need)} of {Gibibytes(has)} GiB {where}; {parts}",
            "lower it with model.vision.activationCheckpointing=true, a higher training.accumulation, or more --trainers");
    }

    private static string Gibibytes(long bytes) => FormattableString.Invariant($"{(double)bytes / (1 << 30):0.#}");

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
