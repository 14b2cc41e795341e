using System.IO.Enumeration;
using Alpro.Data;
using Alpro.Data.Corpora;
using Alpro.Data.Media;
using Alpro.Data.Places;

namespace Alpro.Training.Search;

/// <summary>The files that an index shall have: all videos below a folder, or those of a corpus.</summary>
public static class IndexSource
{
    private static readonly HashSet<string> _extensions = new(StringComparer.OrdinalIgnoreCase)
    {
        ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".ogv", ".ts", ".mts", ".m2ts", ".vob",
    };

    /// <summary>
    /// The videos below a folder, known by their extensions, in the order of their names. Links to folders are not followed.
    /// </summary>
    /// <exception cref="DataException">There are none.</exception>
    public static IReadOnlyList<IndexedFile> Below(string folder)
    {
        string root = Path.GetFullPath(folder);
        var found = new FileSystemEnumerable<string>(root, static (ref FileSystemEntry entry) => entry.ToFullPath(),
            new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.Hidden })
        {
            ShouldIncludePredicate = static (ref FileSystemEntry entry) =>
                !entry.IsDirectory && _extensions.Contains(Path.GetExtension(entry.FileName).ToString()),
            ShouldRecursePredicate = static (ref FileSystemEntry entry) => !entry.Attributes.HasFlag(FileAttributes.ReparsePoint),
        };
        List<IndexedFile> files = [.. found.Select(path => Of(Path.GetRelativePath(root, path).Replace('\\', '/'), new(path),
            MediaKind.Video))];
        if (files.Count == 0) throw new DataException($"{folder}: there is no video below it; expected files such as *.mp4");
        return Ordered(files);
    }

    /// <summary>The media of a corpus, each once, in the order of their names.</summary>
    public static IReadOnlyList<IndexedFile> Of(VideoTextCorpus corpus)
    {
        var files = new Dictionary<string, IndexedFile>();
        for (long row = 0; row < corpus.Count; row++)
        {
            VideoTextPair pair = corpus[row];
            if (!files.ContainsKey(pair.Key)) files[pair.Key] = Of(pair.Key, pair.Media with { Packed = null }, pair.Kind);
        }
        return Ordered(files.Values);
    }

    private static IReadOnlyList<IndexedFile> Ordered(IEnumerable<IndexedFile> files) =>
        [.. files.OrderBy(file => file.Name, StringComparer.Ordinal).Select((file, number) => file with { Number = number })];

    private static IndexedFile Of(string name, MediaSource media, MediaKind kind)
    {
        var found = Place.IsRemote(media.Path) ? null : new FileInfo(media.Path);
        return new(0, name, media)
        {
            Kind = kind,
            Size = found is { Exists: true } ? found.Length : 0,
            Changed = found is { Exists: true } ? found.LastWriteTimeUtc.Ticks : 0,
        };
    }
}
