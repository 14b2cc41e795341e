using System.Text.Encodings.Web;
using System.Text.Json;

namespace Alpro.Data.Preparation.Official;

/// <summary>The folder of a dataset as the recipes expect it: annotations in <c>txt/</c>, media beside them.</summary>
/// <param name="path">The folder.</param>
/// <param name="sources">The published files, which are never written to.</param>
internal sealed class PreparedFolder(string path, IReadOnlyList<string> sources)
{
    private static readonly JsonSerializerOptions _json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The names of the videos that are there, without extension; null before there is a folder of them.</summary>
    private readonly Lazy<HashSet<string>?> _videos = new(() => Directory.Exists(Path.Combine(path, "videos"))
        ? [.. Directory.EnumerateFiles(Path.Combine(path, "videos")).Select(file => Path.GetFileNameWithoutExtension(file))] : null);

    /// <summary>A row as JSON on one line.</summary>
    public static string Json<T>(T row) => JsonSerializer.Serialize(row, _json);

    /// <summary>Writes <c>txt/PART.jsonl</c>, a row a line.</summary>
    /// <param name="part">The part.</param>
    /// <param name="rows">The rows: the clip of each, and its JSON.</param>
    /// <param name="what">What the rows are called.</param>
    /// <param name="published">The published numbers of rows and of clips.</param>
    public PreparedPart WriteClips(
        string part, IEnumerable<(string Clip, string Json)> rows, string what, (long? Rows, long? Clips) published)
    {
        (long count, HashSet<string> clips) = (0, []);
        string file = Write($"txt/{part}.jsonl", rows.Select(row =>
        {
            count++;
            clips.Add(row.Clip);
            return row.Json;
        }));
        return new(part, file, [new(what, count, published.Rows), new("videos", clips.Count, published.Clips)])
        {
            WithoutMedia = _videos.Value is { } videos ? clips.LongCount(clip => !videos.Contains(clip)) : null,
        };
    }

    /// <summary>Writes the lines of a file aside and renames it when it is whole; returns its path.</summary>
    /// <exception cref="DataException">It is one of the published files.</exception>
    public string Write(string name, IEnumerable<string> lines)
    {
        string target = Path.GetFullPath(Path.Combine(path, name));
        if (IsSource(target))
            throw new DataException($"{target}: is one of the published files, and would be written over; choose another --out");
        AsideFile.WriteLines(target, lines);
        return target;
    }

    /// <summary>Whether a name in the folder is one of the published files.</summary>
    public bool IsSource(string name) => sources.Any(source => Path.GetFullPath(source) == Path.GetFullPath(Path.Combine(path, name)));
}
