using Alpro.Model.Arithmetic;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Alpro.Model;

/// <summary>Similarities of this rank's B clips with the G clips of all ranks, over the temperature.</summary>
/// <param name="VideoToText_BG">Of each video with every text.</param>
/// <param name="TextToVideo_BG">Of each text with every video.</param>
/// <param name="FirstColumn">The column of this rank's first clip.</param>
public sealed record Similarities(Tensor VideoToText_BG, Tensor TextToVideo_BG, long FirstColumn)
{
    /// <summary>
    /// Compares normalised features [B, F]; those of the other ranks are gathered with gradient. In 32 bits whatever the rest is in: over a
    /// temperature of 0.07 the numbers of bfloat16 are 0.06 apart.
    /// </summary>
    public static Similarities Of(Tensor video_BF, Tensor text_BF, Tensor temperature, IFeatureGather gather, bool localRank)
    {
        using var full = Autocast.Set(video_BF.device_type, on: false);
        Tensor videos_GF = gather.Gather(video_BF), texts_GF = gather.Gather(text_BF);
        long rank = localRank ? gather.LocalRank : gather.Rank;
        return new(video_BF.mm(texts_GF.t()).div(temperature), text_BF.mm(videos_GF.t()).div(temperature), rank * video_BF.shape[0]);
    }

    /// <summary>Those of some of this rank's clips.</summary>
    public Similarities Rows(long first, long count) => new(VideoToText_BG.narrow(0, first, count), TextToVideo_BG.narrow(0, first, count),
        FirstColumn + first);
}

/// <summary>For each clip of the batch, the other clip that matching must tell apart from it.</summary>
/// <param name="VideoForText_B">Index of a video that is not the text's, int64 [B].</param>
/// <param name="TextForVideo_B">Index of a text that is not the video's, int64 [B].</param>
public sealed record HardNegatives(Tensor VideoForText_B, Tensor TextForVideo_B)
{
    /// <summary>
    /// Draws each with probability softmax of the similarities among the clips of these rows, itself excluded, from torch's generator.
    /// </summary>
    public static HardNegatives Draw(Similarities similarities)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        long clips = similarities.VideoToText_BG.shape[0];
        if (clips < 2)
            throw new ArgumentException("Matching draws its negatives from the other clips of the batch: a batch needs at least 2 clips.");
        Tensor self_BB = eye(clips, dtype: ScalarType.Bool, device: similarities.VideoToText_BG.device);
        return new(Draw(similarities.TextToVideo_BG), Draw(similarities.VideoToText_BG));

        // What torch's multinomial does, draw for draw, without its check, which waits for the device. Similarities that are not numbers
        // make the loss not a number, which is reported as such: the draw must not fail before.
        Tensor Draw(Tensor similarities_BG)
        {
            Tensor weights_BB = similarities_BG.narrow(1, similarities.FirstColumn, clips).Exclude(self_BB).softmax(1).nan_to_num(1);
            return weights_BB.div(empty_like(weights_BB).exponential_()).argmax(1).MoveToOuterDisposeScope();
        }
    }
}

/// <summary>What the prompter says a region shows.</summary>
/// <param name="Probabilities_BE">Over the entities.</param>
/// <param name="Ignored_B">Clips too uncertain to learn from, bool [B].</param>
public sealed record PseudoLabels(Tensor Probabilities_BE, Tensor Ignored_B);

/// <summary>The losses (paper section 3.2 and 3.3), each with its accuracy. None waits for the device.</summary>
public static class Losses
{
    /// <summary>Video-text contrastive: cross-entropy both ways, mean of the two. Accuracy is over both ways.</summary>
    public static LossTerm Contrastive(Similarities similarities)
    {
        using var scope = NewDisposeScope();
        (Tensor videoToText_BG, Tensor textToVideo_BG, long first) = similarities;
        Tensor own_B = TensorOps.Range(first, videoToText_BG.shape[0], videoToText_BG.device);
        Tensor loss = functional.cross_entropy(videoToText_BG, own_B).Plus(functional.cross_entropy(textToVideo_BG, own_B)).Over(2);
        return Term("vtc", loss, cat([videoToText_BG, textToVideo_BG], 0).MoveToOuterDisposeScope(), own_B.repeat(2));
    }

    /// <summary>Video-text matching: logits [P + N, 2] of the positives and after them the negatives.</summary>
    public static LossTerm Matching(Tensor logits, long positives)
    {
        using var scope = NewDisposeScope();
        Tensor match = cat([ones(positives, ScalarType.Int64, logits.device),
            zeros(logits.shape[0] - positives, ScalarType.Int64, logits.device)], 0);
        return Term("vtm", functional.cross_entropy(logits, match), logits, match);
    }

    /// <summary>
    /// Masked language modelling: vocabulary scores [M, V] at the masked positions, and the original ids there, [M]. 0 when nothing is
    /// masked.
    /// </summary>
    public static LossTerm MaskedLanguage(Tensor logits_MV, Tensor labels_M)
    {
        using var scope = NewDisposeScope();
        Tensor sum = functional.cross_entropy(logits_MV, labels_M, reduction: Reduction.Sum);
        return Term("mlm", sum.Over(Math.Max(1, labels_M.shape[0])), logits_MV, labels_M);
    }

    /// <summary>Prompting entity modelling: soft cross-entropy over the clips that are not ignored; 0 when all are.</summary>
    public static LossTerm EntityModelling(Tensor logits_BE, PseudoLabels labels)
    {
        using var scope = NewDisposeScope();
        Tensor kept_B = labels.Ignored_B.logical_not().to_type(logits_BE.dtype), count = kept_B.sum();
        Tensor each_B = functional.cross_entropy(logits_BE, labels.Probabilities_BE, reduction: Reduction.None);
        Tensor correct = logits_BE.argmax(1).eq(labels.Probabilities_BE.argmax(1)).to_type(logits_BE.dtype).mul(kept_B).sum();
        Tensor loss = each_B.mul(kept_B).sum().div(count.AtLeast(1));
        return new("pem", loss.MoveToOuterDisposeScope(), correct.MoveToOuterDisposeScope(), count.MoveToOuterDisposeScope(), logits_BE);
    }

    /// <summary>
    /// Question answering: logits [B, answers] and labels int64 [B], negative where an answer has none. 0 when none has one.
    /// </summary>
    public static LossTerm Answers(Tensor logits_BA, Tensor labels_B)
    {
        using var scope = NewDisposeScope();
        Tensor sum = functional.cross_entropy(logits_BA, labels_B, reduction: Reduction.Sum),
            labelled = labels_B.Below(0).logical_not().sum();
        return Term("qa", sum.div(labelled.AtLeast(1)), logits_BA, labels_B);
    }

    // The logits stay in the scope they came from.
    private static LossTerm Term(string name, Tensor loss, Tensor logits, Tensor labels) => new(
        name,
        loss.MoveToOuterDisposeScope(),
        logits.argmax(1).eq(labels).sum().MoveToOuterDisposeScope(),
        TensorOps.Constant(labels.shape[0], labels.device).MoveToOuterDisposeScope(),
        logits);
}
