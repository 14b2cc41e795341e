using Alpro.Data.Media;

namespace Alpro.Data.Corpora.Annotations;

/// <summary>One row of an annotation file, its media not yet looked for.</summary>
/// <param name="Key">The row's own name.</param>
/// <param name="MediaPaths">
/// Paths within the media folder at which the file may lie, likeliest first; none where <paramref name="Media"/> is known.
/// </param>
/// <param name="Captions">The captions, or the question.</param>
/// <param name="Answer">The answer of a question.</param>
/// <param name="AnswerType">The question's type.</param>
/// <param name="Media">Where the media bytes lie, of formats that hold them.</param>
internal sealed record AnnotationRow(
    string Key, IReadOnlyList<string> MediaPaths, IReadOnlyList<string> Captions, string? Answer = null, string? AnswerType = null,
    MediaSource? Media = null);

/// <summary>Which columns an annotation has and what they mean, in whatever container it comes.</summary>
/// <param name="Required">Columns without which a row means nothing.</param>
/// <param name="Optional">Columns that are read where they are there.</param>
/// <param name="Kind">What the media files are; null where the first row's file tells.</param>
/// <param name="Extension">The media extension where the annotation names none.</param>
/// <param name="Read">Makes a row from its values, its number from 0, and the media extension; what is lacking is left empty.</param>
internal sealed record AnnotationColumns(
    IReadOnlyList<string> Required, IReadOnlyList<string> Optional, MediaKind? Kind, string Extension,
    Func<AnnotationFields, long, string, AnnotationRow> Read)
{
    /// <summary>What is wrong with a row's values, or null.</summary>
    public string? ProblemOf(AnnotationFields fields) => ProblemOf(fields, Required);

    /// <summary>What is wrong with the values of a row that needs some columns, or null.</summary>
    public static string? ProblemOf(AnnotationFields fields, IReadOnlyList<string> required)
    {
        if (fields.Problem is not null) return fields.Problem;
        foreach (string name in required)
        {
            IReadOnlyList<string> values = fields[name];
            if (values.Count == 0) return $"it has no \"{name}\"";
            if (values.All(string.IsNullOrWhiteSpace)) return $"its \"{name}\" is empty";
        }
        return null;
    }

    /// <summary>Says which columns are lacking, with the nearest spellings among those that are there.</summary>
    public string Lacking(IReadOnlyCollection<string> columns) => string.Join("; ",
        from name in Required
        where !columns.Contains(name)
        select $"\"{name}\" is lacking" + (Spelling.Nearest(name, columns) is { } nearest ? $" (is \"{nearest}\" meant?)" : ""));
}
