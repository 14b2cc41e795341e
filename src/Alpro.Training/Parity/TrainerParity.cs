using System.Runtime.InteropServices;
using Alpro.Model;
using Alpro.Model.Checkpoints;
using Alpro.Training.Configuration;
using Alpro.Training.Records;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Alpro.Training.Parity;

/// <summary>The golden training steps, taken by the trainer itself: its losses, gradient norms, learning rates and weights.</summary>
internal static class TrainerParity
{
    /// <summary>Rows for <c>pretrain_steps.safetensors</c>, where the folder has it.</summary>
    /// <param name="directory">The folder.</param>
    /// <param name="device">Where the trainer computes, with TF32 off; null for the CPU.</param>
    public static IReadOnlyList<ParityRow> Check(string directory, Device? device = null)
    {
        string file = Path.Combine(directory, "pretrain_steps.safetensors"), config = Path.Combine(directory, "config.json");
        if (!File.Exists(file) || !File.Exists(config)) return [];
        try
        {
            using var scope = NewDisposeScope();
            using var exact = new Tf32Off();
            return [.. Steps(Golden.Open(directory, file, device ?? CPU), GoldenSizes.Read(config)).Select(comparison => comparison.Row())];
        }
        catch (Exception exception) when (exception is CheckpointException or KeyNotFoundException or NonFiniteLossException
            or ExternalException)
        {
            return [new("trainer: golden steps", 0, 0, 0, "", false, exception.Message)];
        }
    }

    private static Comparison[] Steps(Golden golden, GoldenSizes sizes)
    {
        int size = (int)golden["batch0/text_input_ids"].shape[0];
        var run = new RunConfig
        {
            Task = LearningTask.Pretrain,
            Model = sizes.Model,
            Data = new() { Corpora = [], Vocabulary = "", Clip = new() },
            Optimizer = sizes.Optimizer,
            Schedule = sizes.Schedule,
            Training = new() { BatchSize = size, Steps = sizes.TotalSteps, GradientNorm = sizes.GradientNorm },
        };
        using AlproForPretrain model = golden.Load("pretrain_init.pt", () => new AlproForPretrain(sizes.Model));
        Comparison figures = new("trainer: losses, gradient norms, rates of the golden steps", Comparison.Values),
            weights = new("trainer: parameters after the golden steps", Comparison.Parameters);
        long step = 0;
        using var trainer = new Trainer(run, model, new(),
            new() { TotalSteps = sizes.TotalSteps, StepsPerEpoch = sizes.TotalSteps }) { Negatives =
            () => golden.Negatives($"batch{step}/") };
        for (; golden.Has($"out{step}/loss"); step++)
        {
            StepRecord record = trainer.Advance(new Trainer.StepInputs(
                [.. Enumerable.Range(0, size).Select(clip => $"golden batch {step}, clip {clip}")], 0, size,
                (_, _) => golden.Inputs($"batch{step}/")), default);
            foreach ((string name, double found) in new[]
            {
                ("loss", record.Loss), ("vtc_loss", record.Terms["vtc"].Loss), ("vtm_loss", record.Terms["vtm"].Loss),
                ("mlm_loss", record.Terms["mlm"].Loss),
                ("pem_loss", record.Terms["pem"].Loss), ("grad_norm", record.GradientNorm), ("lr", record.LearningRate),
            }) figures.Add($"out{step}/{name}", golden[$"out{step}/{name}"], tensor(found));
            figures.Add($"temp_after[{step}]", sizes.Temperatures[step], model.temp.item<float>());
        }
        foreach ((string name, Parameter parameter) in model.named_parameters()
            .Where(named => named.parameter.requires_grad)) weights.Add(name, golden[$"final/{name}"], parameter);
        return [figures, weights];
    }
}
