using Alpro.Data.Clips;
using Alpro.Data.Text;
using Alpro.Model;
using Alpro.Training;
using Alpro.Training.Checkpoints;
using Alpro.Training.Configuration;
using Alpro.Training.Records;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Benchmarks.Gpu;

/// <summary>
/// The trainer on a GPU, its batches from a channel: six steps of a small ALPRO beside three, a checkpoint and three more; a second time
/// the same six; and in bfloat16 beside 32 bits.
/// </summary>
internal static class TrainStage
{
    private const int Steps = 6;

    public static void Run(string[] args)
    {
        RunConfig config = Config(Precision.Fp32);
        (double[] whole, float[] weights) = Train(config, 0, Steps, null);
        (double[] again, float[] same) = Train(config, 0, Steps, null);
        GpuCheck.Report(new("trainer: the same seed twice",
            Note: $"losses differ by {Worst(whole, again):0.0e+0}, weights by {Worst(weights, same):0.0e+0}"));
        string folder = Directory.CreateTempSubdirectory("alpro-gpu-").FullName;
        try
        {
            (double[] first, _) = Train(config, 0, 3, folder);
            (double[] second, float[] resumed) = Train(config, 3, Steps, folder);
            double losses = Worst(whole, [.. first, .. second]), difference = Worst(weights, resumed);
            GpuCheck.Report(new("trainer: 3 steps, a checkpoint, 3 steps",
                Note: $"losses differ by {losses:0.0e+0}, weights by {difference:0.0e+0}"));
            // Atomic additions may come in another order; other random numbers would differ in the first digit.
            if (losses > 1e-3 || Worst(whole, again) > 1e-3) throw new InvalidOperationException($"resumed losses differ by {losses}");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
        foreach (Precision precision in new[] { Precision.Bf16, Precision.Bf16Weights })
        {
            (double[] mixed, _) = Train(Config(precision), 0, Steps, null);
            GpuCheck.Report(new($"trainer: {precision} beside 32 bits",
                Note: $"losses differ by {Worst(whole, mixed):0.0e+0} of {whole[0]:F2}"));
            if (Worst(whole, mixed) > 0.2) throw new InvalidOperationException($"{precision}: losses differ by {Worst(whole, mixed)}");
        }
    }

    private static RunConfig Config(Precision precision) => new()
    {
        Task = LearningTask.Pretrain,
        Seed = 5,
        Model = SmallModel.Of(width: 256, patchSize: 16, frames: 4, vocabulary: 1000) with { Entities = 50 },
        Data = new()
        {
            Corpora = [],
            Vocabulary = "",
            Clip = new() { Frames = 4, DecodeSize = 64, Size = 64, TextLength = 24, MaskProbability = 0.5, RegionPatch = 16 },
        },
        Losses = LossWeights.Equal,
        Training = new() { BatchSize = 32, Steps = Steps, CheckpointEvery = 3, Precision = precision },
    };

    private static (double[] Losses, float[] Weights) Train(RunConfig config, long from, long to, string? folder)
    {
        CheckpointStore? store = folder is null ? null : new(folder, 2);
        var records = new List<StepRecord>();
        using AlproModel model = RunModel.Create(config, GpuCheck.Device);
        using var stop = new CancellationTokenSource();
        using var trainer = new Trainer(config, model, new()
        {
            Record = record => { records.Add(record); if (record.Step == to - 1) stop.Cancel(); },
            Checkpoint = snapshot => { using (snapshot) store?.Save(snapshot); },
        }, new() { TotalSteps = Steps, StepsPerEpoch = Steps }, from == 0 ? null : store!.Latest());
        trainer.Run(new SyntheticBatches(config, from), stop.Token);
        using var scope = NewDisposeScope();
        float[] weights = [.. model.parameters()
            .SelectMany(parameter => parameter.detach().cpu().to(ScalarType.Float32).flatten().data<float>().ToArray())];
        return ([.. records.Take((int)(to - from)).Select(record => record.Loss)], weights);
    }

    private static double Worst(double[] a, double[] b) => a.Zip(b, (x, y) => Math.Abs(x - y)).Max();

    private static double Worst(float[] a, float[] b) => a.Zip(b, (x, y) => Math.Abs(x - y)).Max();
}
