using Alpro.Data.Corpora;
using Alpro.Data.Corpora.Annotations;
using Alpro.Data.Sampling;
using Alpro.Tests.Support.Fuzz;

namespace Alpro.Data.Tests.Corpora.Annotations;

public sealed class AnnotationFuzzTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("a.csv", "webvid-csv")]
    [InlineData("a.tsv", "cc3m-tsv")]
    [InlineData("a.json", "cc3m-json")]
    [InlineData("a.jsonl", "retrieval-jsonl")]
    [InlineData("a.parquet", "parquet")]
    [InlineData("a.tar", "tar")]
    public async Task A_mutated_annotation_file_opens_with_every_row_accounted_for_or_is_refused(string name, string formatName)
    {
        AnnotationFormat format = AnnotationFormat.Named(formatName)!;
        byte[] good = await FuzzSamples.OfAsync(format);
        var random = new SeededRandom((ulong)formatName.Length);
        int opened = 0, refused = 0;
        for (int round = 0; round < 200; round++)
        {
            File.WriteAllBytes(_folder.File(name), FuzzSamples.Mutate(good, ref random));
            try
            {
                using VideoTextCorpus corpus = VideoTextCorpus.Open(new CorpusConfig
                {
                    Name = "fuzz",
                    Annotations = name,
                    Format = format,
                    Missing = MissingMedia.Lazy,
                }, _folder.Path);
                Assert.Equal(corpus.Coverage.Usable, corpus.Count);
                for (long row = 0; row < corpus.Count; row++) Assert.NotEmpty(corpus[row].Captions[0]);
                opened++;
            }
            catch (DataException)
            {
                refused++;
            }
        }
        Assert.Equal(200, opened + refused);
        Assert.True(opened > 0, "every mutation was refused");
    }

    public static TheoryData<string, byte[], string> Harmful { get; } = new()
    {
        { "no end", [0x15, .. Enumerable.Repeat((byte)0xFF, 64)], "has no end" },
        { "behind the end", [0x15], "is cut off" },
        { "a list of two thousand million", [0x29, 0xFC, 0xFF, 0xFF, 0xFF, 0xFF, 0x07], "is cut off" },
        { "a structure in place of a number", [0x1C, 0, 0], "something of type 12 in place of int" },
        // Each element has the next one as its child.
        { "a deep schema", [0x29, 0xFC, 0xA0, 0x8D, 0x06,
        .. Enumerable.Range(0, 100_000).SelectMany(_ => (byte[])[0x48, 1, (byte)'a', 0x15, 2, 0]), 0], "a very deep one" },
    };

    [Theory]
    [MemberData(nameof(Harmful), DisableDiscoveryEnumeration = true)]
    public void Parquet_footers_made_to_harm_are_refused_at_once(string what, byte[] footer, string reason)
    {
        File.WriteAllBytes(_folder.File("a.parquet"), [.. "PAR1"u8, .. footer, .. BitConverter.GetBytes(footer.Length), .. "PAR1"u8]);
        long began = Environment.TickCount64;
        string message = Assert.Throws<DataException>(
            () => VideoTextCorpus.Open(new CorpusConfig { Name = what, Annotations = "a.parquet" }, _folder.Path)).Message;
        Assert.Contains(reason, message, StringComparison.Ordinal);
        Assert.InRange(Environment.TickCount64 - began, 0, 2000);
    }
}
