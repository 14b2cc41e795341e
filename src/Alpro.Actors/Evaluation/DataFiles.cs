using Alpro.Data.Corpora;
using Alpro.Data.Places;

namespace Alpro.Actors.Evaluation;

/// <summary>
/// Looks for the files of a configuration that was written elsewhere: first in a folder, then where the configuration says. In the folder
/// it looks under as much of each path as is there (<c>data/msrvtt_ret/txt/test.jsonl</c>, <c>msrvtt_ret/txt/test.jsonl</c>, …
/// <c>test.jsonl</c>).
/// </summary>
/// <param name="folder">The folder; null to look only where the configuration says.</param>
internal sealed class DataFiles(string? folder)
{
    private readonly List<string> _lacking = [];
    private bool _found;

    /// <summary>A corpus whose annotations and videos have been found.</summary>
    public CorpusConfig Find(CorpusConfig corpus) => corpus with
    {
        // A pattern of shards is looked for when the corpus is opened.
        Annotations = corpus.Annotations.AsSpan().ContainsAny('*', '?') ? corpus.Annotations : Find("annotations", corpus.Annotations),
        Media = corpus.Media is { } media ? Find("videos", media) : null,
    };

    /// <summary>Where a file or folder is; it is noted where it is nowhere.</summary>
    /// <param name="what">What it is, for a person.</param>
    /// <param name="path">Where the configuration says.</param>
    public string Find(string what, string path)
    {
        string[] parts = path.Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries);
        IEnumerable<string> candidates = folder is null ? [] : Enumerable.Range(0,
            parts.Length).Select(from => Path.GetFullPath(Path.Combine([folder, .. parts[from..]])));
        if (candidates.FirstOrDefault(Path.Exists) is { } found)
        {
            _found = true;
            return found;
        }
        if (Place.IsRemote(path) || Path.Exists(path)) return path;
        _lacking.Add($"{what}: there is no {path}{(folder is null ? "" : $", nor {Path.Combine(folder, parts[^1])}")}");
        return path;
    }

    /// <exception cref="UsageException">Something was not found, all of which is named; or nothing was found in the folder.</exception>
    public void ThrowIfAnyIsLacking(string run)
    {
        if (folder is not null && !_found) throw new UsageException($"--data {folder}: nothing that {run} reads is there; expected a "
            + "folder with as much of the paths of its configuration as is there");
        if (_lacking.Count > 0) throw new UsageException(
            $"{run}: {string.Join("; ", _lacking)}. Say where they lie with --data DIR, or one by one with --set "
            + "data.test.annotations=FILE, data.test.media=DIR, data.vocabulary=FILE, data.answers=FILE");
    }
}
