namespace Alpro.Data.Synthetic;

/// <summary>
/// A WordPiece vocabulary for the synthetic world: the special pieces, letters and digits that spell any word, and the world's own words.
/// </summary>
internal static class SyntheticVocabulary
{
    private const string Letters = "abcdefghijklmnopqrstuvwxyz0123456789";
    private const string Marks = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

    private static readonly string[] _words =
    [
        "a", "the", "of", "on", "over", "in", "front", "with", "video", "photo", "background",
        "move", "moves", "moving", "stay", "stays", "staying", "nowhere",
        "what", "how", "where", "many", "is", "are", "there", "does", "do", "look", "like", "big", "shape", "color", "colour",
        "footage", "portrait", "picture", "good", "one",
    ];

    /// <summary>The pieces in the order of their ids; [PAD] is 0.</summary>
    public static IReadOnlyList<string> Pieces { get; } =
    [
        "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]",
        .. Marks.Select(mark => mark.ToString()),
        .. Letters.Select(letter => letter.ToString()),
        .. Letters.Select(letter => "##" + letter), "##es",
        .. _words.Concat(SyntheticScene.Shapes).Concat(SyntheticScene.Colors).Concat(SyntheticScene.Motions).Concat(SyntheticScene.Counts)
            .Concat(SyntheticScene.Sizes).Concat(SyntheticScene.Patterns).Concat(SyntheticScene.Grounds).Distinct()
            .Where(word => word.Length > 1),
    ];
}
