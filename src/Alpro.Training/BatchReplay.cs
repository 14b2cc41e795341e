using System.Runtime.InteropServices;
using System.Text.Json;
using Alpro.Data.Batches;
using Alpro.Data.Clips;
using Alpro.Model;
using Alpro.Model.Checkpoints;
using Alpro.Training.Checkpoints;
using Alpro.Training.Configuration;
using Alpro.Training.Optimization;
using Alpro.Training.Records;
using static TorchSharp.torch;

namespace Alpro.Training;

/// <summary>What came of a step that was done again.</summary>
/// <param name="Step">The step.</param>
/// <param name="Keys">Its clips.</param>
/// <param name="Loss">The sum of the losses.</param>
/// <param name="Terms">The losses.</param>
/// <param name="GradientNorm">Norm of all gradients.</param>
/// <param name="BadWeights">Weights that held something not finite before the step.</param>
/// <param name="BadGradients">Parameters whose gradient is not finite.</param>
internal sealed record ReplayReport(
    long Step, IReadOnlyList<string> Keys, double Loss, IReadOnlyDictionary<string, TermRecord> Terms, double GradientNorm,
    IReadOnlyList<string> BadWeights, IReadOnlyList<string> BadGradients);

/// <summary>
/// A step set aside in one file, so that it can be done again: its batch, the weights before it and the configuration. Where several ranks
/// trained, it is one rank's share, done alone as the first rank does its own.
/// </summary>
internal static class BatchReplay
{
    private const string WeightPrefix = "weights.";

    /// <summary>Sets a step aside.</summary>
    /// <param name="folder">The run's folder.</param>
    /// <param name="batch">Its batch.</param>
    /// <param name="before">The run before the step; disposed here.</param>
    /// <param name="rank">Which rank's share it is, where several trained: each has a file of its own.</param>
    /// <returns>The file.</returns>
    public static string Save(RunFolder folder, ClipBatch batch, Snapshot before, int? rank = null)
    {
        using (before)
        {
            using var scope = NewDisposeScope();
            Directory.CreateDirectory(folder.Path);
            string file = folder.Replay(batch.Step, rank);
            var tensors = new Dictionary<string, Tensor>
            {
                ["pixels"] = frombuffer(batch.PixelBuffer, ScalarType.Byte, batch.Pixels_BTHWC.Length)
                    .view([batch.Size, batch.Frames, batch.Side, batch.Side, 3]),
            };
            foreach (ClipField field in batch.Layout.BatchFields)
                tensors[field.Name] = tensor(batch[field].ToArray()).view(batch.Size, batch.Layout.RowLength(field));
            foreach ((string key, Tensor weight) in before.Weights()) tensors[WeightPrefix + key] = weight;
            Safetensors.Save(file, tensors, new Dictionary<string, string>
            {
                ["config"] = ConfigLoader.ToJson(before.Config),
                ["state"] = JsonSerializer.Serialize(before.State, ConfigLoader.Json),
                ["keys"] = JsonSerializer.Serialize(batch.Keys),
                ["corpus"] = batch.Corpus.ToString(),
                ["isVideo"] = batch.IsVideo.ToString(),
            });
            return file;
        }
    }

    /// <summary>Does a step that was set aside again, with the random numbers it had.</summary>
    /// <exception cref="CheckpointException">The file is none that <see cref="Save"/> wrote.</exception>
    public static ReplayReport Run(string file, Device device)
    {
        using CheckpointFile content = CheckpointFile.Open(file);
        if (!content.Metadata.TryGetValue("config", out string? json))
            throw new CheckpointException(file, "is not a step that was set aside: it has no configuration");
        RunConfig config = ConfigLoader.FromJson(json);
        TrainState state = JsonSerializer.Deserialize<TrainState>(content.Metadata["state"], ConfigLoader.Json)!;
        using AlproModel model = RunModel.Create(config, device);
        var badWeights = new List<string>();
        using (no_grad())
        {
            foreach ((string key, Tensor weight) in model.state_dict())
            {
                using var scope = NewDisposeScope();
                content.ReadInto(WeightPrefix + key, weight);
                if (IsBad(weight)) badWeights.Add(key);
            }
        }
        using ClipBatch batch = Read(content, config, state.Step);
        var badGradients = new List<string>();
        using var trainer = new Trainer(config, model, new(), state)
        {
            BeforeUpdate = parameters => badGradients.AddRange(
                parameters.Sections.Where(section => IsBad(FlatParameters.View(parameters.Gradients, section)))
                .Select(section => section.Name)),
        };
        StepRecord record = trainer.Advance(batch, default);
        return new(state.Step, batch.Keys, record.Loss, record.Terms, record.GradientNorm, badWeights, badGradients);
    }

    private static ClipBatch Read(CheckpointFile content, RunConfig config, long step)
    {
        using var scope = NewDisposeScope();
        var batch = new ClipBatch(step, (int)content.Tensors["pixels"].Shape[0], new(config.Data.Clip))
        {
            Corpus = int.Parse(content.Metadata["corpus"]),
            IsVideo = bool.Parse(content.Metadata["isVideo"]),
        };
        content.Read("pixels").bytes.CopyTo(batch.Pixels_BTHWC);
        foreach (ClipField field in batch.Layout.BatchFields)
            MemoryMarshal.Cast<byte, int>(content.Read(field.Name).to(ScalarType.Int32).bytes).CopyTo(batch[field]);
        JsonSerializer.Deserialize<string[]>(content.Metadata["keys"])!.CopyTo(batch.Keys, 0);
        return batch;
    }

    private static bool IsBad(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        return !tensor.isfinite().all().item<bool>();
    }
}
