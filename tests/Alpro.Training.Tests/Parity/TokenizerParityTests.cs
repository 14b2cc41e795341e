using Alpro.Training.Parity;

namespace Alpro.Training.Tests.Parity;

public sealed class TokenizerParityTests
{
    [SharedFact]
    public void All_golden_texts_are_equal()
    {
        ParityRow row = TokenizerParity.Compare(Path.Combine(Locations.Shared, "golden", "tokenizer", "cases.jsonl"),
            Path.Combine(Locations.Shared, "data", "bert-base-uncased", "vocab.txt"));
        Assert.True(row.Passed, row.Detail);
        Assert.Equal(1087, row.Cases);
    }

    [Fact]
    public void A_text_with_other_ids_fails_the_row()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.File("tokenizer"));
        File.WriteAllText(folder.File("vocab.txt"), "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nman\n");
        File.WriteAllText(folder.File("tokenizer/cases.jsonl"), """
            {"text": "man", "ids": [2, 5, 3]}
            {"text": "Man man", "ids": [2, 5, 3]}

            """);
        ParityRow row = TokenizerParity.Compare(Path.Combine(folder.Path, "tokenizer", "cases.jsonl"), folder.File("vocab.txt"));
        Assert.False(row.Passed);
        Assert.Equal("1 texts differ; the first, 'Man man': 2 5 5 3, not 2 5 3", row.Detail);
    }
}
