using Alpro.Data.Batches;
using Alpro.Model;
using Alpro.Training.Configuration;
using Alpro.Training.Inputs;
using Alpro.Training.Optimization;
using static TorchSharp.torch;

namespace Alpro.Training.Evaluation;

/// <summary>Videos as retrieval needs them: encoded, and not yet met by a text.</summary>
/// <param name="Keys">Their names, B.</param>
/// <param name="Tokens_BVD">Tokens [B, 1 + N, D].</param>
/// <param name="Features_BF">Normalised contrastive features [B, F], in 32 bits.</param>
public sealed record EncodedVideos(IReadOnlyList<string> Keys, Tensor Tokens_BVD, Tensor Features_BF)
{
    /// <summary>
    /// Encodes the clips of batches, which are disposed here, a batch at a time; the tensors belong to the caller's dispose scope.
    /// </summary>
    /// <param name="model">The model; it is left in evaluation mode.</param>
    /// <param name="precision">Arithmetic.</param>
    /// <param name="videos">Batches of one row per video.</param>
    public static IEnumerable<EncodedVideos> Of(AlproModel model, Precision precision, IEnumerable<ClipBatch> videos)
    {
        model.eval();
        using var tensors = new BatchTensors(model.temp.device, model.Config.Vision.PatchSize);
        foreach (ClipBatch batch in videos)
            using (batch) yield return Of(model, precision, tensors, batch);
    }

    /// <summary>One batch, whole: grad mode and dispose scopes must not outlive a yield.</summary>
    private static EncodedVideos Of(AlproModel model, Precision precision, BatchTensors tensors, ClipBatch batch)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var autocast = precision.Autocast(model.temp.device.type);
        (Tensor tokens_BVD, Tensor features_BF) = model.EncodeVideo(tensors.Of(batch, 0, batch.Size).Video_BTCHW);
        return new([.. batch.Keys], tokens_BVD.MoveToOuterDisposeScope(), features_BF.to(ScalarType.Float32).MoveToOuterDisposeScope());
    }
}
