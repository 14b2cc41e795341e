using Alpro.Data.Corpus;
using Alpro.Data.Sampling;
using Alpro.Tests.Support.Fuzz;

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
        byte[] good = await FuzzSamples.OfAsync(format);
        var random = new SeededRandom((ulong)format);
        int opened = 0, refused = 0;
        for (int round = 0; round < 200; round++)
        {
            File.WriteAllBytes(_folder.File(name), FuzzSamples.Mutate(good, ref random));
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
}
