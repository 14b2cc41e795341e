namespace Alpro.Data.Preparation.Official;

/// <summary>What a person may choose where annotations are prepared.</summary>
/// <param name="Split">MSR-VTT's split for retrieval: <c>7k</c>, <c>9k</c> or <c>full</c>; null for what the files ask for.</param>
/// <param name="Images">How CC3M's images are named.</param>
internal sealed record AnnotationChoices(string? Split = null, ImageNames Images = ImageNames.Row);

/// <summary>The annotations of one dataset as its owners publish them, and how they become what the recipes read.</summary>
internal abstract class OfficialAnnotations
{
    /// <summary>The published files, for messages.</summary>
    public abstract string Files { get; }

    /// <summary>Writes the parts that the published files have.</summary>
    /// <param name="files">The published files; which is which is told by their columns and names.</param>
    /// <param name="folder">The dataset's folder.</param>
    /// <param name="choices">What a person chose.</param>
    /// <exception cref="DataException">A file is absent, unknown or damaged; the message names it.</exception>
    public AnnotationReport Prepare(IReadOnlyList<string> files, string folder, AnnotationChoices choices)
    {
        try
        {
            return Write([.. files.Order(StringComparer.Ordinal)], new PreparedFolder(folder, files), choices);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            throw new DataException($"{string.Join(", ", files)}: cannot be read, or {folder} not be written: {exception.Message}",
                exception);
        }
    }

    /// <summary>Writes the parts; what cannot be read or written may be thrown as it is.</summary>
    internal abstract AnnotationReport Write(IReadOnlyList<string> files, PreparedFolder folder, AnnotationChoices choices);

    /// <summary>The tables of a dataset by part, in the order train, val, test.</summary>
    private protected IReadOnlyList<(string Part, OfficialTable[] Tables)> ByPart(IEnumerable<string> files, params string[] columns)
    {
        OfficialTable[] tables = [.. files.Select(OfficialTable.Open)];
        if (Array.Find(tables, table => !table.Has(columns)) is { } unknown) throw Unknown(unknown);
        return [.. from part in (string[])["train", "val", "test"]
                   let found = tables.Where(table => table.Part() == part).ToArray()
                   where found.Length > 0
                   select (part, found)];
    }

    /// <summary>The one table of a part.</summary>
    private protected static OfficialTable Only(string part, OfficialTable[] tables) => tables.Length == 1 ? tables[0]
        : throw new DataException($"{tables[0].Path} and {tables[1].Path}: both are the {part} part; expected one of them");

    private protected DataException Unknown(OfficialTable table) => new($"{table.Path}: is none of the files that are published; expected "
        + $"{Files}; it has {(table.Columns.Count == 0 ? "no rows" : $"the columns {string.Join(", ", table.Columns)}")}");

    /// <summary>A part with what its published files left out.</summary>
    private protected static PreparedPart With(PreparedPart part, params ReadOnlySpan<OfficialTable> tables)
    {
        foreach (OfficialTable table in tables)
            part = part with { LeftOut = part.LeftOut + table.LeftOut, Problems = [.. part.Problems, .. table.Problems] };
        return part;
    }
}
