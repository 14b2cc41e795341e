using System.Globalization;

namespace Alpro.Data.Corpora.Annotations;

/// <summary>
/// Which columns of an annotation file mean what (<c>data.corpora[].columns</c>): names of its header, keys of its JSON objects. Of a CSV
/// or TSV without a header they are numbers, from 1. Every column that is named must be there, and filled in each row.
/// </summary>
public sealed record CorpusColumns
{
    /// <summary>The media file's path within the media folder; <c>mediaExtension</c> is added where it is set.</summary>
    public required string Media { get; init; }

    /// <summary>The caption, or a list of which one is drawn at each visit; the question where there are answers.</summary>
    public required string Caption { get; init; }

    /// <summary>The clip's own name, which rows about one video share; null for what <see cref="Media"/> says.</summary>
    public string? Key { get; init; }

    /// <summary>The answer of a question; null for captions.</summary>
    public string? Answer { get; init; }

    /// <summary>The type of a question, such as <c>what</c>; null for none.</summary>
    public string? AnswerType { get; init; }

    /// <summary>Whether the columns are numbers, so that the file has no header.</summary>
    internal bool AreNumbers => ByMeaning().All(named =>
        int.TryParse(named.Column, NumberStyles.None, CultureInfo.InvariantCulture, out _));

    /// <summary>The columns that are named, each with the setting that names it.</summary>
    internal IEnumerable<(string Meaning, string Column)> ByMeaning()
    {
        yield return ("media", Media);
        yield return ("caption", Caption);
        if (Key is not null) yield return ("key", Key);
        if (Answer is not null) yield return ("answer", Answer);
        if (AnswerType is not null) yield return ("answerType", AnswerType);
    }

    /// <summary>How a row is made of them.</summary>
    internal AnnotationColumns ToAnnotation()
    {
        return new([.. ByMeaning().Select(named => named.Column).Distinct()], [], null, "", (fields, _, extension) =>
        {
            string media = One(fields, Media)!;
            return new(One(fields, Key) ?? media, [media + extension], fields[Caption], One(fields, Answer), One(fields, AnswerType));
        });

        static string? One(AnnotationFields fields, string? column) => column is null ? null : AnnotationFormat.One(fields, column);
    }
}
