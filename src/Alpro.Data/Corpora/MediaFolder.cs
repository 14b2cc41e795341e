using System.IO.Enumeration;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using Alpro.Data.Places;

namespace Alpro.Data.Corpora;

/// <summary>
/// A corpus's folder of media files. One listing of each folder tells which files are there, so ten million rows need no ten million
/// look-ups. It is kept as hashes of the names, 8 bytes a file, while an index is built.
/// </summary>
/// <param name="root">Full path of the folder, or its address in a store.</param>
/// <param name="missing">Whether files are looked for now or when they are visited.</param>
internal sealed class MediaFolder(string root, MissingMedia missing)
{
    private readonly Dictionary<string, ulong[]?> _listings = [];
    private readonly bool _lazy = missing == MissingMedia.Lazy || !Place.CanList(root);
    private readonly string _paths = Place.IsRemote(root) ? "/media" : root;   // what paths are compared with
    private ulong[]? _stored;

    /// <summary>
    /// The folders that were listed, relative to the root, with the time of their last change in ticks; 0 for missing ones.
    /// </summary>
    public Dictionary<string, long> Listed { get; } = [];

    /// <summary>Whether the folders still are as they were when listed.</summary>
    public static bool IsUnchanged(string root, Dictionary<string, long> listed) =>
        listed.All(folder => LastChange(Path.Combine(root, folder.Key)) == folder.Value);

    /// <summary>Where a row's file is, relative to the root.</summary>
    /// <param name="candidates">Paths at which it may lie, likeliest first.</param>
    /// <returns>The first candidate that is there, or none; lazily all candidates; null where one leads out of the folder.</returns>
    public IReadOnlyList<string>? Find(IReadOnlyList<string> candidates)
    {
        string[] inside = new string[candidates.Count];
        for (int i = 0; i < inside.Length; i++)
        {
            if (Inside(candidates[i]) is not { } path) return null;
            inside[i] = path;
        }
        if (_lazy) return inside;
        return Array.Find(inside, Contains) is { } found ? [found] : [];
    }

    /// <summary>The path relative to the root, or null where it leads out of it.</summary>
    private string? Inside(string candidate)
    {
        if (candidate.Length == 0 || candidate.Contains('\0')) return null;
        if (!candidate.Contains("..", StringComparison.Ordinal) && !candidate.Contains("//", StringComparison.Ordinal)
            && candidate[0] is not ('/' or '.')) return candidate;
        string full = Path.GetFullPath(candidate, _paths);
        return full.StartsWith(_paths + Path.DirectorySeparatorChar, StringComparison.Ordinal) ? Path.GetRelativePath(_paths, full) : null;
    }

    private bool Contains(string path)
    {
        if (Place.IsRemote(root)) return Array.BinarySearch(_stored ??= Stored(), Hash(path)) >= 0;
        return Listing(Path.GetDirectoryName(path)!) is { } names && Array.BinarySearch(names, Hash(Path.GetFileName(path.AsSpan()))) >= 0;
    }

    /// <summary>All files of a folder in a store. It has no time of its last change: the list is taken when an index is made.</summary>
    private ulong[] Stored()
    {
        using var place = Place.Open(root);
        ulong[] names = [.. place.List().Select(static file => Hash(file.Name))];
        Array.Sort(names);
        return names;
    }

    private ulong[]? Listing(string folder)
    {
        if (_listings.TryGetValue(folder, out ulong[]? names)) return names;
        string full = Path.Combine(root, folder);
        Listed[folder] = LastChange(full);                     // before the listing, so that a change during it is noticed
        if (Directory.Exists(full))
        {
            names = [.. new FileSystemEnumerable<ulong>(full, static (ref FileSystemEntry entry) => Hash(entry.FileName),
                new EnumerationOptions { AttributesToSkip = 0, IgnoreInaccessible = false })
            {
                ShouldIncludePredicate = static (ref FileSystemEntry entry) => !entry.IsDirectory,
            }];
            Array.Sort(names);
        }
        return _listings[folder] = names;
    }

    private static long LastChange(string folder) => Directory.Exists(folder) ? Directory.GetLastWriteTimeUtc(folder).Ticks : 0;

    private static ulong Hash(ReadOnlySpan<char> name) => XxHash3.HashToUInt64(MemoryMarshal.AsBytes(name));
}
