namespace Alpro.Model;

/// <summary>
/// What each loss of pretraining counts in their sum (<c>losses</c> in a run's configuration). A loss of weight 0 is not computed.
/// </summary>
public sealed record LossWeights
{
    /// <summary>Each loss counts once, as in the paper (section 3.2).</summary>
    public static LossWeights Equal { get; } = new() { Vtc = 1, Vtm = 1, Mlm = 1, Pem = 1 };

    /// <summary>Video-text contrastive.</summary>
    public double Vtc { get; init; }

    /// <summary>Video-text matching.</summary>
    public double Vtm { get; init; }

    /// <summary>Masked language modelling.</summary>
    public double Mlm { get; init; }

    /// <summary>Prompting entity modelling, under a frozen prompter.</summary>
    public double Pem { get; init; }

    /// <summary>The weights by their keys.</summary>
    public IEnumerable<(string Key, double Weight)> ByKey() => [("vtc", Vtc), ("vtm", Vtm), ("mlm", Mlm), ("pem", Pem)];
}
