using Alpro.Data.Batches;
using Alpro.Data.Clips;
using Alpro.Data.Sampling;
using Alpro.Data.Text;
using Alpro.Model;
using Alpro.Training;
using Alpro.Training.Checkpoints;
using Alpro.Training.Configuration;
using Spectre.Console;
using static TorchSharp.torch;

namespace Alpro.Benchmarks;

/// <summary>
/// <c>precision [STEPS] [EVERY]</c>: the loss of a model of the demo's size in every precision, from the same weights and on the same
/// clips, as means over EVERY steps; and in 32 bits from other first weights, whose difference is what chance makes. A frame shows the four
/// words of its text, so that every loss can be learned, and no clip is seen twice.
/// </summary>
internal static class PrecisionBenchmark
{
    private const int Side = 32, Words = 32, FirstWord = 100, Class = 2, Masked = 3;

    public static int Run(string[] args)
    {
        int steps = args.Length > 0 ? int.Parse(args[0]) : 300, every = args.Length > 1 ? int.Parse(args[1]) : 50;
        double[] exact = Train(Precision.Fp32, 42, steps), other = Train(Precision.Fp32, 43, steps);
        double[] mixed = Train(Precision.Bf16, 42, steps), halves = Train(Precision.Bf16Weights, 42, steps);
        Table table = new Table().AddColumns(
            "steps", "fp32", "fp32, other weights", "bf16", "bf16-weights", "bf16 - fp32", "bf16-weights - bf16");
        for (int first = 0; first + every <= steps; first += every)
        {
            double Mean(double[] losses) => losses.AsSpan(first, every).ToArray().Average();
            table.AddRow(
                $"{first + 1} to {first + every}", $"{Mean(exact):F4}", $"{Mean(other):F4}", $"{Mean(mixed):F4}", $"{Mean(halves):F4}",
                $"{Mean(mixed) - Mean(exact):+0.0000;-0.0000}", $"{Mean(halves) - Mean(mixed):+0.0000;-0.0000}");
        }
        AnsiConsole.Profile.Width = 120;
        AnsiConsole.Write(table);
        return 0;
    }

    private static double[] Train(Precision precision, ulong seed, int steps)
    {
        var config = new RunConfig
        {
            Task = LearningTask.Pretrain,
            Seed = seed,
            Model = new()
            {
                Vision = new()
                {
                    ImageSize = 64, PatchSize = Side, Frames = 2, Width = 128, Depth = 4, Heads = 4,
                    DropPathRate = 0, InitializerRange = 0.1,
                },
                Text = new()
                {
                    VocabularySize = 174, Width = 128, Layers = 4, FusionLayer = 2, Heads = 4, IntermediateSize = 512, MaxPositions = 64,
                    HiddenDropout = 0, AttentionDropout = 0, InitializerRange = 0.05,
                },
                ProjectionWidth = 128,
                Entities = 15,
            },
            Data = new()
            {
                Corpora = [],
                Vocabulary = "",
                Clip = new() { Frames = 2, DecodeSize = 64, Size = 64, TextLength = 8, MaskProbability = 0.5, RegionPatch = Side },
            },
            Optimizer = new() { LearningRate = 1e-3, WeightDecay = 0.01 },
            Training = new() { BatchSize = 32, Steps = steps, GradientNorm = 5, CheckpointEvery = int.MaxValue, Precision = precision },
        };
        var losses = new List<double>();
        using AlproModel model = RunModel.Create(config, CPU);
        var ports = new TrainerPorts { Record = record => losses.Add(record.Loss), Checkpoint = snapshot => snapshot.Dispose() };
        using var trainer = new Trainer(config, model, ports, new() { TotalSteps = steps, StepsPerEpoch = steps });
        trainer.Run(new SyntheticBatches(config, write: Show));
        return [.. losses];
    }

    /// <summary>Gives each clip a text of four words, half of them masked in the other text, and mixes their pictures in.</summary>
    private static void Show(ClipBatch batch, SeededRandom random)
    {
        for (int i = 0; i < batch.Size; i++)
        {
            Span<int> ids_L = batch.Row(ClipLayout.TokenIds, i), mask_L = batch.Row(ClipLayout.TokenCount, i);
            Span<int> masked_L = batch.Row(ClipLayout.MaskedIds, i), labels_L = batch.Row(ClipLayout.MaskLabels, i);
            ids_L.Clear();
            mask_L.Clear();
            labels_L.Fill(-100);
            ids_L[0] = Class;
            for (int patch = 0; patch < 4; patch++)
            {
                int word = random.NextInt32(Words);
                ids_L[1 + patch] = FirstWord + word;
                for (int frame = 0; frame < batch.Frames; frame++) Paint(batch, i, frame, patch, (ulong)word);
            }
            mask_L[..5].Fill(1);
            ids_L.CopyTo(masked_L);
            int masks = random.NextInt32(2);
            foreach (int place in new[] { 1 + masks, 3 + masks }) (labels_L[place], masked_L[place]) = (ids_L[place], Masked);
            batch.Regions_B[i] = new PixelRectangle(0, 0, Side, Side);
        }
    }

    // A word's picture is of 4 x 4 coloured squares; what was there, noise, stays to a half.
    private static void Paint(ClipBatch batch, int clip, int frame, int patch, ulong word)
    {
        var colours = new SeededRandom(word);
        Span<byte> squares = stackalloc byte[4 * 4 * 3];
        foreach (ref byte colour in squares) colour = (byte)colours.NextInt32(256);
        Span<byte> pixels = batch.Pixels_BTHWC[((clip * batch.Frames + frame) * batch.Side * batch.Side * 3)..];
        for (int y = 0; y < Side; y++)
            for (int x = 0; x < Side; x++)
                for (int c = 0; c < 3; c++)
                {
                    ref byte pixel = ref pixels[((patch / 2 * Side + y) * batch.Side + patch % 2 * Side + x) * 3 + c];
                    pixel = (byte)((pixel + squares[(y / 8 * 4 + x / 8) * 3 + c]) / 2);
                }
    }
}
