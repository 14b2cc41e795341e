using Alpro.Data.Corpora.Annotations;

namespace Alpro.Data.Corpora;

/// <summary>
/// Opens packed corpora: their annotations, and the place of each frame, are an index already. Its shards lie beside it.
/// </summary>
internal static class PackedCorpus
{
    /// <summary>Opens a packed corpus; null where the annotations are of another kind.</summary>
    /// <exception cref="DataException">Its index is damaged, or the configuration says what packing has settled.</exception>
    public static VideoTextCorpus? TryOpen(CorpusConfig config, string baseFolder)
    {
        string path = Path.GetFullPath(Path.Combine(baseFolder, config.Annotations));
        if (!RowIndex.IsIndex(path)) return null;
        if (config.Media is not null || config.MediaExtension is not null || config.MaxCaptionWords is not null
            || config.Format != AnnotationFormat.Auto)
            throw new DataException($"corpus {config.Name}: {path} is a packed corpus, whose media and rows were settled when it was "
                + "packed; leave out media, mediaExtension, maxCaptionWords and format");
        RowIndex index = RowIndex.TryOpen(path, fingerprint: null)
            ?? throw new DataException($"corpus {config.Name}: {path} is damaged; pack the corpus again, or copy its index again");
        if (index.Summary.Streams is not null) return new IndexedCorpus(config.Name, Path.GetDirectoryName(path)!, index, newIndex: null);
        index.Dispose();
        throw new DataException($"corpus {config.Name}: {path} is the index of other annotations; name those, or the index of a packed "
            + "corpus");
    }
}
