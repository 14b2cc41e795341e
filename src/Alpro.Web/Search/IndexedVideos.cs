using Alpro.Data.Media;
using Alpro.Data.Places;
using Alpro.Training.Search;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Net.Http.Headers;

namespace Alpro.Web.Search;

/// <summary>
/// What an index has for those who look at it: moments, pictures, original files. A visitor names a video as the index does; a name is only
/// ever looked up in the index, and never is part of a path.
/// </summary>
/// <param name="index">The index.</param>
internal sealed class IndexedVideos(SearchIndex index)
{
    /// <summary>Starts of windows are kept in 32 bits, and people round.</summary>
    private const double Rounding = 0.005;

    private readonly (string Folder, double Seconds, int Windows)[] _files =
        [.. index.AllFiles().Select(file => (FolderOf(file.Name), file.Seconds, file.WindowCount))];

    /// <summary>Folders that videos with moments lie in, those above them included.</summary>
    public IReadOnlyList<string> Folders => [.. _files.Where(file => file.Windows > 0).Select(file => file.Folder).Distinct()
        .SelectMany(WithThoseAbove).Distinct().Order(StringComparer.Ordinal)];

    /// <summary>Videos with moments.</summary>
    public int Count => _files.Count(file => file.Windows > 0);

    /// <summary>Seconds of all of them.</summary>
    public double Seconds => _files.Where(file => file.Windows > 0).Sum(file => file.Seconds);

    /// <summary>The video of a name.</summary>
    /// <exception cref="Refusal">The index has none.</exception>
    public IndexedFile Video(string name) => index.Find(name) is { WindowCount: > 0 } file ? file
        : throw Refusal.Missing("The index has no such video; expected the name of one, as a search gives it.");

    /// <summary>The moment of a video at a second: the last that has begun by then.</summary>
    /// <exception cref="Refusal">There is none.</exception>
    public Window Moment(string name, double start)
    {
        IndexedFile file = Video(name);
        if (!double.IsFinite(start) || start < 0 || start > file.Seconds)
            throw Refusal.Missing($"The video has no such second; expected one from 0 to {file.Seconds:0.##}.");
        int window = file.FirstWindow;
        while (window + 1 < file.FirstWindow + file.WindowCount && index[window + 1].Start <= start + Rounding) window++;
        return index[window];
    }

    /// <summary>The videos with moments that pass the filters of a request.</summary>
    public int[] Filter(SearchRequest request)
    {
        string folder = request.Folder?.TrimEnd('/') ?? "";
        (double least, double most) = (request.AtLeast ?? 0, request.AtMost ?? double.PositiveInfinity);
        return [.. Enumerable.Range(0, _files.Length).Where(number => _files[number] is { Windows: > 0 } file
            && file.Seconds >= least && file.Seconds <= most && IsBelow(file.Folder, folder))];
    }

    /// <summary>How many moments a video has.</summary>
    public int MomentsOf(int file) => _files[file].Windows;

    /// <summary>A video's first moment, for a visitor.</summary>
    public MomentMessage First(int file) => Tell(index[index.File(file).FirstWindow]);

    /// <summary>A moment for a visitor.</summary>
    public MomentMessage Tell(Window window, double? similarity = null, double? match = null)
    {
        IndexedFile file = index.File(window.File);
        return new(file.Name, file.Name[(file.Name.LastIndexOf('/') + 1)..], Math.Round(window.Start, 3), Math.Round(window.End, 3),
            Math.Round(file.Seconds, 3), similarity, match);
    }

    /// <summary>The picture of a moment.</summary>
    public FileContentHttpResult Picture(string name, double start) =>
        TypedResults.Bytes(index.Thumbnail(Moment(name, start).Number), "image/jpeg");

    /// <summary>The original file of a video, as a whole or in ranges.</summary>
    /// <exception cref="Refusal">It has gone, or is another by now.</exception>
    public FileStreamHttpResult Play(string name)
    {
        IndexedFile file = Video(name);
        try
        {
            if (IsOther(file))
                throw Refusal.Missing("The file has changed since it was indexed; 'alpro index', once more, takes it in.");
            return TypedResults.Stream(Bytes(file.Media), TypeOf(file), enableRangeProcessing: true,
                entityTag: new EntityTagHeaderValue($"\"{file.Size:x}-{file.Changed:x}\""));
        }
        catch (PlaceException problem)
        {
            throw Refusal.Missing($"The file cannot be read any more: {problem.Finding}.");
        }
    }

    /// <summary>A whole file, or a stretch of a shard.</summary>
    private static PlaceStream Bytes(MediaSource media) =>
        new(Place.Open(media.Path), media.Offset, media.Length > 0 ? media.Length : null);

    private static bool IsOther(IndexedFile file)
    {
        if (Place.IsRemote(file.Media.Path) || !file.Media.IsWholeFile) return false;
        var now = new FileInfo(file.Media.Path);
        return now.Exists && (now.Length, now.LastWriteTimeUtc.Ticks) != (file.Size, file.Changed);
    }

    /// <summary>What a browser is told that a file is: never something that it would run.</summary>
    private static string TypeOf(IndexedFile file) => Path.GetExtension(file.Name).ToLowerInvariant() switch
    {
        ".mp4" or ".m4v" or ".mov" => "video/mp4",
        ".webm" => "video/webm",
        ".mkv" => "video/x-matroska",
        ".ogv" => "video/ogg",
        ".jpg" or ".jpeg" => "image/jpeg",
        ".png" => "image/png",
        _ => "application/octet-stream",
    };

    private static string FolderOf(string name) => name.LastIndexOf('/') is > 0 and var slash ? name[..slash] : "";

    private static bool IsBelow(string folder, string above) =>
        above.Length == 0 || folder == above || folder.StartsWith(above, StringComparison.Ordinal) && folder[above.Length] == '/';

    private static IEnumerable<string> WithThoseAbove(string folder)
    {
        for (string at = folder; at.Length > 0; at = FolderOf(at)) yield return at;
    }
}
