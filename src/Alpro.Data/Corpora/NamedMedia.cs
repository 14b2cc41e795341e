using Alpro.Data.Corpora.Annotations;
using Alpro.Data.Media;

namespace Alpro.Data.Corpora;

/// <summary>Finds a clip that a person names.</summary>
internal static class NamedMedia
{
    private const string Shard = ".tar";

    /// <summary>Finds a file, or <c>SHARD.tar/KEY</c>, a clip inside a tar shard.</summary>
    /// <returns>Where it lies, and its row's name where a shard has it; else the path.</returns>
    /// <exception cref="DataException">The shard has no such clip.</exception>
    public static (MediaSource Media, string Key) Find(string path)
    {
        string full = Path.GetFullPath(path);
        int end = full.IndexOf($"{Shard}/", StringComparison.OrdinalIgnoreCase) + Shard.Length;
        if (end < Shard.Length || !File.Exists(full[..end])) return (new(full), full);
        string key = $"{Path.GetFileNameWithoutExtension(full[..end])}{full[end..]}";
        if (TarShardReader.Find(full[..end], key) is { } media) return (media, key);
        throw new DataException($"{full[..end]}: holds no clip '{full[(end + 1)..]}'; expected the name of a file up to its first dot");
    }
}
