using System.Text.RegularExpressions;

namespace Alpro.Model.Checkpoints;

/// <summary>What a load asks of a checkpoint.</summary>
public enum LoadMode
{
    /// <summary>Every weight that the model reads must come from the file.</summary>
    Inference,

    /// <summary>What the file lacks starts fresh, and is reported.</summary>
    FineTuning,

    /// <summary>Every weight must come from the file as it is, and the file may hold no other.</summary>
    Resume,
}

/// <summary>Embeddings that were resized by nearest interpolation.</summary>
/// <param name="Key">The model's key.</param>
/// <param name="From">Rows in the file.</param>
/// <param name="To">Rows in the model.</param>
public sealed record ResizedEmbedding(string Key, long From, long To);

/// <summary>What a load did, key by key.</summary>
/// <param name="Path">The checkpoint.</param>
/// <param name="Loaded">Keys of the model that the file gave values to, tied ones included.</param>
/// <param name="Fresh">Keys of the model (of the part that the file is for) that keep the values they had.</param>
/// <param name="Unexpected">Keys of the file that the model has no place for.</param>
/// <param name="Dropped">Keys of the file that such a model leaves out by design.</param>
/// <param name="Resized">Embeddings that were resized.</param>
public sealed record LoadReport(
    string Path,
    IReadOnlyList<string> Loaded,
    IReadOnlyList<string> Fresh,
    IReadOnlyList<string> Unexpected,
    IReadOnlyList<string> Dropped,
    IReadOnlyList<ResizedEmbedding> Resized)
{
    /// <summary>The report as lines for a log.</summary>
    public IEnumerable<string> Lines()
    {
        yield return $"{Path}: {Loaded.Count} weights loaded";
        if (Resized.Count > 0) yield return "resized by nearest interpolation: "
            + $"{string.Join(", ", Resized.Select(resized => $"{resized.Key} {resized.From} -> {resized.To}"))}";
        if (Fresh.Count > 0) yield return $"{Fresh.Count} start fresh: {Names(Fresh)}";
        if (Unexpected.Count > 0) yield return $"{Unexpected.Count} in the file have no place in the model: {Names(Unexpected)}";
        if (Dropped.Count > 0) yield return $"{Dropped.Count} in the file are left out by design: {Names(Dropped)}";
    }

    /// <summary>Names for a person: at most twelve, for which numbered families are folded into one where there are more.</summary>
    internal static string Names(IReadOnlyList<string> keys)
    {
        const int most = 12;
        IReadOnlyList<string> shown = keys.Count <= most ? keys : [.. keys.Select(key => Regex.Replace(key, @"\.\d+\.", ".*.")).Distinct()];
        return string.Join(", ", shown.Take(most)) + (shown.Count > most ? $", and {shown.Count - most} more" : "");
    }
}
