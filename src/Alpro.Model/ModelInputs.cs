using Alpro.Model.Arithmetic;
using static TorchSharp.torch;

namespace Alpro.Model;

/// <summary>
/// A batch as tensors on the model's device. B clips, T frames, L tokens, p patch size. What a model does not use may be null.
/// </summary>
public sealed record ModelInputs
{
    /// <summary>Normalised frames, float [B, T, 3, H, W].</summary>
    public required Tensor Video_BTCHW { get; init; }

    /// <summary>Token ids, int64 [B, L].</summary>
    public required Tensor TokenIds_BL { get; init; }

    /// <summary>1 for a token, 0 for padding, int64 [B, L].</summary>
    public required Tensor TokenMask_BL { get; init; }

    /// <summary>Token ids with some masked, int64 [B, L].</summary>
    public Tensor? MaskedIds_BL { get; init; }

    /// <summary>Original ids at masked positions, -100 elsewhere, int64 [B, L].</summary>
    public Tensor? MaskLabels_BL { get; init; }

    /// <summary>The same positions as flat indices into [B * L], int64: known on the host, so that the device need not be asked.</summary>
    public Tensor? MaskPositions { get; init; }

    /// <summary>Frames with everything outside the rectangle zeroed after normalisation, float [B, T, 3, H, W].</summary>
    public Tensor? CropVideo_BTCHW { get; init; }

    /// <summary>0 inside the rectangle of entity modelling, 1 outside, [B, H/p, W/p].</summary>
    public Tensor? RegionMask_BHW { get; init; }

    /// <summary>Whether the clips are videos (else images): decides which entity prompts apply.</summary>
    public bool IsVideo { get; init; } = true;

    /// <summary>Answer labels, int64 [B].</summary>
    public Tensor? Answers_B { get; init; }

    /// <summary>The clips of several, for the encoders: without what is only said of a whole group's positions.</summary>
    public static ModelInputs Join(IReadOnlyList<ModelInputs> groups)
    {
        return groups[0] with
        {
            Video_BTCHW = Cat(group => group.Video_BTCHW)!,
            TokenIds_BL = Cat(group => group.TokenIds_BL)!,
            TokenMask_BL = Cat(group => group.TokenMask_BL)!,
            MaskedIds_BL = Cat(group => group.MaskedIds_BL),
            MaskPositions = null,
        };

        Tensor? Cat(Func<ModelInputs, Tensor?> part) => part(groups[0]) is null ? null : cat([.. groups.Select(group => part(group)!)], 0);
    }
}

/// <summary>One loss and its accuracy over its own denominator, as device tensors.</summary>
/// <param name="Name">vtc, vtm, mlm, pem or qa.</param>
/// <param name="Loss">The loss, a scalar tensor; it carries gradients.</param>
/// <param name="Correct">How many decisions were right, a scalar tensor, or null where the loss has none.</param>
/// <param name="Count">Of how many decisions, a scalar tensor.</param>
/// <param name="Logits">The scores that were judged, [decisions, classes], where a loss has them.</param>
public sealed record LossTerm(string Name, Tensor Loss, Tensor? Correct = null, Tensor? Count = null, Tensor? Logits = null)
{
    /// <summary>What it counts in the total.</summary>
    public double Weight { get; init; } = 1;

    /// <summary>The loss as it counts.</summary>
    internal Tensor Weighted => Weight == 1 ? Loss : Loss.Times(Weight);

    /// <summary>Hands the tensors to the dispose scope round the current one.</summary>
    public LossTerm MoveToOuterDisposeScope()
    {
        foreach (Tensor? tensor in new[] { Loss, Correct, Count, Logits }) tensor?.MoveToOuterDisposeScope();
        return this;
    }

    /// <summary>One loss of several groups: their mean, and all their decisions; the logits of one group alone.</summary>
    public static LossTerm Mean(IReadOnlyList<LossTerm> groups)
    {
        if (groups is [LossTerm only]) return only;
        return new(groups[0].Name, stack([.. groups.Select(group => group.Loss)]).mean(), Sum(group => group.Correct),
            Sum(group => group.Count)) { Weight = groups[0].Weight };

        Tensor? Sum(Func<LossTerm, Tensor?> figure) => figure(groups[0]) is null ? null
            : stack([.. groups.Select(group => figure(group)!)]).sum();
    }
}

/// <summary>What a training forward pass gives: the terms and their weighted sum.</summary>
public sealed record ModelLosses(Tensor Total, IReadOnlyList<LossTerm> Terms)
{
    /// <summary>The term with this name.</summary>
    public LossTerm this[string name] => Terms.First(term => term.Name == name);

    /// <summary>These terms and their weighted sum.</summary>
    public static ModelLosses Sum(IReadOnlyList<LossTerm> terms) => new(stack([.. terms.Select(term => term.Weighted)]).sum(), terms);

    /// <summary>Hands the tensors to the dispose scope round the current one.</summary>
    public ModelLosses MoveToOuterDisposeScope()
    {
        Total.MoveToOuterDisposeScope();
        foreach (LossTerm term in Terms) term.MoveToOuterDisposeScope();
        return this;
    }
}

/// <summary>How contrastive features of all ranks are brought together; the model does not know how ranks talk.</summary>
public interface IFeatureGather
{
    /// <summary>This rank's number.</summary>
    int Rank { get; }

    /// <summary>This rank's number on its machine; only <see cref="ReferenceSwitches.LocalRankTargets"/> asks.</summary>
    int LocalRank => Rank;

    /// <summary>Features [B, F] of this rank to features [ranks * B, F] of all, in rank order, with gradient to this rank's part.</summary>
    Tensor Gather(Tensor features_BF);
}

/// <summary>One rank: nothing to gather.</summary>
public sealed class SingleRank : IFeatureGather
{
    /// <summary>Shared by all models: it has no state.</summary>
    public static SingleRank Instance { get; } = new();

    /// <inheritdoc/>
    public int Rank => 0;

    /// <inheritdoc/>
    public Tensor Gather(Tensor features_BF) => features_BF;
}
