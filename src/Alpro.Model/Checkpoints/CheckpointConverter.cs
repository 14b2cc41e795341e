using static TorchSharp.torch;

namespace Alpro.Model.Checkpoints;

/// <summary>What a conversion wrote and what it left behind.</summary>
/// <param name="Tensors">Tensors written.</param>
/// <param name="Bytes">Length of the new file.</param>
/// <param name="LeftTensors">Tensors outside the state dict (an optimizer's, say), by the old file's names.</param>
/// <param name="LeftValues">Plain values that the new format has no place for.</param>
public sealed record ConversionReport(int Tensors, long Bytes, IReadOnlyList<string> LeftTensors, IReadOnlyList<string> LeftValues);

/// <summary>Turns checkpoints of one format into another.</summary>
public static class CheckpointConverter
{
    /// <summary>
    /// Writes the state dict of a checkpoint to a file whose name tells the format, <c>.safetensors</c> or PyTorch's <c>.pt</c>. Types,
    /// shapes and (in <c>.pt</c>) shared storages stay; plain values become metadata of a safetensors file.
    /// </summary>
    /// <exception cref="CheckpointException">The source is no checkpoint, or holds something the new format cannot.</exception>
    public static ConversionReport Convert(string source, string destination)
    {
        using CheckpointFile file = CheckpointFile.Open(source);
        using var scope = NewDisposeScope();
        OrderedDictionary<string, string> keys = StateDict.Find(file);
        IReadOnlyDictionary<string, Tensor> tensors = file.ReadAll(keys.Values);
        var weights = new OrderedDictionary<string,
            Tensor>(keys.Select(entry => new KeyValuePair<string, Tensor>(entry.Key, tensors[entry.Value])));
        bool safetensors = Safetensors.IsName(destination);
        if (safetensors) Safetensors.Save(destination, weights, file.Metadata);
        else TorchFile.Save(destination, weights);
        return new ConversionReport(weights.Count, new FileInfo(destination).Length, [.. file.Tensors.Keys.Except(keys.Values)],
            safetensors ? [] : [.. file.Metadata.Keys]);
    }
}
