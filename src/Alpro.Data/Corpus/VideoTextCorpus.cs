namespace Alpro.Data.Corpus;

/// <summary>How much of an annotation file can be used.</summary>
/// <param name="Rows">Rows in the annotation file.</param>
/// <param name="Filtered">Rows left out by a rule of the configuration.</param>
/// <param name="Malformed">Rows that could not be understood, counted and skipped.</param>
/// <param name="Missing">Rows whose media file is absent; 0 when that is checked lazily.</param>
public sealed record CorpusCoverage(long Rows, long Filtered, long Malformed, long Missing)
{
    /// <summary>Rows that can be asked for.</summary>
    public long Usable => Rows - Filtered - Malformed - Missing;
}

/// <summary>The rows of one annotation file that have their media, addressable by number.</summary>
/// <remarks>Safe to read from several threads at once.</remarks>
public abstract class VideoTextCorpus : IDisposable
{
    /// <summary>The corpus's name in messages and records.</summary>
    public abstract string Name { get; }

    /// <summary>What its media files hold; a batch comes from one corpus, so it is of one kind.</summary>
    public abstract MediaKind Kind { get; }

    /// <summary>Number of usable rows.</summary>
    public abstract long Count { get; }

    /// <summary>What was found when the corpus opened.</summary>
    public abstract CorpusCoverage Coverage { get; }

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
