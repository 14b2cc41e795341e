using Alpro.Data.Corpora;
using Alpro.Data.Corpora.Annotations;
using Alpro.Data.Media;
using Parquet;
using Parquet.Schema;

namespace Alpro.Data.Tests.Corpora.Annotations;

/// <summary>Annotation files with columns of their own, which the configuration explains.</summary>
public sealed class CorpusColumnsTests : IDisposable
{
    private static readonly CorpusColumns _columns = new() { Media = "file", Caption = "text" };

    private readonly TemporaryFolder _folder = new();

    public CorpusColumnsTests()
    {
        foreach (string name in (string[])["a.mp4", "b.mp4", "c.jpg"]) File.WriteAllText(_folder.File(name), "x");
    }

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("x.csv", "more,text,file\n1,\"one, two\",a.mp4\n2,three,b.mp4\n")]
    [InlineData("x.tsv", "text\tfile\none, two\ta.mp4\nthree\tb.mp4\n")]
    [InlineData("x.json", "[{\"file\": \"a.mp4\", \"text\": \"one, two\"}, {\"file\": \"b.mp4\", \"text\": [\"three\", \"four\"]}]")]
    [InlineData("x.jsonl", "{\"file\": \"a.mp4\", \"text\": \"one, two\"}\n{\"file\": \"b.mp4\", \"text\": \"three\"}\n")]
    public void Named_columns_are_read_whatever_the_file(string name, string text)
    {
        File.WriteAllText(_folder.File(name), text);
        using VideoTextCorpus corpus = Open(name, _columns);
        Assert.Equal((2, MediaKind.Video, "a.mp4"), (corpus.Count, corpus.Kind, corpus[0].Key));
        Assert.Equal(("one, two", "three", _folder.File("b.mp4")), (corpus[0].Captions[0], corpus[1].Captions[0], corpus[1].Media.Path));
    }

    [Fact]
    public async Task Named_columns_of_parquet_are_read()
    {
        DataField<string> file = new("file"), text = new("text");
        await using (FileStream stream = File.Create(_folder.File("x.parquet")))
        await using (var writer = await ParquetWriter.CreateAsync(new ParquetSchema(file, text), stream))
        {
            using ParquetRowGroupWriter rows = writer.CreateRowGroup();
            await rows.WriteAsync(file, new string[] { "a.mp4", "b.mp4" });
            await rows.WriteAsync(text, new string[] { "one", "two" });
        }
        using VideoTextCorpus corpus = Open("x.parquet", _columns);
        Assert.Equal((2, "two"), (corpus.Count, corpus[1].Captions[0]));
    }

    [Theory]
    [InlineData("x.tsv", "one\thttp://somewhere\ta\ntwo\thttp://else\tb\n")]
    [InlineData("x.csv", "one,http://somewhere,a\ntwo,\"http://else\",b\n")]
    public void Columns_of_a_file_without_a_header_have_numbers_and_an_extension_is_added(string name, string text)
    {
        File.WriteAllText(_folder.File(name), text);
        using VideoTextCorpus corpus = Open(name, new() { Media = "3", Caption = "1" }, config => config with { MediaExtension = ".mp4" });
        Assert.Equal((2, "a", "two"), (corpus.Count, corpus[0].Key, corpus[1].Captions[0]));
    }

    [Fact]
    public void Questions_have_answers_and_the_first_file_tells_what_the_media_are()
    {
        File.WriteAllText(_folder.File("x.csv"), "file,id,ask,say,kind\nc.jpg,7,what is it?,a cat,what\nc.jpg,7,who is it?,Tom,who\n");
        CorpusColumns columns = new() { Media = "file", Caption = "ask", Key = "id", Answer = "say", AnswerType = "kind" };
        using VideoTextCorpus corpus = Open("x.csv", columns);
        Assert.Equal((2, MediaKind.Image, "7"), (corpus.Count, corpus.Kind, corpus[1].Key));
        Assert.Equal(("what is it?", "a cat", "what"), (corpus[0].Captions[0], corpus[0].Answer, corpus[0].AnswerType));
    }

    [Fact]
    public void A_column_that_is_not_there_is_named_with_what_the_file_has()
    {
        File.WriteAllText(_folder.File("x.csv"), "flie,text\na.mp4,one\n");
        Assert.Equal($"corpus own: {_folder.File("x.csv")} has the columns flie, text; expected file, text: \"file\" is lacking "
            + "(is \"flie\" meant?)", Assert.Throws<DataException>(() => Open("x.csv", _columns)).Message);
        File.WriteAllText(_folder.File("y.csv"), "path,words\na.mp4,one\n");
        Assert.EndsWith("; set \"columns\" where yours have other names",
            Assert.Throws<DataException>(() => Open("y.csv", null)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Other_columns_of_the_same_file_have_an_index_of_their_own()
    {
        File.WriteAllText(_folder.File("x.csv"), "file,text,more\na.mp4,one,two\n");
        foreach (string caption in (string[])["text", "more", "text"])
        {
            using VideoTextCorpus corpus = Open("x.csv", _columns with { Caption = caption });
            Assert.Equal(caption == "text" ? "one" : "two", corpus[0].Captions[0]);
        }
        Assert.Equal(2, Directory.GetFiles(_folder.File(".alpro-index")).Length);
    }

    private VideoTextCorpus Open(string name, CorpusColumns? columns, Func<CorpusConfig, CorpusConfig>? change = null)
    {
        CorpusConfig config = new() { Name = "own", Annotations = name, Media = ".", Columns = columns };
        return VideoTextCorpus.Open(change is null ? config : change(config), _folder.Path);
    }
}
