using System.Text.RegularExpressions;

namespace Alpro.Data.Preparation.Official;

/// <summary>
/// WebVid: the owners' CSV, or mirrors of it in CSV or parquet and in as many pieces as they like, become one CSV of the columns that are
/// read. Sizes are published in millions of rows.
/// </summary>
internal sealed partial class WebvidAnnotations : OfficialAnnotations
{
    private const int Million = 1_000_000;

    public override string Files => "results_2M_train.csv, results_2M_val.csv, results_10M_train.csv, results_10M_val.csv, or parquet "
        + "files with the columns videoid, name";

    internal override AnnotationReport Write(IReadOnlyList<string> files, PreparedFolder folder, AnnotationChoices choices) => new(
    [
        .. from part in ByPart(files, "videoid", "name")
           from size in part.Tables.GroupBy(SizeOf)
           select WriteSize($"results_{size.Key}_{part.Part}.csv", part.Part, size.Key, [.. size], folder),
    ], []);

    private static PreparedPart WriteSize(string name, string part, string size, OfficialTable[] tables, PreparedFolder folder)
    {
        IEnumerable<string> rows = from table in tables
                                   from row in table.Rows("videoid", "name")
                                   let page = row.Fields["page_dir"] is [var found, ..] ? found : ""
                                   select Line(row.Fields["videoid"][0].Trim(), row.Fields["name"][0], page);
        // A published CSV that lies where the recipes look for it is read as it is.
        string file = tables is [{ Path: var path }] && folder.IsSource(name) ? Path.GetFullPath(path) : "";
        if (file.Length == 0) file = folder.Write(name, rows.Prepend("videoid,name,page_dir"));
        else foreach (string _ in rows) { }
        PartCount count = new("rows", tables.Sum(table => table.Count),
            (part, size) switch { ("train", "2M") => 2_500_000, ("train", _) => 10_700_000, _ => 5_000 },
            part == "train" ? Million / 10 : 1000);
        return With(new(part, file, [count]), tables);
    }

    private static string SizeOf(OfficialTable table) => table.Named(Size(), wholeFolder: false) switch
    {
        "" => throw new DataException($"{table.Path}: whether it is of WebVid-2M or WebVid-10M cannot be told; expected 2M or 10M in its "
            + "name, or in its folder's"),
        var size => size.ToUpperInvariant(),
    };

    private static string Line(params ReadOnlySpan<string> fields)
    {
        string[] quoted = new string[fields.Length];
        for (int i = 0; i < quoted.Length; i++)
            quoted[i] = fields[i].AsSpan().ContainsAny(",\"\r\n")
                ? $"\"{fields[i].Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : fields[i];
        return string.Join(',', quoted);
    }

    [GeneratedRegex("(?<![0-9.])(2|10)M(?![a-z])", RegexOptions.IgnoreCase)]
    private static partial Regex Size();
}
