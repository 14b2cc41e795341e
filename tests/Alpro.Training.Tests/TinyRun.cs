using System.Threading.Channels;
using Alpro.Data.Batches;
using Alpro.Data.Clips;
using Alpro.Data.Sampling;
using Alpro.Data.Text;
using Alpro.Model;
using Alpro.Training.Checkpoints;
using Alpro.Training.Configuration;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Training.Tests;

/// <summary>A run small enough for a test: a tiny model, and batches made from their step's number.</summary>
internal static class TinyRun
{
    public static RunConfig Config(LearningTask task = LearningTask.Retrieval, int batchSize = 4, long steps = 6) => new()
    {
        Task = task,
        Seed = 7,
        Model = new()
        {
            Vision = new() { ImageSize = 16, PatchSize = 8, Frames = 2, Width = 16, Depth = 2, Heads = 2 },
            Text = new()
            {
                VocabularySize = 50,
                Width = 16,
                Layers = 3,
                FusionLayer = 1,
                Heads = 2,
                IntermediateSize = 32,
                MaxPositions = 16,
            },
            ProjectionWidth = 8,
            Entities = 5,
            Answers = 6,
        },
        Data = new()
        {
            Corpora = [],
            Vocabulary = "",
            Clip = new()
            {
                Frames = 2,
                DecodeSize = 16,
                Size = 16,
                TextLength = 8,
                MaskProbability = task == LearningTask.Pretrain ? 0.15 : 0,
                RegionPatch = task == LearningTask.Pretrain ? 8 : 0,
            },
        },
        Losses = task == LearningTask.Pretrain ? LossWeights.Equal : new(),
        Optimizer = new() { LearningRate = 1e-3, WeightDecay = 0.01 },
        Training = new() { BatchSize = batchSize, Steps = steps, CheckpointEvery = 2, GradientNorm = 1 },
    };

    public static Trainer Trainer(RunConfig config, TrainerPorts ports, Checkpoint? resume = null, AlproModel? model = null) =>
        new(config, model ?? RunModel.Create(config, CPU), ports, Start(config), resume);

    public static TrainState Start(RunConfig config) => new() { TotalSteps = config.Training.Steps!.Value, StepsPerEpoch = 3 };

    public static ChannelReader<ClipBatch> Batches(RunConfig config, long from = 0, long? to = null, Action<ClipBatch>? change = null)
    {
        var channel = Channel.CreateUnbounded<ClipBatch>();
        for (long step = from; step < (to ?? config.Training.Steps); step++)
        {
            ClipBatch batch = Batch(config, step);
            change?.Invoke(batch);
            channel.Writer.TryWrite(batch);
        }
        channel.Writer.Complete();
        return channel.Reader;
    }

    public static ClipBatch Batch(RunConfig config, long step)
    {
        ClipSettings clip = config.Data.Clip;
        var random = new SeededRandom(SeededRandom.Mix(99, (ulong)step));
        var batch = new ClipBatch(step, config.Training.BatchSize, new(clip)) { IsVideo = step % 2 == 0 };
        foreach (ref byte pixel in batch.Pixels_BTHWC) pixel = (byte)random.NextInt32(256);
        Span<int> ids_BL = batch[ClipLayout.TokenIds], maskedIds_BL = batch[ClipLayout.MaskedIds], labels_BL = batch[ClipLayout.MaskLabels];
        for (int i = 0; i < ids_BL.Length; i++)
        {
            bool token = i % clip.TextLength < 5;
            ids_BL[i] = token ? 1 + random.NextInt32(config.Model.Text.VocabularySize - 1) : 0;
            batch[ClipLayout.TokenCount][i] = token ? 1 : 0;
            if (clip.MaskProbability == 0) continue;
            bool masked = i % clip.TextLength == 2;
            maskedIds_BL[i] = masked ? 3 : ids_BL[i];
            labels_BL[i] = masked ? ids_BL[i] : -100;
        }
        for (int i = 0; i < batch.Size; i++)
        {
            batch.Keys[i] = $"clip-{step}-{i}";
            batch[ClipLayout.Answer][i] = random.NextInt32(config.Model.Answers);
            if (clip.RegionPatch > 0) batch.Regions_B[i] = new(0, 8, 16, 8);
        }
        return batch;
    }

    public static float[] Weights(AlproModel model)
    {
        using var scope = NewDisposeScope();
        return [.. model.state_dict().SelectMany(entry => entry.Value.detach().to(ScalarType.Float32).view(-1).data<float>().ToArray())];
    }
}
