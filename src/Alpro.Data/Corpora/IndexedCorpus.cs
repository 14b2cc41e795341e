using Alpro.Data.Media;
using Alpro.Data.Places;

namespace Alpro.Data.Corpora;

/// <summary>A corpus read through its <see cref="RowIndex"/>.</summary>
/// <param name="name">Its name.</param>
/// <param name="mediaRoot">The folder of its media.</param>
/// <param name="index">Its index, which it disposes.</param>
/// <param name="newIndex">The index's path, where it was made now.</param>
/// <param name="places">How stores are asked, and the cache.</param>
internal sealed class IndexedCorpus(string name, string mediaRoot, RowIndex index, string? newIndex, PlaceSettings? places)
    : VideoTextCorpus
{
    private volatile int _likely;

    public override string Name => name;

    public override MediaKind Kind => index.Summary.Kind;

    public override long Count => index.Count;

    public override CorpusCoverage Coverage => index.Summary.Coverage;

    public override string Content => index.Summary.Content;

    public override IReadOnlyList<string> Problems => index.Summary.Problems;

    public override string? NewIndex => newIndex;

    public override bool IsStored => Place.IsRemote(mediaRoot);

    public override VideoTextPair this[long row]
    {
        get
        {
            IndexedRow found = index[row];
            string[] paths = [.. found.MediaPaths.Select(path => Place.Combine(mediaRoot, path))];
            return new VideoTextPair
            {
                Row = row,
                Key = found.Key,
                Kind = Kind,
                Media = new MediaSource(paths.Length == 1 ? paths[0] : FirstThere(paths), found.Offset, found.Length)
                {
                    Packed = found.Packed,
                },
                Captions = found.Captions,
                Answer = found.Answer.Length == 0 ? null : found.Answer,
                AnswerType = found.AnswerType.Length == 0 ? null : found.AnswerType,
            };
        }
    }

    /// <summary>The first of several paths that is there; a store is first asked for the one that was there last time.</summary>
    private string FirstThere(string[] paths)
    {
        if (!IsStored) return Array.Find(paths, File.Exists) ?? paths[^1];
        for (int tried = 0, likely = _likely; tried < paths.Length; tried++)
        {
            int which = (likely + tried) % paths.Length;
            if (!IsThere(paths[which])) continue;
            _likely = which;
            return paths[which];
        }
        return paths[^1];
    }

    private bool IsThere(string address)
    {
        try
        {
            using var place = Place.Open(address, places);
            return place.Length >= 0;
        }
        catch (PlaceException exception)
        {
            return exception.Fault != PlaceFault.Missing;           // whoever reads it finds the trouble
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) index.Dispose();
        base.Dispose(disposing);
    }
}
