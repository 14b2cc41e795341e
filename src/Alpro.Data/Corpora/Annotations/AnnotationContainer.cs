using System.Text;
using Alpro.Data.Places;

namespace Alpro.Data.Corpora.Annotations;

/// <summary>A kind of file that annotations come in, whatever their columns mean.</summary>
/// <param name="Recognises">
/// Whether a file is of this kind, from its path and its first bytes as text. They are asked in the order of <see cref="All"/>.
/// </param>
/// <param name="Open">A reader of its files; it is told the columns that the configuration names.</param>
internal sealed record AnnotationContainer(
    Func<string, string, bool> Recognises, Func<IReadOnlyList<string>, CorpusColumns?, AnnotationReader> Open)
{
    private const int FirstBytes = 64;

    /// <summary>A folder or glob of WebDataset-style tar shards, which hold the media too.</summary>
    public static AnnotationContainer Tar { get; } = new(
        static (path, _) => Directory.Exists(path) || IsShards(path),
        static (shards, _) => new TarShardReader(shards)) { HoldsMedia = true };

    /// <summary>The index of a packed corpus, which needs no other; its shards lie beside it.</summary>
    public static AnnotationContainer Pack { get; } = new(
        static (_, text) => text.StartsWith(RowIndex.Name, StringComparison.Ordinal),
        static (_, _) => throw new InvalidOperationException("An index is opened, not read."));

    /// <summary>A parquet file.</summary>
    public static AnnotationContainer Parquet { get; } = new(
        static (_, text) => text.StartsWith("PAR1", StringComparison.Ordinal),
        static (files, columns) => new ParquetRowReader(Stream(files), columns?.ToAnnotation().Required));

    /// <summary>JSON objects, as lines or as one list.</summary>
    public static AnnotationContainer Json { get; } = new(
        static (_, text) => text is ['[' or '{', ..], static (files, _) => new JsonObjectReader(Stream(files)));

    /// <summary>Tab-separated values: caption and address without a header, or what the configuration says.</summary>
    public static AnnotationContainer Tsv { get; } = new(
        static (path, _) => Place.NameOf(path).EndsWith(".tsv", StringComparison.OrdinalIgnoreCase),
        static (files, columns) => DelimitedReader.Tsv(
            Stream(files), columns is null ? ["caption", "url"] : null, header: columns is { AreNumbers: false }));

    /// <summary>Comma-separated values, with a header unless columns have numbers: what a file is that is nothing else.</summary>
    public static AnnotationContainer Csv { get; } = new(
        static (_, _) => true,
        static (files, columns) => DelimitedReader.Csv(Stream(files), header: columns is not { AreNumbers: true }));

    /// <summary>All kinds, in the order in which a file is asked whether it is one.</summary>
    public static IReadOnlyList<AnnotationContainer> All { get; } = [Tar, Pack, Parquet, Json, Tsv, Csv];

    /// <summary>Whether the media lie in these files, so that there is no folder of them.</summary>
    public bool HoldsMedia { get; init; }

    /// <summary>The kind of a file, from its name and first bytes.</summary>
    public static AnnotationContainer Of(string path)
    {
        string text = Place.IsRemote(path) ? IsShards(path) ? "" : Start(path) : File.Exists(path) ? Start(path) : "";
        return All.First(container => container.Recognises(path, text));
    }

    private static bool IsShards(string path)
    {
        string name = Place.NameOf(path);
        return name.Contains('*') || name.EndsWith(".tar", StringComparison.OrdinalIgnoreCase)
            || Place.IsRemote(name) && name.EndsWith('/');
    }

    private static string Start(string path)
    {
        byte[] first = new byte[FirstBytes];
        using (Stream stream = PlaceStream.Open(path)) stream.ReadAtLeast(first, first.Length, throwOnEndOfStream: false);
        return Encoding.Latin1.GetString(first).TrimStart('\u00EF', '\u00BB', '\u00BF', ' ', '\t', '\r', '\n');
    }

    private static Stream Stream(IReadOnlyList<string> files) => PlaceStream.Open(files[0]);
}
