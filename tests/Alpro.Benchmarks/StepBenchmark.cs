using System.Diagnostics;
using Alpro.Model;
using Alpro.Training.Configuration;
using Alpro.Training.Optimization;
using Spectre.Console;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Benchmarks;

/// <summary>
/// <c>step [STEPS] [THREADS] [CLIPS]</c>: full-size pretraining steps (2 clips of 4 frames at 224 px, 30 tokens, all four losses) beside a
/// matrix product timed between them. Floating-point operations are those of the matrix products in <see cref="StepFlops"/>; shares are of
/// the fastest step over the rate of the fastest product, in wall time, and in CPU time, which is what compares on a busy machine. The peak
/// of memory is the process's, weights and optimizer included. Needs 9 GB.
/// </summary>
internal static class StepBenchmark
{
    internal const int Length = 30, MaskedPerText = 4;
    private const int Side = 2048, Products = 3, MostCalled = 12;

    public static int Run(string[] args)
    {
        int steps = args.Length > 0 ? int.Parse(args[0]) : 5, threads = args.Length > 1 ? int.Parse(args[1]) : 1, clips = args.Length > 2
            ? int.Parse(args[2]) : 2;
        LibtorchClock? clock = LibtorchClock.Install();
        set_num_threads(threads);
        var config = new ModelConfig();
        using var model = new AlproForPretrain(config);
        using var parameters = new FlatParameters(model);
        using var optimizer = new AdamW(parameters, new OptimizerConfig(), threads);
        using var scope = NewDisposeScope();
        ModelInputs inputs = Inputs(config, clips, CPU);
        Tensor matrix = randn(Side, Side);

        Cost forward = Cost.Worst, backward = Cost.Worst, update = Cost.Worst, whole = Cost.Worst, multiply = Cost.Worst;
        long allocated = 0, tensors = 0;
        Dictionary<string, long> calls = [];
        for (int step = 0; step <= steps; step++)                           // the first warms up
        {
            multiply = multiply.Least(Cost.Of(() => { for (int i = 0; i < Products; i++) matrix.mm(matrix).Dispose(); }));
            long bytes = GC.GetTotalAllocatedBytes(precise: true), before = Tensor.TotalCount;
            Dictionary<string, long> called = clock?.Calls() ?? [];
            using (NewDisposeScope())
            {
                Tensor loss = null!;
                Cost f = Cost.Of(() => loss = model.Forward(inputs).Total), b = Cost.Of(() => loss.backward());
                Cost u = Cost.Of(() => optimizer.ClippedStep(1e-4, 20));
                if (step == 0) continue;
                (forward, backward, update, whole) = (forward.Least(f), backward.Least(b), update.Least(u),
                    whole.Least(new(f.Wall + b.Wall + u.Wall, f.Cpu + b.Cpu + u.Cpu)));
            }
            allocated = GC.GetTotalAllocatedBytes(precise: true) - bytes;
            tensors = Tensor.TotalCount - before;
            calls = (clock?.Calls() ?? []).ToDictionary(entry => entry.Key, entry => entry.Value - called.GetValueOrDefault(entry.Key));
        }

        var flops = new StepFlops(config, clips, Length, MaskedPerText * clips);
        double products = Products * 2.0 * Side * Side * Side, wall = flops.Step / products * multiply.Wall,
            cpu = flops.Step / products * multiply.Cpu;
        Table table = new Table().AddColumns($"{clips} clips, {threads} thread{(threads == 1 ? "" : "s")}", "wall ms", "CPU ms");
        table.AddRow("forward", $"{forward.Wall:F0}", $"{forward.Cpu:F0}");
        table.AddRow("backward", $"{backward.Wall:F0}", $"{backward.Cpu:F0}");
        table.AddRow("update", $"{update.Wall:F0}", $"{update.Cpu:F0}");
        table.AddRow("step", $"{whole.Wall:F0}", $"{whole.Cpu:F0}");
        table.AddRow($"its {flops.Step / 1e9:F0} GFLOP ({flops.Forward / 1e9:F0} forward) as {Side}^3 products", $"{wall:F0}", $"{cpu:F0}");
        table.AddRow("share of the matrix rate", $"{wall / whole.Wall:P1}", $"{cpu / whole.Cpu:P1}");
        table.AddRow("matrix rate, GFLOP/s", $"{products / multiply.Wall / 1e6:F1}", $"{products / multiply.Cpu / 1e6:F1}");
        table.AddRow("memory at peak, GB", $"{PeakBytes() / 1e9:F2}", "");
        table.AddRow("allocated per step, managed KB", $"{allocated / 1e3:F0}", "");
        table.AddRow("tensors left per step", $"{tensors}", "");
        if (clock is not null) table.AddRow("calls into libtorch per step", $"{calls.Values.Sum()}", "");
        foreach ((string name, long count) in calls.OrderByDescending(entry => entry.Value).Take(MostCalled))
            table.AddRow($"  {name}", $"{count}", "");
        AnsiConsole.Profile.Width = 120;
        AnsiConsole.Write(table);
        return 0;
    }

    /// <summary>Random inputs of a full-size step, all four losses, on a device.</summary>
    internal static ModelInputs Inputs(ModelConfig config, int clips, Device device)
    {
        VisionConfig vision = config.Vision;
        int grid = vision.ImageSize / vision.PatchSize;
        Tensor ids = randint(1000, 30000, [clips, Length], dtype: ScalarType.Int64, device: device), region = ones(clips, grid, grid,
            device: device);
        region.narrow(1, 2, 9).narrow(2, 3, 9).zero_();
        Tensor video = randn([clips, vision.Frames, 3, vision.ImageSize, vision.ImageSize], device: device);
        return new()
        {
            Video_BTCHW = video,
            TokenIds_BL = ids,
            TokenMask_BL = ones_like(ids),
            MaskedIds_BL = ids,
            MaskLabels_BL = ids,
            MaskPositions = tensor([.. Enumerable.Range(0,
            clips * MaskedPerText).Select(i => (long)(i / MaskedPerText * Length + 1 + 3 * (i % MaskedPerText)))]).to(device),
            CropVideo_BTCHW = video,
            RegionMask_BHW = region,
        };
    }

    private static long PeakBytes() =>
        1024 * long.Parse(File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmHWM:", StringComparison.Ordinal))
        .Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[1]);
}

/// <summary>What an action took, in milliseconds.</summary>
internal readonly record struct Cost(double Wall, double Cpu)
{
    public static Cost Worst { get; } = new(double.MaxValue, double.MaxValue);

    public static Cost Of(Action action)
    {
        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        long start = Stopwatch.GetTimestamp();
        action();
        return new(Stopwatch.GetElapsedTime(start).TotalMilliseconds, (Environment.CpuUsage.TotalTime - cpu).TotalMilliseconds);
    }

    public Cost Least(Cost other) => new(Math.Min(Wall, other.Wall), Math.Min(Cpu, other.Cpu));
}

/// <summary>
/// Floating-point operations of the matrix products of a pretraining step, counted from the shapes: 2 per multiplication and addition.
/// </summary>
internal sealed class StepFlops
{
    private readonly VisionConfig vision;
    private readonly TextConfig text;

    /// <summary>Counts a step with all four losses.</summary>
    public StepFlops(ModelConfig config, int clips, int length, int masked)
    {
        (vision, text) = (config.Vision, config.Text);
        double grid = vision.ImageSize / vision.PatchSize, patches = grid * grid, fused = length + 1 + patches, width = vision.Width;
        double video = clips * (PatchEmbedding(patches) + vision.Depth * Block(patches));
        double texts = 2 * clips * text.FusionLayer * Layer(length, length);                                        // plain and masked
        // positives, two kinds of negatives, masked
        double fusion = 4 * clips * (text.Layers - text.FusionLayer - 1) * Layer(fused, fused);
        double last = clips * (Layer(1 + patches, fused) + 2 * Layer(1, fused) + Layer(length, fused));
        double heads = 2 * masked * width * (width + text.VocabularySize)
            + clips * 2 * (2 * width * 2 * width + 2 * width * config.Entities);
        double trained = video + texts + fusion + last + heads;
        double prompter = video - clips * (Block(patches) - LastBlock(patches));
        // the prompter sees the crop, and learns nothing
        Forward = trained + prompter;
        // pixels get no gradient
        Step = Forward + 2 * trained - clips * PatchEmbedding(patches);
    }

    /// <summary>Of the forward pass.</summary>
    public double Forward { get; }

    /// <summary>Of forward and backward.</summary>
    public double Step { get; }

    private double PatchEmbedding(double patches) => 2.0 * vision.Frames * patches * vision.Width * 3 * vision.PatchSize * vision.PatchSize;

    private double Block(double patches)
    {
        double frames = vision.Frames, width = vision.Width, square = 2 * width * width;
        double time = patches * frames * 5 * square + 4 * patches * frames * frames * width;
        double space = frames * (1 + patches) * 4 * square + 4 * frames * (1 + patches) * (1 + patches) * width;
        return time + space + (1 + patches * frames) * 2 * vision.MlpRatio * square;
    }

    // The class token alone: attention over time is needed whole, and keys and values over space.
    private double LastBlock(double patches)
    {
        double frames = vision.Frames, width = vision.Width, square = 2 * width * width;
        double time = patches * frames * 5 * square + 4 * patches * frames * frames * width;
        double space = frames * (1 + patches) * 2 * square + frames * 2 * square + 4 * frames * (1 + patches) * width;
        return time + space + 2 * vision.MlpRatio * square;
    }

    private double Layer(double rows, double tokens)
    {
        double width = text.Width, square = 2 * width * width;
        return (2 * rows + 2 * tokens) * square + 4 * rows * tokens * width + rows * 4 * width * text.IntermediateSize;
    }
}
