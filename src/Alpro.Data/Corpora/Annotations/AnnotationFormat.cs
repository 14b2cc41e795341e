using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Alpro.Data.Media;

namespace Alpro.Data.Corpora.Annotations;

/// <summary>
/// A format of annotations: its name in a configuration, the container it comes in, and its columns. A new format is an entry here and its
/// place in <see cref="All"/>. Where its file is of a new kind, an <see cref="AnnotationContainer"/> too.
/// </summary>
[JsonConverter(typeof(ByName))]
public sealed class AnnotationFormat
{
    /// <summary>Told from the file: its container from its name and first bytes, its columns from those that are there.</summary>
    public static AnnotationFormat Auto { get; } = new("auto", null, null);

    /// <summary>WebVid's CSV: the video <c>videoid.mp4</c> lies flat or in its page's folder.</summary>
    public static AnnotationFormat WebvidCsv { get; } = new("webvid-csv", AnnotationContainer.Csv,
        new(["videoid", "name"], ["page_dir"], MediaKind.Video, ".mp4", static (fields, _, extension) =>
        {
            string id = One(fields, "videoid"), page = One(fields, "page_dir");
            string[] paths = page.Length == 0 ? [id + extension] : [$"{page}/{id}{extension}", id + extension];
            return new(id, paths, fields["name"]);
        }));

    /// <summary>CC3M as the reference prepared it: the image's path and one or more captions.</summary>
    public static AnnotationFormat Cc3mJson { get; } = new("cc3m-json", AnnotationContainer.Json,
        new(["image", "caption"], [], MediaKind.Image, "", static (fields, _, _) =>
            new(One(fields, "image"), [One(fields, "image")], fields["caption"])));

    /// <summary>CC3M as published: images named by row number, from 0, plain or padded to eight or nine digits.</summary>
    public static AnnotationFormat Cc3mTsv { get; } = new("cc3m-tsv", AnnotationContainer.Tsv,
        new(["caption", "url"], [], MediaKind.Image, ".jpg", static (fields, number, extension) =>
        {
            string row = number.ToString(CultureInfo.InvariantCulture);
            return new(row, [row + extension, row.PadLeft(8, '0') + extension, row.PadLeft(9, '0') + extension], fields["caption"]);
        }));

    /// <summary>Retrieval: a clip and what is said about it; the video is <c>clip_name.mp4</c>.</summary>
    public static AnnotationFormat RetrievalJsonl { get; } = new("retrieval-jsonl", AnnotationContainer.Json,
        new(["clip_name", "caption"], [], MediaKind.Video, ".mp4", static (fields, _, extension) =>
            new(One(fields, "clip_name"), [One(fields, "clip_name") + extension], fields["caption"])));

    /// <summary>Question answering; the video is <c>video_id.mp4</c>.</summary>
    public static AnnotationFormat QuestionAnswerJsonl { get; } = new("question-answer-jsonl", AnnotationContainer.Json,
        new(["video_id", "question", "answer"], ["answer_type"], MediaKind.Video, ".mp4", static (fields, _, extension) =>
        {
            string id = One(fields, "video_id");
            return new(id, [id + extension], fields["question"], One(fields, "answer"), One(fields, "answer_type"));
        }));

    /// <summary>A parquet file with the columns of any of the others.</summary>
    public static AnnotationFormat Parquet { get; } = new("parquet", AnnotationContainer.Parquet, null);

    /// <summary>A folder or glob of tar shards, whose members of one key make a row. The first media file tells their kind.</summary>
    public static AnnotationFormat Tar { get; } = new("tar", AnnotationContainer.Tar, null);

    /// <summary>All formats; of two whose columns are all there, the earlier one is meant.</summary>
    public static IReadOnlyList<AnnotationFormat> All { get; } =
        [Auto, WebvidCsv, QuestionAnswerJsonl, RetrievalJsonl, Cc3mJson, Cc3mTsv, Parquet, Tar];

    private AnnotationFormat(string name, AnnotationContainer? container, AnnotationColumns? columns) =>
        (Name, Container, Columns) = (name, container, columns);

    /// <summary>The name in <c>data.corpora[].format</c>.</summary>
    public string Name { get; }

    /// <summary>The container; null where the file tells.</summary>
    internal AnnotationContainer? Container { get; }

    /// <summary>The columns; null where the file tells.</summary>
    internal AnnotationColumns? Columns { get; }

    /// <summary>The columns by which a file is recognised. A row of a TSV is known by its number, so no other file can hold it.</summary>
    internal static IReadOnlyList<AnnotationColumns> Recognisable { get; } =
        [.. All.Where(format => format.Container != AnnotationContainer.Tsv).Select(format => format.Columns).OfType<AnnotationColumns>()];

    /// <summary>The columns of the first format whose required ones are all there, or null.</summary>
    internal static AnnotationColumns? ColumnsAmong(IReadOnlyCollection<string> names) =>
        Recognisable.FirstOrDefault(columns => columns.Required.All(names.Contains));

    /// <summary>The format of a container that no other format has; null where there are several.</summary>
    internal static AnnotationFormat? OnlyOneOf(AnnotationContainer container) =>
        All.Where(format => format.Container == container).ToArray() is [var only] ? only : null;

    /// <summary>The format of that name, in whatever case, or null.</summary>
    public static AnnotationFormat? Named(string name) =>
        All.FirstOrDefault(format => format.Name.Equals(name, StringComparison.OrdinalIgnoreCase));

    /// <inheritdoc/>
    public override string ToString() => Name;

    /// <summary>The first value of a column, trimmed; empty where there is none.</summary>
    internal static string One(AnnotationFields fields, string name) => fields[name] is [var value, ..] ? value.Trim() : "";

    private sealed class ByName : JsonConverter<AnnotationFormat>
    {
        public override AnnotationFormat Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options) =>
            (reader.TokenType == JsonTokenType.String ? Named(reader.GetString()!) : null)
            ?? throw new JsonException("it is not a format of annotations");

        public override void Write(Utf8JsonWriter writer, AnnotationFormat value, JsonSerializerOptions options) =>
            writer.WriteStringValue(value.Name);
    }
}
