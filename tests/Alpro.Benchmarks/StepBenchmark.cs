using System.Diagnostics;
using Alpro.Model;
using Alpro.Training;
using Spectre.Console;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Benchmarks;

/// <summary>
/// <c>step [STEPS] [THREADS] [CLIPS]</c>: full-size pretraining steps (2 clips of 4 frames at 224 px, 30 tokens, all four losses) beside a matrix
/// product timed between them. Floating-point operations are those of the matrix products in <see cref="StepFlops"/>; the share is of
/// the fastest step, over the rate of the fastest product. The peak of memory is the process's, weights and optimizer included. Needs 9 GB.
/// </summary>
internal static class StepBenchmark
{
    private const int Length = 30, MaskedPerText = 4, Side = 2048;

    public static int Run(string[] args)
    {
        int steps = args.Length > 0 ? int.Parse(args[0]) : 5, threads = args.Length > 1 ? int.Parse(args[1]) : 1, clips = args.Length > 2 ? int.Parse(args[2]) : 2;
        set_num_threads(threads);
        var config = new ModelConfig();
        using var model = new AlproForPretrain(config);
        using var parameters = new FlatParameters(model);
        using var optimizer = new AdamW(parameters, new OptimizerConfig(), threads);
        using var scope = NewDisposeScope();
        ModelInputs inputs = Inputs(config, clips);
        Tensor matrix = randn(Side, Side);

        double forward = double.MaxValue, backward = double.MaxValue, update = double.MaxValue, whole = double.MaxValue, multiply = double.MaxValue;
        var all = new List<double>();
        long allocated = 0, tensors = 0;
        for (int step = 0; step <= steps; step++)                           // the first warms up
        {
            for (int i = 0; i < 3; i++) multiply = Math.Min(multiply, Milliseconds(() => matrix.mm(matrix).Dispose()));
            long bytes = GC.GetTotalAllocatedBytes(precise: true), before = Tensor.TotalCount;
            using (NewDisposeScope())
            {
                Tensor loss = null!;
                double f = Milliseconds(() => loss = model.Forward(inputs).Total), b = Milliseconds(() => loss.backward());
                double u = Milliseconds(() => optimizer.Step(1e-4, AdamW.ClipScale(optimizer.GradientNorm().item<double>(), 20)));
                if (step == 0) continue;
                (forward, backward, update, whole) = (Math.Min(forward, f), Math.Min(backward, b), Math.Min(update, u), Math.Min(whole, f + b + u));
                all.Add(f + b + u);
            }
            allocated = GC.GetTotalAllocatedBytes(precise: true) - bytes;
            tensors = Tensor.TotalCount - before;
        }

        var flops = new StepFlops(config, clips, Length, MaskedPerText * clips);
        double rate = 2.0 * Side * Side * Side / multiply / 1e6, floor = flops.Step / rate / 1e6;
        Table table = new Table().AddColumns("full-size pretraining step", $"{clips} clips, {threads} thread{(threads == 1 ? "" : "s")}");
        table.AddRow("step, fastest (median)", $"{whole:F0} ms ({all.Order().ElementAt(all.Count / 2):F0} ms)");
        table.AddRow("forward / backward / update", $"{forward:F0} / {backward:F0} / {update:F0} ms");
        table.AddRow("matrix products", $"{flops.Step / 1e9:F0} GFLOP ({flops.Forward / 1e9:F0} forward)");
        table.AddRow($"matrix rate, {Side}^3", $"{rate:F1} GFLOP/s: {floor:F0} ms for these");
        table.AddRow("share of the matrix rate", $"{floor / whole:P1} of the step, {floor / (forward + backward):P1} of forward and backward");
        table.AddRow("memory at peak", $"{PeakBytes() / 1e9:F2} GB");
        table.AddRow("allocated per step, managed", $"{allocated / 1e3:F0} KB; {tensors} tensors left");
        AnsiConsole.Profile.Width = 120;
        AnsiConsole.Write(table);
        return 0;
    }

    private static ModelInputs Inputs(ModelConfig config, int clips)
    {
        VisionConfig vision = config.Vision;
        int grid = vision.ImageSize / vision.PatchSize;
        Tensor ids = randint(1000, 30000, [clips, Length], dtype: ScalarType.Int64), region = ones(clips, grid, grid);
        region.narrow(1, 2, 9).narrow(2, 3, 9).zero_();
        Tensor video = randn([clips, vision.Frames, 3, vision.ImageSize, vision.ImageSize]);
        return new()
        {
            Video_BTCHW = video,
            TokenIds_BL = ids,
            TokenMask_BL = ones_like(ids),
            MaskedIds_BL = ids,
            MaskLabels_BL = ids,
            MaskPositions = tensor([.. Enumerable.Range(0, clips * MaskedPerText).Select(i => (long)(i / MaskedPerText * Length + 1 + 3 * (i % MaskedPerText)))]),
            CropVideo_BTCHW = video,
            RegionMask_BHW = region,
        };
    }

    private static double Milliseconds(Action action)
    {
        long start = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    private static long PeakBytes() =>
        1024 * long.Parse(File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmHWM:", StringComparison.Ordinal)).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[1]);
}

/// <summary>Floating-point operations of the matrix products of a pretraining step, counted from the shapes: 2 per multiplication and addition.</summary>
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
        double fusion = 4 * clips * (text.Layers - text.FusionLayer - 1) * Layer(fused, fused);                     // positives, two kinds of negatives, masked
        double last = clips * (Layer(1 + patches, fused) + 2 * Layer(1, fused) + Layer(length, fused));
        double heads = 2 * masked * width * (width + text.VocabularySize) + clips * 2 * (2 * width * 2 * width + 2 * width * config.Entities);
        double trained = video + texts + fusion + last + heads;
        Forward = trained + video;                                                                                  // the prompter sees the crop, and learns nothing
        Step = Forward + 2 * trained - clips * PatchEmbedding(patches);                                             // pixels get no gradient
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

    private double Layer(double rows, double tokens)
    {
        double width = text.Width, square = 2 * width * width;
        return (2 * rows + 2 * tokens) * square + 4 * rows * tokens * width + rows * 4 * width * text.IntermediateSize;
    }
}
