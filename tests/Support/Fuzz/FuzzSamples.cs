using System.Formats.Tar;
using System.Text;
using Alpro.Data.Corpora.Annotations;
using Alpro.Data.Sampling;
using Parquet;
using Parquet.Schema;

namespace Alpro.Tests.Support.Fuzz;

/// <summary>Sound annotation files, and what damage makes of a file.</summary>
internal static class FuzzSamples
{
    /// <summary>
    /// Changes, removes, repeats or inserts bytes at a few places; every other file keeps its length, and with it what lies where.
    /// </summary>
    public static byte[] Mutate(byte[] good, ref SeededRandom random)
    {
        List<byte> bytes = [.. good];
        int kinds = random.NextInt32(2) == 0 ? 1 : 5;
        for (int changes = 1 + random.NextInt32(4); changes > 0 && bytes.Count > 8; changes--)
        {
            int at = random.NextInt32(bytes.Count), length = Math.Min(1 + random.NextInt32(20), bytes.Count - at);
            switch (random.NextInt32(kinds))
            {
                case 0: bytes[at] = random.NextInt32(4) == 0 ? (byte)255 : (byte)random.NextUInt64(); break;
                case 1: bytes.RemoveRange(at, length); break;
                case 2: bytes.InsertRange(at, bytes.GetRange(at, length)); break;
                case 3: bytes.Insert(at, "\",\n{}[]\\\0\t\r"u8[random.NextInt32(10)]); break;
                default: bytes.RemoveRange(at, random.NextInt32(4) == 0 ? bytes.Count - at : length); break;
            }
        }
        return [.. bytes];
    }

    /// <summary>A sound annotation file of a format.</summary>
    public static async Task<byte[]> OfAsync(AnnotationFormat format)
    {
        var stream = new MemoryStream();
        switch (format.Name)
        {
            case "webvid-csv":
                return Encoding.UTF8.GetBytes("videoid,name,page_dir\n"
                    + string.Concat(Enumerable.Range(0, 30).Select(i => $"{i},\"caption {i}, \"\"quoted\"\"\",p{i % 3}\n")));
            case "cc3m-tsv":
                return Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(0,
                    30).Select(i => $"caption {i}\thttp://example.invalid/{i}\n")));
            case "cc3m-json":
                return Encoding.UTF8.GetBytes("[" + string.Join(",\n",
                    Enumerable.Range(0,
                    30).Select(i => $$"""{"image": "{{i}}.jpg", "caption": ["é {{i}}", "with \"quotes\" and {braces}"]}""")) + "]");
            case "retrieval-jsonl":
                return Encoding.UTF8.GetBytes(string.Join("\n",
                    Enumerable.Range(0, 30).Select(i => $$"""{"clip_name": "{{i}}", "caption": "caption \u00e9 {{i}}"}""")));
            case "parquet":
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
                        tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile,
                            $"{i}.txt") { DataStream = new MemoryStream("a caption"u8.ToArray()) });
                    }
                }
                return stream.ToArray();
        }
    }
}
