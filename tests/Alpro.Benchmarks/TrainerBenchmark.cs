using System.Threading.Channels;
using Alpro.Data.Clips;
using Alpro.Data.Text;
using Alpro.Model;
using Alpro.Training;
using Alpro.Training.Configuration;
using Alpro.Training.Optimization;
using Alpro.Training.Records;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Benchmarks;

/// <summary>
/// The trainer of the demo's model on batches that are already decoded: the share of a step outside libtorch, memory at the end beside
/// memory at step 200, and managed allocations; then the optimizer alone at the size of the full model.
/// </summary>
internal static class TrainerBenchmark
{
    public static int Run(string[] args)
    {
        long steps = args.Length > 0 ? long.Parse(args[0]) : 2000;
        Loop(steps);
        Optimizer(args.Length > 1 ? long.Parse(args[1]) : 232_500_000);
        return 0;
    }

    private static void Loop(long steps)
    {
        var config = new RunConfig
        {
            Task = LearningTask.Pretrain,
            Model = SmallModel.Of(width: 128, patchSize: 32, frames: 2, vocabulary: 1000) with { Entities = 50 },
            Data = new()
            {
                Corpora = [],
                Vocabulary = "",
                Clip = new() { Frames = 2, DecodeSize = 64, Size = 64, TextLength = 24, MaskProbability = 0.5, RegionPatch = 32 },
            },
            Losses = LossWeights.Equal,
            Training = new() { BatchSize = 32, Steps = steps, CheckpointEvery = int.MaxValue },
        };
        var records = new List<StepRecord>();
        LibtorchClock? clock = LibtorchClock.Install();
        var batches = new SyntheticBatches(config, clock: clock);
        using AlproModel model = RunModel.Create(config, CPU);
        using var trainer = new Trainer(config, model, new() { Record = records.Add }, new() { TotalSteps = steps, StepsPerEpoch = steps });
        trainer.Run(batches);

        StepRecord[] warm = [.. records.Skip(Math.Min(200, records.Count / 2))];
        double total = warm.Sum(record => record.StepMs + record.BetweenMs);
        double made = batches.Milliseconds(warm.Length);
        Console.WriteLine($"small model, {config.Training.BatchSize} clips, {steps} steps: {total / warm.Length:F1} ms a step; transfer "
            + $"{Mean(record => record.TransferMs):F2}, forward {Mean(record => record.ForwardMs):F2}, "
            + $"backward {Mean(record => record.BackwardMs):F2}, figures {Mean(record => record.SynchronizeMs):F2}, optimizer "
            + $"{Mean(record => record.OptimizerMs):F2} ms");
        if (clock is not null)
        {
            // Norm and update are loops of our own over the flat buffers: work in place of libtorch's, and no overhead; said apart.
            (ulong ticks, ulong calls) = batches.Libtorch(warm.Length);
            double inside = clock.Milliseconds(ticks), optimizer = warm.Sum(record => record.OptimizerMs), outside = total - made - inside;
            Console.WriteLine($"outside libtorch: {outside / (total - made):P2} of the step, {outside / warm.Length:F2} ms round "
                + $"{calls / (ulong)warm.Length} calls; "
                + $"{(outside - optimizer) / (total - made):P2} without the optimizer's own pass (target 3 %)");
        }
        Console.WriteLine($"resident: {warm[0].ResidentMb:F0} MB at step {warm[0].Step}, {warm[^1].ResidentMb:F0} MB at the end "
            + $"({warm[^1].ResidentMb / warm[0].ResidentMb - 1:P2}; target within 2 %); "
            + $"managed allocations {Mean(record => record.AllocatedBytes) / 1024:F0} KB a step, {warm[^1].Collections} collections");

        double Mean(Func<StepRecord, double> figure) => warm.Average(figure);
    }

    /// <summary>The one-pass update beside libtorch's fused kernel, which GPUs use, on buffers of the full model's size.</summary>
    private static void Optimizer(long length)
    {
        using var layer = nn.Linear(length / 1000, 1000, hasBias: false);
        using var flat = new FlatParameters(layer);
        using var optimizer = new AdamW(flat, new OptimizerConfig(), Environment.ProcessorCount);
        using Tensor one = tensor(1.0);
        double pass = Best(() => optimizer.Step(1e-4)), fused = Best(() => optimizer.StepOnDevice(1e-4, one, 20, one)),
            norm = Best(() => optimizer.GradientNorm().Dispose());
        Console.WriteLine($"AdamW over {length / 1e6:F0} M parameters: one pass {pass:F0} ms, libtorch's fused kernel {fused:F0} ms "
            + $"({fused / pass:F1} times); gradient norm {norm:F0} ms");
    }

    private static double Best(Action action) => Enumerable.Range(0, 5).Min(_ =>
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        action();
        return clock.Elapsed.TotalMilliseconds;
    });
}
