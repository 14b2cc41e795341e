using System.Globalization;
using Alpro.Data.Media;

namespace Alpro.Data.Corpora.Annotations;

/// <summary>One row of an annotation file, its media not yet looked for.</summary>
/// <param name="Key">The row's own name.</param>
/// <param name="MediaPaths">Paths within the media folder at which the file may lie, likeliest first; none where <paramref name="Media"/> is known.</param>
/// <param name="Captions">The captions, or the question.</param>
/// <param name="Answer">The answer of a question.</param>
/// <param name="AnswerType">The question's type.</param>
/// <param name="Media">Where the media bytes lie, of formats that hold them.</param>
internal sealed record AnnotationRow(string Key, IReadOnlyList<string> MediaPaths, IReadOnlyList<string> Captions, string? Answer = null, string? AnswerType = null, MediaSource? Media = null);

/// <summary>Which columns a kind of annotation has and what they mean, in whatever container it comes.</summary>
/// <param name="Required">Columns without which a row means nothing.</param>
/// <param name="Kind">What the media files are.</param>
/// <param name="Extension">The media extension where the annotation names none.</param>
/// <param name="Read">Makes a row from its values, its number from 0, and the media extension; what is lacking is left empty.</param>
internal sealed record AnnotationSchema(IReadOnlyList<string> Required, MediaKind Kind, string Extension, Func<AnnotationFields, long, string, AnnotationRow> Read)
{
    /// <summary>WebVid: the video lies flat or in its page's folder.</summary>
    public static AnnotationSchema Webvid { get; } = new(["videoid", "name"], MediaKind.Video, ".mp4", static (fields, _, extension) =>
    {
        string id = One(fields, "videoid"), page = One(fields, "page_dir");
        string[] paths = page.Length == 0 ? [id + extension] : [$"{page}/{id}{extension}", id + extension];
        return new AnnotationRow(id, paths, fields["name"]);
    });

    /// <summary>CC3M as the reference prepared it: the image's path and one or more captions.</summary>
    public static AnnotationSchema Images { get; } = new(["image", "caption"], MediaKind.Image, "", static (fields, _, _) =>
        new AnnotationRow(One(fields, "image"), [One(fields, "image")], fields["caption"]));

    /// <summary>CC3M as published: images named by row number, from 0, plain or padded to eight or nine digits.</summary>
    public static AnnotationSchema Cc3mTsv { get; } = new(["caption", "url"], MediaKind.Image, ".jpg", static (fields, number, extension) =>
    {
        string row = number.ToString(CultureInfo.InvariantCulture);
        return new AnnotationRow(row, [row + extension, row.PadLeft(8, '0') + extension, row.PadLeft(9, '0') + extension], fields["caption"]);
    });

    /// <summary>Retrieval: a clip and what is said about it.</summary>
    public static AnnotationSchema Retrieval { get; } = new(["clip_name", "caption"], MediaKind.Video, ".mp4", static (fields, _, extension) =>
        new AnnotationRow(One(fields, "clip_name"), [One(fields, "clip_name") + extension], fields["caption"]));

    /// <summary>Question answering.</summary>
    public static AnnotationSchema QuestionAnswer { get; } = new(["video_id", "question", "answer"], MediaKind.Video, ".mp4", static (fields, _, extension) =>
        new AnnotationRow(One(fields, "video_id"), [One(fields, "video_id") + extension], fields["question"], One(fields, "answer"), One(fields, "answer_type")));

    /// <summary>Tar shards: members of one key make a row.</summary>
    public static AnnotationSchema Shards(MediaKind kind) => new(["caption"], kind, "", static (fields, _, _) => fields["question"] is [var question, ..]
        ? new AnnotationRow(One(fields, TarShardReader.Key), [], [question], One(fields, "answer"), One(fields, "answer_type"), fields.Media)
        : new AnnotationRow(One(fields, TarShardReader.Key), [], fields["caption"], Media: fields.Media));

    /// <summary>The schemas that are told by their columns.</summary>
    public static IReadOnlyList<AnnotationSchema> Named { get; } = [Webvid, QuestionAnswer, Retrieval, Images];

    /// <summary>The schema whose columns are all there, or null.</summary>
    public static AnnotationSchema? Of(IReadOnlyCollection<string> columns) => Named.FirstOrDefault(schema => schema.Required.All(columns.Contains));

    /// <summary>What is wrong with a row's values, or null.</summary>
    public string? ProblemOf(AnnotationFields fields)
    {
        if (fields.Problem is not null) return fields.Problem;
        foreach (string name in Required)
        {
            IReadOnlyList<string> values = fields[name];
            if (values.Count == 0) return $"it has no \"{name}\"";
            if (values.All(string.IsNullOrWhiteSpace)) return $"its \"{name}\" is empty";
        }
        return null;
    }

    /// <summary>Says which columns are lacking, with the nearest spellings among those that are there.</summary>
    public string Lacking(IReadOnlyCollection<string> columns) => string.Join("; ", Required.Where(name => !columns.Contains(name)).Select(name =>
        $"\"{name}\" is lacking" + (Spelling.Nearest(name, columns) is { } nearest ? $" (is \"{nearest}\" meant?)" : "")));

    private static string One(AnnotationFields fields, string name) => fields[name] is [var value, ..] ? value.Trim() : "";
}
