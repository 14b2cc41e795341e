using Alpro.Data.Media;
using Alpro.Data.Workers;
using Alpro.Training.Search;

namespace Alpro.Actors.Search;

/// <summary>What must be the same in two processes, so that they make the same windows of a file.</summary>
/// <param name="Windows">How videos are cut.</param>
/// <param name="Width">Numbers of a feature.</param>
/// <param name="Tokens">Tokens that are kept, and numbers of each; null for none.</param>
/// <param name="Data">What decides the features besides, by its name, for a person.</param>
internal sealed record IndexTerms(WindowSettings Windows, int Width, int[]? Tokens, IReadOnlyDictionary<string, string> Data)
{
    /// <summary>The terms of an index.</summary>
    public static IndexTerms Of(SearchManifest manifest) => new(manifest.Windows, manifest.Width, manifest.Tokens, DataOf(manifest.Model));

    /// <summary>What decides the features that a process makes.</summary>
    public static IReadOnlyDictionary<string, string> DataOf(IndexedModel model) => new Dictionary<string, string>
    {
        ["weights"] = $"{model.Name} with the SHA-256 {model.WeightHash[..12]}…",
        ["settings"] = $"those with the SHA-256 {model.ConfigHash[..12]}…",
        ["decoder"] = NativeDecoder.Version ?? "the ffmpeg command",
    };

    /// <summary>What is not the same over there, in words; empty where all is.</summary>
    public string Differences(IReadOnlyDictionary<string, string> there) => Terms.Differences("index", Data, there);
}
