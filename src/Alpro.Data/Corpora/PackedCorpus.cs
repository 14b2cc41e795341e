using System.Globalization;
using System.IO.Hashing;
using System.Text;
using Alpro.Data.Corpora.Annotations;
using Alpro.Data.Places;

namespace Alpro.Data.Corpora;

/// <summary>
/// Opens packed corpora: their annotations, and the place of each frame, are an index already. Its shards lie beside it, wherever that is.
/// </summary>
internal static class PackedCorpus
{
    /// <summary>Opens a packed corpus. The index is copied from a store once, since its rows are read one by one.</summary>
    /// <param name="config">The corpus.</param>
    /// <param name="address">Where its index lies.</param>
    /// <param name="places">How stores are asked.</param>
    /// <param name="copies">Folder of the copies of indexes.</param>
    /// <exception cref="DataException">Its index is damaged, or the configuration says what packing has settled.</exception>
    public static IndexedCorpus Open(CorpusConfig config, string address, PlaceSettings? places, string copies)
    {
        string name = $"corpus {config.Name}: {Place.NameOf(address)}";
        if (config.Media is not null || config.MediaExtension is not null || config.MaxCaptionWords is not null
            || config.Format != AnnotationFormat.Auto || config.Columns is not null)
            throw new DataException($"{name} is a packed corpus, whose media and rows were settled when it was packed; leave out media, "
                + "mediaExtension, maxCaptionWords, columns and format");
        RowIndex index = RowIndex.TryOpen(Place.IsRemote(address) ? Copy(address, places, copies) : address, fingerprint: null)
            ?? throw new DataException($"{name} is damaged; pack the corpus again, or copy its index again");
        if (index.Summary.Streams is not null) return new IndexedCorpus(config.Name, Place.FolderOf(address), index, null, places);
        index.Dispose();
        throw new DataException($"{name} is the index of other annotations; name those, or the index of a packed corpus");
    }

    /// <summary>The path of a copy of an index as it is in the store now. An older copy goes.</summary>
    private static string Copy(string address, PlaceSettings? places, string folder)
    {
        using var place = Place.Open(address, places);
        PlaceFacts facts = place.Facts;
        string name = $"pack-{Hash(address)}", path = Path.Combine(folder,
            $"{name}-{Hash(string.Create(CultureInfo.InvariantCulture, $"{facts.Version}|{facts.Length}"))}");
        if (File.Exists(path)) return path;
        Directory.CreateDirectory(folder);
        foreach (string older in Directory.EnumerateFiles(folder, $"{name}-*")) File.Delete(older);
        place.Download(path);
        return path;
    }

    private static string Hash(string text) => $"{XxHash64.HashToUInt64(Encoding.UTF8.GetBytes(text)):x16}";
}
