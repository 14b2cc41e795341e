using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Alpro.Training.Records;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Benchmarks.Gpu;

/// <summary>
/// <c>gpu STAGE [ARGUMENTS]</c>: what <c>scripts/gpu-check run</c> runs, a stage a process, so that one that fails or hangs stops no other.
/// Each figure is a line, and a line of JSON in the file that ALPRO_GPU_RESULTS names; <c>gpu table FILE</c> shows them all.
/// </summary>
internal static class GpuCheck
{
    /// <summary>A stage that needs a GPU ends with this where there is none.</summary>
    public const int NoGpu = 3;

    private static readonly Dictionary<string, (bool NeedsGpu, Action<string[]> Run)> _stages = new()
    {
        ["probe"] = (false, ProbeStage.Run),
        ["ceilings"] = (true, CeilingsStage.Run),
        ["parity"] = (false, ParityStage.Run),
        ["kernels"] = (true, KernelsStage.Run),
        ["step"] = (true, StepStage.Run),
        ["train"] = (true, TrainStage.Run),
        ["nccl"] = (true, NcclStage.Run),
    };

    public static int Run(string[] args)
    {
        if (args is ["table", var file]) return GpuTable.Print(file);
        if (args.Length == 0 || !_stages.TryGetValue(args[0], out var stage))
        {
            Console.Error.WriteLine($"usage: Alpro.Benchmarks gpu ({string.Join(" | ", _stages.Keys)} | table FILE) [arguments]");
            return 2;
        }
        if (stage.NeedsGpu && !cuda.is_available())
        {
            Console.WriteLine($"{args[0]}: needs a GPU that libtorch can use, and there is none");
            return NoGpu;
        }
        backends.cuda.matmul.allow_tf32 = false;
        backends.cudnn.allow_tf32 = false;
        try
        {
            stage.Run(args[1..]);
            return 0;
        }
        catch (Exception reason) when (reason is InvalidOperationException or System.Runtime.InteropServices.ExternalException)
        {
            Console.WriteLine(reason);
            Console.WriteLine(reason.Message.Split('\n')[0]);
            return 1;
        }
    }

    /// <summary>The GPU where libtorch has one, else the CPU, on which the stages can be tried.</summary>
    public static Device Device { get; } = cuda.is_available() ? CUDA : CPU;

    /// <summary>Waits until the device has done what it was given.</summary>
    public static void Wait()
    {
        if (Device.type == DeviceType.CUDA) cuda.synchronize();
    }

    /// <summary>The median milliseconds of an action, the device's part included.</summary>
    public static double Milliseconds(Action action, int repeats = 10, int warm = 3)
    {
        for (int i = 0; i < warm; i++) Once(action);
        return Enumerable.Range(0, repeats).Select(_ => Once(action)).Order().ElementAt(repeats / 2);
    }

    /// <summary>
    /// The median milliseconds of one of several actions queued together, so that the host's time to queue them is hidden.
    /// </summary>
    public static double Queued(Action action, int count = 10, int repeats = 5) =>
        Milliseconds(() => { for (int i = 0; i < count; i++) action(); }, repeats, 1) / count;

    /// <summary>Writes a figure down.</summary>
    public static void Report(GpuFigure figure)
    {
        string number(double? value, string format) => value?.ToString(format, CultureInfo.InvariantCulture) ?? "";
        Console.WriteLine($"  {figure.What,-46} {number(figure.Ms, "F3"),10} ms {number(figure.Teraflops, "F1"),8} {figure.Note}");
        if (Environment.GetEnvironmentVariable("ALPRO_GPU_RESULTS") is { Length: > 0 } file)
            File.AppendAllText(file, JsonSerializer.Serialize(figure, GpuFigure.Json) + "\n");
    }

    private static double Once(Action action)
    {
        Wait();
        long start = Stopwatch.GetTimestamp();
        using (NewDisposeScope()) action();
        Wait();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }
}

/// <summary>One measurement.</summary>
/// <param name="What">Of what; PyTorch's figure of the same name is put beside it.</param>
/// <param name="Ms">Milliseconds.</param>
/// <param name="Teraflops">Its rate, in TFLOP/s.</param>
/// <param name="Predicted">The milliseconds expected before anything was run.</param>
/// <param name="Note">Anything else.</param>
/// <param name="Peer">"pytorch" for the peer's figures.</param>
internal sealed record GpuFigure(string What, double? Ms = null, double? Teraflops = null, double? Predicted = null, string? Note = null,
    string? Peer = null)
{
    public static JsonSerializerOptions Json { get; } =
        new(JsonSerializerDefaults.Web) { DefaultIgnoreCondition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull };
}

/// <summary>The table that ends a check.</summary>
internal static class GpuTable
{
    public const string Product = "bf16 product 8192^3";

    public static int Print(string file)
    {
        GpuFigure[] figures = [.. File.ReadLines(file).Where(line => line.StartsWith('{'))
            .Select(line => JsonSerializer.Deserialize<GpuFigure>(line, GpuFigure.Json)!)];
        double? ceiling = figures.FirstOrDefault(figure => figure.What == Product && figure.Peer is null)?.Teraflops;
        ILookup<string, GpuFigure> peers = figures.Where(figure => figure.Peer is not null).ToLookup(figure => figure.What);
        string[] own = [.. figures.Where(figure => figure.Peer is null).Select(figure => figure.What)];
        Console.WriteLine($"{"what",-46} {"ms",9} {"TFLOP/s",8} {"share",6} {"predicted",9} {"PyTorch",9}  note");
        foreach (GpuFigure figure in figures.Where(figure => figure.Peer is null || !own.Contains(figure.What)))
        {
            double? peer = figure.Peer is null ? peers[figure.What].LastOrDefault()?.Ms : figure.Ms;
            string share = figure.Teraflops is { } rate && ceiling is { } top ? (rate / top).ToString("P0", CultureInfo.InvariantCulture)
                : "";
            Console.WriteLine($"{figure.What,-46} {Number(figure.Peer is null ? figure.Ms : null, "F3"),9} "
                + $"{Number(figure.Teraflops, "F1"),8} {share,6} {Number(figure.Predicted, "F1"),9} {Number(peer, "F3"),9}  {figure.Note}");
        }
        return 0;
    }

    private static string Number(double? value, string format) => value?.ToString(format, CultureInfo.InvariantCulture) ?? "";
}
