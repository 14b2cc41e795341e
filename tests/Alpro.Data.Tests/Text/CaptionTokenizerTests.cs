using System.Text;
using System.Text.Json;
using Alpro.Data.Text;

namespace Alpro.Data.Tests.Text;

public sealed class CaptionTokenizerTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly CaptionTokenizer _tokenizer;

    public CaptionTokenizerTests() => _tokenizer = new CaptionTokenizer(Vocabularies.WriteSmall(_folder));

    public void Dispose() => _folder.Dispose();

    private string Pieces(string text, int length = 64)
    {
        var ids = new int[length];
        int count = _tokenizer.Encode(text, ids);
        Assert.All(ids[count..], id => Assert.Equal(_tokenizer.PadId, id));
        return string.Join(' ', ids[..count].Select(id => Vocabularies.SmallPieces[id]));
    }

    [Fact]
    public void Words_that_the_vocabulary_does_not_know_are_named()
    {
        string known = Vocabularies.SmallPieces.First(piece => piece.All(char.IsAsciiLetterLower) && piece.Length > 1);
        Assert.Equal(["xqzw", "qqq"], _tokenizer.UnknownWords($"{known} XQZW {known} qqq xqzw"));
        Assert.Empty(_tokenizer.UnknownWords(known));
    }

    [SharedFact]
    public void All_golden_cases_are_equal()
    {
        var tokenizer = new CaptionTokenizer(Vocabularies.Full);
        int cases = 0;
        foreach (string line in File.ReadLines(Path.Combine(Locations.Shared, "golden", "tokenizer", "cases.jsonl")))
        {
            using var golden = JsonDocument.Parse(line);
            string text = golden.RootElement.GetProperty("text").GetString()!;
            int[] expected = [.. golden.RootElement.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32())];
            var ids = new int[expected.Length + 10];
            int count = tokenizer.Encode(text, ids);
            Assert.True(expected.AsSpan().SequenceEqual(ids.AsSpan(0, count)),
                $"'{text}': expected {string.Join(' ', expected)}, got {string.Join(' ', ids[..count])}");
            cases++;
        }
        Assert.True(cases > 1000);
    }

    [Theory]
    [InlineData("A man runs", "[CLS] a man run ##s [SEP]")]
    [InlineData("MAN, dog!running", "[CLS] man , dog ! run ##ning [SEP]")]
    [InlineData("a\tman\r\ndog\u00A0run\u3000a", "[CLS] a man dog run a [SEP]")]
    [InlineData("m\u0000a\uFFFDn\u200Bs d\u00ADog", "[CLS] man ##s dog [SEP]")]
    [InlineData("Café cafe\u0301", "[CLS] cafe cafe [SEP]")]
    [InlineData("man中dog", "[CLS] man 中 dog [SEP]")]
    [InlineData("한", "[CLS] ᄒ ##ᅡ ##ᆫ [SEP]")]
    [InlineData("≠$™", "[CLS] = $ ™ [SEP]")]
    [InlineData("™", "[CLS] ™ [SEP]")]
    [InlineData("cat", "[CLS] [UNK] [SEP]")]
    [InlineData("", "[CLS] [SEP]")]
    [InlineData(" \n\t ", "[CLS] [SEP]")]
    [InlineData("man[MASK]dog [SEP] a", "[CLS] man [MASK] dog [SEP] a [SEP]")]
    [InlineData("[mask] [MASK", "[CLS] [UNK] [UNK] [UNK] [UNK] [UNK] [SEP]")]
    [InlineData("\U0001F600man \U0001F600", "[CLS] [UNK] [UNK] [SEP]")]
    [InlineData("\uFE0Fman\u20DD", "[CLS] [UNK] [SEP]")]
    public void Text_is_cleaned_and_split_as_bert_does(string text, string expected) => Assert.Equal(expected, Pieces(text));

    [Fact]
    public void Half_a_surrogate_pair_is_dropped() => Assert.Equal("[CLS] man dog [SEP]", Pieces("man \uD83D dog\uDE00"));

    [Fact]
    public void A_word_of_more_than_a_hundred_code_points_is_unknown()
    {
        Assert.Equal("[CLS] run" + string.Concat(Enumerable.Repeat(" ##s", 97)) + " [SEP]", Pieces("run" + new string('s', 97), 128));
        Assert.Equal("[CLS] [UNK] dog [SEP]", Pieces("run" + new string('s', 98) + " dog", 128));
    }

    [Fact]
    public void A_long_text_keeps_its_separator()
    {
        Assert.Equal("[CLS] a man run [SEP]", Pieces("a man runs dog", 5));
        Assert.Equal("[CLS] [SEP]", Pieces("a man", 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => _tokenizer.Encode("a", new int[1]));
    }

    [Fact]
    public void A_caption_of_a_hundred_kilobytes_costs_what_fits()
    {
        string words = string.Concat(Enumerable.Repeat("a man runs! ", 9000)), word = new('x', 100_000);
        var ids = new int[30];
        _tokenizer.Encode(words, ids);
        _tokenizer.Encode(word, ids);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Equal(30, _tokenizer.Encode(words, ids));
        Assert.Equal(3, _tokenizer.Encode(word, ids));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 4000);
    }

    [Fact]
    public void Any_bytes_make_some_tokens()
    {
        var random = new Alpro.Data.Sampling.SeededRandom(7);
        for (int round = 0; round < 3000; round++)
        {
            var text = new StringBuilder();
            for (int i = random.NextInt32(60); i >= 0; i--)
                text.Append(round % 2 == 0 ? (char)random.NextInt32(0x10000) : (char)random.NextInt32(0x180));
            var ids = new int[2 + random.NextInt32(300)];
            int count = _tokenizer.Encode(text.ToString(), ids);
            Assert.InRange(count, 2, ids.Length);
            Assert.Equal(_tokenizer.SeparatorId, ids[count - 1]);
        }
    }

    [Fact]
    public void A_faulty_vocabulary_is_refused_with_its_fault()
    {
        string path = _folder.File("other.txt");
        Assert.Contains("cannot be read", Assert.Throws<DataException>(() => new CaptionTokenizer(path)).Message, StringComparison.Ordinal);
        File.WriteAllLines(path, ["<html>", "[PAD]", "[CLS]"]);
        Assert.Contains("[UNK], [SEP], [MASK] is not among its 3 lines",
            Assert.Throws<DataException>(() => new CaptionTokenizer(path)).Message, StringComparison.Ordinal);
        File.WriteAllLines(path, [.. Vocabularies.SmallPieces, "dog"]);
        Assert.Contains("line 25 repeats the word piece 'dog' of line 8",
            Assert.Throws<DataException>(() => new CaptionTokenizer(path)).Message, StringComparison.Ordinal);
    }
}
