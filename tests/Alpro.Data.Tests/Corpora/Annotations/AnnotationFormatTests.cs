using System.Text.Json;
using Alpro.Data.Corpora;
using Alpro.Data.Corpora.Annotations;

namespace Alpro.Data.Tests.Corpora.Annotations;

public class AnnotationFormatTests
{
    [Fact]
    public void Formats_are_written_by_name_and_read_back()
    {
        Assert.Equal(AnnotationFormat.All.Count, AnnotationFormat.All.DistinctBy(format => format.Name).Count());
        foreach (AnnotationFormat format in AnnotationFormat.All)
        {
            string json = JsonSerializer.Serialize(new CorpusConfig { Name = "a", Annotations = "a", Format = format });
            Assert.Contains($"\"{format.Name}\"", json, StringComparison.Ordinal);
            Assert.Same(format, JsonSerializer.Deserialize<CorpusConfig>(json)!.Format);
        }
    }

    [Theory]
    [InlineData("\"webvid\"")]
    [InlineData("1")]
    public void What_is_no_format_is_refused(string json) =>
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<AnnotationFormat>(json));

    [Fact]
    public void Columns_tell_the_format_wherever_they_come_from()
    {
        Assert.Same(AnnotationFormat.QuestionAnswerJsonl.Columns,
            AnnotationFormat.ColumnsAmong(["answer", "video_id", "question", "more"]));
        Assert.Same(AnnotationFormat.WebvidCsv.Columns, AnnotationFormat.ColumnsAmong(["videoid", "name", "image", "caption"]));
        Assert.Null(AnnotationFormat.ColumnsAmong(["caption", "url"]));           // a row of a TSV is known by its number
    }
}
