using System.Formats.Tar;
using System.Text;
using Alpro.Data.Corpus;
using Alpro.Data.Sampling;
using Parquet;
using Parquet.Schema;

namespace Alpro.Data.Tests.Corpus;

public sealed class AnnotationFuzzTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("a.csv", CorpusFormat.WebvidCsv)]
    [InlineData("a.tsv", CorpusFormat.Cc3mTsv)]
    [InlineData("a.json", CorpusFormat.Cc3mJson)]
    [InlineData("a.jsonl", CorpusFormat.RetrievalJsonl)]
    [InlineData("a.parquet", CorpusFormat.Parquet)]
    [InlineData("a.tar", CorpusFormat.Tar)]
    public async Task A_mutated_annotation_file_opens_with_every_row_accounted_for_or_is_refused(string name, CorpusFormat format)
    {
        byte[] good = await Content(format);
        var random = new SeededRandom((ulong)format);
        int opened = 0, refused = 0;
        for (int round = 0; round < 200; round++)
        {
            File.WriteAllBytes(_folder.File(name), format == CorpusFormat.Parquet ? MutateBody(good, ref random) : Mutate(good, ref random));
            try
            {
                using VideoTextCorpus corpus = VideoTextCorpus.Open(new CorpusConfig { Name = "fuzz", Annotations = name, Format = format, Missing = MissingMedia.Lazy }, _folder.Path);
                Assert.Equal(corpus.Coverage.Usable, corpus.Count);
                for (long row = 0; row < corpus.Count; row++) Assert.NotEmpty(corpus[row].Captions[0]);
                opened++;
            }
            catch (CorpusException)
            {
                refused++;
            }
        }
        Assert.Equal(200, opened + refused);
        Assert.True(opened > 0, "every mutation was refused");
    }

    /// <summary>Flips, removes, repeats or inserts bytes at a few places.</summary>
    private static byte[] Mutate(byte[] good, ref SeededRandom random)
    {
        List<byte> bytes = [.. good];
        for (int changes = 1 + random.NextInt32(4); changes > 0 && bytes.Count > 8; changes--)
        {
            int at = random.NextInt32(bytes.Count), length = Math.Min(1 + random.NextInt32(20), bytes.Count - at);
            switch (random.NextInt32(5))
            {
                case 0: bytes[at] = (byte)random.NextUInt64(); break;
                case 1: bytes.RemoveRange(at, length); break;
                case 2: bytes.InsertRange(at, bytes.GetRange(at, length)); break;
                case 3: bytes.Insert(at, "\",\n{}[]\\\0\t\r"u8[random.NextInt32(10)]); break;
                default: bytes.RemoveRange(at, random.NextInt32(4) == 0 ? bytes.Count - at : length); break;
            }
        }
        return [.. bytes];
    }

    /// <summary>Overwrites bytes before the footer of a parquet file: Parquet.Net never returns from some damage of the footer.</summary>
    private static byte[] MutateBody(byte[] good, ref SeededRandom random)
    {
        byte[] bytes = [.. good];
        int footer = bytes.Length - 8 - BitConverter.ToInt32(bytes, bytes.Length - 8);
        for (int changes = 1 + random.NextInt32(2); changes > 0; changes--) bytes[4 + random.NextInt32(footer - 4)] = (byte)random.NextUInt64();
        return bytes;
    }

    private static async Task<byte[]> Content(CorpusFormat format)
    {
        var stream = new MemoryStream();
        switch (format)
        {
            case CorpusFormat.WebvidCsv:
                return Encoding.UTF8.GetBytes("videoid,name,page_dir\n" + string.Concat(Enumerable.Range(0, 30).Select(i => $"{i},\"caption {i}, \"\"quoted\"\"\",p{i % 3}\n")));
            case CorpusFormat.Cc3mTsv:
                return Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(0, 30).Select(i => $"caption {i}\thttp://example.invalid/{i}\n")));
            case CorpusFormat.Cc3mJson:
                return Encoding.UTF8.GetBytes("[" + string.Join(",\n", Enumerable.Range(0, 30).Select(i => $$"""{"image": "{{i}}.jpg", "caption": ["é {{i}}", "with \"quotes\" and {braces}"]}""")) + "]");
            case CorpusFormat.RetrievalJsonl:
                return Encoding.UTF8.GetBytes(string.Join("\n", Enumerable.Range(0, 30).Select(i => $$"""{"clip_name": "{{i}}", "caption": "caption \u00e9 {{i}}"}""")));
            case CorpusFormat.Parquet:
                DataField id = new DataField<string>("videoid"), name = new DataField<string>("name");
                await using (var writer = await ParquetWriter.CreateAsync(new ParquetSchema(id, name), stream))
                {
                    using ParquetRowGroupWriter rows = writer.CreateRowGroup();
                    await rows.WriteAsync(id, (string[])[.. Enumerable.Range(0, 30).Select(i => $"{i}")]);
                    await rows.WriteAsync(name, (string[])[.. Enumerable.Range(0, 30).Select(i => $"caption {i}")]);
                }
                return stream.ToArray();
            default:
                using (var tar = new TarWriter(stream, leaveOpen: true))
                {
                    for (int i = 0; i < 10; i++)
                    {
                        tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, $"{i}.mp4") { DataStream = new MemoryStream([1, 2, 3]) });
                        tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, $"{i}.txt") { DataStream = new MemoryStream("a caption"u8.ToArray()) });
                    }
                }
                return stream.ToArray();
        }
    }
}
