using Alpro.Data.Text;

namespace Alpro.Data.Tests.Text;

public sealed class WordPieceTrainerTests
{
    private static readonly string[] _captions =
    [
        "A dog is running.", "a dog runs", "The dogs are running", "two dogs run; a cat is sitting", "a cat sits", "Cats sit", "café café",
    ];

    [Fact]
    public void Pieces_begin_with_the_special_ones_and_characters_and_go_on_with_common_pieces()
    {
        IReadOnlyList<string> pieces = WordPieceTrainer.Train(_captions, 140);
        Assert.Equal(Vocabulary.SpecialTokens, pieces.Take(5));
        Assert.Equal(pieces.Count, pieces.Distinct().Count());
        Assert.InRange(pieces.Count, 110, 140);
        Assert.Superset(new HashSet<string> { "dog", "run", "##s" }, pieces.ToHashSet());
    }

    [Fact]
    public void The_order_of_captions_does_not_matter() =>
        Assert.Equal(WordPieceTrainer.Train(_captions, 130), WordPieceTrainer.Train(_captions.Reverse(), 130));

    [Fact]
    public void A_tokenizer_reads_them_and_spells_what_it_has_not_met()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllLines(folder.File("vocab.txt"), WordPieceTrainer.Train(_captions.Append("中文 中文"), 200));
        var tokenizer = new CaptionTokenizer(folder.File("vocab.txt"));
        Assert.Equal(5, Count("dog cat running"));
        Assert.DoesNotContain(tokenizer.UnknownId, Encode("zebra #42 中 dogs' (sit)"));
        Assert.Contains(tokenizer.UnknownId, Encode("ж"));

        int Count(string text) => tokenizer.Encode(text, new int[40]);

        int[] Encode(string text)
        {
            int[] ids = new int[40];
            return ids[..tokenizer.Encode(text, ids)];
        }
    }

    [Fact]
    public void A_vocabulary_that_has_no_room_for_the_characters_is_refused() =>
        Assert.StartsWith("The captions have ", Assert.Throws<DataException>(() => WordPieceTrainer.Train(_captions, 50)).Message,
            StringComparison.Ordinal);

    [Fact]
    public void Answers_are_the_commonest_and_of_equals_the_first_given()
    {
        IReadOnlyList<string> answers = AnswerList.Commonest(["man", "dog", "cat", "dog", "café", "man", "dog"], 3);
        Assert.Equal(["dog", "man", "cat"], answers);
        Assert.Equal("""{"dog":0,"man":1,"cat":2}""", AnswerList.ToJson(answers));
    }
}
