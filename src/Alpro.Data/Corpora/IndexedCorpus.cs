using Alpro.Data.Media;

namespace Alpro.Data.Corpora;

/// <summary>A corpus read through its <see cref="RowIndex"/>.</summary>
internal sealed class IndexedCorpus(string name, string mediaRoot, RowIndex index, string? newIndex) : VideoTextCorpus
{
    public override string Name => name;

    public override MediaKind Kind => index.Summary.Kind;

    public override long Count => index.Count;

    public override CorpusCoverage Coverage => index.Summary.Coverage;

    public override string Content => index.Summary.Content;

    public override IReadOnlyList<string> Problems => index.Summary.Problems;

    public override string? NewIndex => newIndex;

    public override VideoTextPair this[long row]
    {
        get
        {
            IndexedRow found = index[row];
            string[] paths = [.. found.MediaPaths.Select(path => Path.Combine(mediaRoot, path))];
            return new VideoTextPair
            {
                Row = row,
                Key = found.Key,
                Kind = Kind,
                Media = new MediaSource(paths.Length == 1 ? paths[0] : Array.Find(paths, File.Exists) ?? paths[^1], found.Offset,
                    found.Length) { Packed = found.Packed },
                Captions = found.Captions,
                Answer = found.Answer.Length == 0 ? null : found.Answer,
                AnswerType = found.AnswerType.Length == 0 ? null : found.AnswerType,
            };
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) index.Dispose();
        base.Dispose(disposing);
    }
}
