using Alpro.Data.Media;
using Alpro.Data.Places;

namespace Alpro.Data.Corpora;

/// <summary>How much of an annotation file can be used.</summary>
/// <param name="Rows">Rows in the annotation file.</param>
/// <param name="Filtered">Rows left out by a rule of the configuration.</param>
/// <param name="Malformed">Rows that could not be understood, counted and skipped.</param>
/// <param name="Missing">Rows whose media file is missing; 0 when that is checked lazily.</param>
/// <param name="Refused">Rows whose path leads out of the media folder.</param>
/// <param name="Duplicates">Usable rows equal to an earlier one; they are kept.</param>
public sealed record CorpusCoverage(long Rows, long Filtered, long Malformed, long Missing, long Refused = 0, long Duplicates = 0)
{
    /// <summary>Rows that can be asked for.</summary>
    public long Usable => Rows - Filtered - Malformed - Missing - Refused;

    /// <summary>The coverage in a sentence, such as <c>2,312,004 of 2,497,000 rows have their video; 12 malformed</c>.</summary>
    public string Describe(MediaKind kind)
    {
        (long Count, string What)[] rest = [(Filtered, "left out by the word limit"), (Malformed, "malformed"),
            (Refused, "outside the media folder"), (Duplicates, "duplicates")];
        return $"{Rows - Filtered - Malformed - Refused - Missing:N0} of {Rows:N0} rows have their "
            + $"{(kind == MediaKind.Video ? "video" : "image")}"
            + string.Concat(rest.Where(part => part.Count > 0).Select(part => $"; {part.Count:N0} {part.What}"));
    }
}

/// <summary>The rows of one annotation file that have their media, addressable by number.</summary>
/// <remarks>Safe to read from several threads at once.</remarks>
public abstract class VideoTextCorpus : IDisposable
{
    /// <summary>
    /// Opens a corpus. The first time, and when the annotations or the folder have changed, this reads all annotations and writes an index
    /// beside them. That of annotations in a store goes to the folder of the program's data.
    /// </summary>
    /// <param name="config">The corpus.</param>
    /// <param name="baseFolder">What its paths are relative to: the configuration file's folder.</param>
    /// <param name="places">How stores are asked, and the cache.</param>
    /// <exception cref="DataException">
    /// A file or folder is missing, or the annotations have not the columns they need; the message says which.
    /// </exception>
    public static VideoTextCorpus Open(CorpusConfig config, string baseFolder = "", PlaceSettings? places = null) =>
        CorpusOpener.Open(config, baseFolder, places);

    /// <summary>Sees that a corpus can be opened: reads annotations up to the first row that can be used, and writes nothing.</summary>
    /// <param name="config">The corpus.</param>
    /// <param name="baseFolder">What its paths are relative to: the configuration file's folder.</param>
    /// <exception cref="DataException">It cannot; the message says why.</exception>
    public static void RequireReadable(CorpusConfig config, string baseFolder = "") => CorpusOpener.RequireReadable(config, baseFolder);

    /// <summary>The corpus's name in messages and records.</summary>
    public abstract string Name { get; }

    /// <summary>What its media files hold; a batch comes from one corpus, so it is of one kind.</summary>
    public abstract MediaKind Kind { get; }

    /// <summary>Number of usable rows.</summary>
    public abstract long Count { get; }

    /// <summary>What was found when the corpus opened.</summary>
    public abstract CorpusCoverage Coverage { get; }

    /// <summary>
    /// A hash of the names, texts and answers of all rows in their order. Where two corpora have the same, each row asks for the same clip.
    /// </summary>
    public abstract string Content { get; }

    /// <summary>Whether the media lie in a store, so that reading one waits for its answers.</summary>
    public virtual bool IsStored => false;

    /// <summary>The first problems of single rows, for a person: row number in the annotations, from 1, and what is wrong.</summary>
    public virtual IReadOnlyList<string> Problems => [];

    /// <summary>The index that was written when the corpus opened; null where there was one.</summary>
    public virtual string? NewIndex => null;

    /// <summary>The row with this number, 0 to <see cref="Count"/> - 1.</summary>
    public abstract VideoTextPair this[long row] { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Releases what the corpus holds.</summary>
    protected virtual void Dispose(bool disposing) { }
}
