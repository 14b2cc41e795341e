using System.Text.RegularExpressions;
using Alpro.Data.Corpora.Annotations;

namespace Alpro.Data.Preparation.Official;

/// <summary>A published annotation file that is a table: CSV, TSV, parquet, a list of JSON objects, or one a line.</summary>
internal sealed partial class OfficialTable
{
    private const int ProblemsKept = 5, FoldersLookedAt = 2;

    private readonly AnnotationContainer _container;

    private OfficialTable(string path)
    {
        Path = path;
        _container = AnnotationContainer.Of(path);
        using AnnotationReader reader = _container.Open([path], null);
        Columns = reader.Names ?? reader.Rows().FirstOrDefault()?.Names ?? [];
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The names of its columns, told by its header or first row.</summary>
    public IReadOnlyCollection<string> Columns { get; }

    /// <summary>Rows that were read.</summary>
    public long Count { get; private set; }

    /// <summary>Rows of them that cannot be understood.</summary>
    public long LeftOut { get; private set; }

    /// <summary>The first of these, each with file, row and reason.</summary>
    public List<string> Problems { get; } = [];

    /// <summary>Opens a file.</summary>
    /// <exception cref="DataException">It is not there.</exception>
    public static OfficialTable Open(string path) =>
        File.Exists(path) ? new(path) : throw new DataException($"{path}: there is no such file");

    /// <summary>Whether it has these columns.</summary>
    public bool Has(params ReadOnlySpan<string> columns)
    {
        foreach (string column in columns) if (!Columns.Contains(column)) return false;
        return true;
    }

    /// <summary>The part that it is, told by the name of the file or of a folder around it.</summary>
    /// <exception cref="DataException">Nothing tells.</exception>
    public string Part() => Named(PartName(), wholeFolder: true) switch
    {
        ['t', 'r', ..] => "train",
        ['v', ..] => "val",
        ['t', ..] => "test",
        _ => throw new DataException($"{Path}: which part it is cannot be told; expected train, val or test in its name"),
    };

    /// <summary>The first match of a pattern in the name of the file, or else of the folders around it; in lower case, or empty.</summary>
    /// <param name="pattern">The pattern.</param>
    /// <param name="wholeFolder">Whether a folder's name must be nothing else.</param>
    public string Named(Regex pattern, bool wholeFolder)
    {
        string? at = System.IO.Path.GetFullPath(Path);
        for (int level = 0; level <= FoldersLookedAt && at is not null; level++, at = System.IO.Path.GetDirectoryName(at))
        {
            string name = System.IO.Path.GetFileName(at);
            if (pattern.Match(name) is { Success: true } match && (level == 0 || !wholeFolder || match.Length == name.Length))
                return match.Value.ToLowerInvariant();
        }
        return "";
    }

    /// <summary>
    /// Reads the rows that have something in each of some columns, with their numbers from 0. Others are counted, and the first are named.
    /// </summary>
    /// <exception cref="DataException">There is none.</exception>
    public IEnumerable<(long Number, AnnotationFields Fields)> Rows(params IReadOnlyList<string> columns)
    {
        (Count, LeftOut) = (0, 0);
        Problems.Clear();
        using AnnotationReader reader = _container.Open([Path], null);
        foreach (AnnotationFields fields in reader.Rows())
        {
            long number = Count++;
            if (AnnotationColumns.ProblemOf(fields, columns) is not { } problem) yield return (number, fields);
            else if (++LeftOut <= ProblemsKept) Problems.Add($"{System.IO.Path.GetFileName(Path)}, row {Count}: {problem}");
        }
        if (LeftOut == Count)
            throw new DataException($"{Path}: none of its {Count} rows can be understood; {string.Join("; ", Problems.Take(1))}");
    }

    /// <summary>The words by which owners name parts, where no letter comes before or after.</summary>
    [GeneratedRegex("(?<![a-z])(train(ing)?|val(id|idate|idation)?|test)(?![a-z])", RegexOptions.IgnoreCase)]
    private static partial Regex PartName();
}
