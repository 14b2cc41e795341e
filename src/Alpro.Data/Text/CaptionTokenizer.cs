using System.Buffers;
using Microsoft.ML.Tokenizers;

namespace Alpro.Data.Text;

/// <summary>
/// Captions to token ids as <c>bert-base-uncased</c> makes them (paper section 3.1): cleaned, lower case, accents stripped. They are split
/// at spaces, punctuation and ideographs, then into word pieces. Safe to use from several threads at once.
/// </summary>
public sealed class CaptionTokenizer
{
    private readonly WordPieceTokenizer _wordPieces;
    private readonly Lazy<IReadOnlyDictionary<int, string>> _pieces;

    /// <summary>A tokenizer over the word pieces of a vocabulary file.</summary>
    /// <exception cref="DataException">The vocabulary cannot be used; the message says why.</exception>
    public CaptionTokenizer(string vocabularyPath)
    {
        var vocabulary = Vocabulary.Load(vocabularyPath);
        VocabularySize = vocabulary.Size;
        _pieces = new(() => vocabulary.Pieces);
        PadId = vocabulary["[PAD]"];
        UnknownId = vocabulary[Vocabulary.Unknown];
        ClassId = vocabulary["[CLS]"];
        SeparatorId = vocabulary["[SEP]"];
        MaskId = vocabulary["[MASK]"];
        _wordPieces = WordPieceTokenizer.Create(vocabularyPath, new WordPieceOptions
        {
            UnknownToken = Vocabulary.Unknown,
            PreTokenizer = new SpaceSplitter(),
            // Counted in UTF-16 units here; the basic tokenizer has already counted the code points.
            MaxInputCharsPerWord = 2 * BasicTokenizer.MaxWordLength,
        });
    }

    /// <summary>Number of word pieces, V.</summary>
    public int VocabularySize { get; }

    /// <summary>Id of [PAD].</summary>
    public int PadId { get; }

    /// <summary>Id of [UNK].</summary>
    public int UnknownId { get; }

    /// <summary>Id of [CLS].</summary>
    public int ClassId { get; }

    /// <summary>Id of [SEP].</summary>
    public int SeparatorId { get; }

    /// <summary>Id of [MASK].</summary>
    public int MaskId { get; }

    /// <summary>The piece of an id, as the vocabulary spells it: one that goes on a word begins with ##.</summary>
    public string PieceOf(int id) => _pieces.Value.GetValueOrDefault(id, Vocabulary.Unknown);

    /// <summary>Whether an id is one of the tokens that are not words.</summary>
    public bool IsSpecial(int id) => id == PadId || id == UnknownId || id == ClassId || id == SeparatorId || id == MaskId;

    /// <summary>
    /// The words of a text that the vocabulary does not know, each once. They become [UNK], or are spelt letter by letter (but for an
    /// ending, maybe), and say nothing to a model.
    /// </summary>
    public IReadOnlyList<string> UnknownWords(string text)
    {
        char[] words = new char[BasicTokenizer.OutputBound(text.Length, text.Length)];
        string[] clean = new string(words, 0, BasicTokenizer.Tokenize(text, text.Length, words))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return [.. clean.Distinct().Where(IsUnknown)];

        bool IsUnknown(string word)
        {
            IReadOnlyList<int> pieces = _wordPieces.EncodeToIds(word);
            return word != Vocabulary.Unknown && (pieces.Contains(UnknownId) || (word.Length > 2 && pieces.Count > word.Length / 2 + 1));
        }
    }

    /// <summary>
    /// Encodes a text as [CLS] pieces [SEP] [PAD] …: a text that is too long loses its last pieces, never its [SEP]. Costs what the pieces
    /// that fit cost, however long the text is.
    /// </summary>
    /// <param name="text">Any text.</param>
    /// <param name="ids_L">Receives L = its length ids; at least 2.</param>
    /// <returns>How many ids are not padding.</returns>
    public int Encode(ReadOnlySpan<char> text, Span<int> ids_L)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(ids_L.Length, 2, nameof(ids_L));
        int room = ids_L.Length - 2;
        char[] words = ArrayPool<char>.Shared.Rent(BasicTokenizer.OutputBound(text.Length, room));
        int length = BasicTokenizer.Tokenize(text, room, words);
        IReadOnlyList<int> pieces = _wordPieces.EncodeToIds(words.AsSpan(0, length));
        ArrayPool<char>.Shared.Return(words);

        int count = Math.Min(pieces.Count, room);
        ids_L[0] = ClassId;
        for (int i = 0; i < count; i++) ids_L[1 + i] = pieces[i];
        ids_L[1 + count] = SeparatorId;
        ids_L[(count + 2)..].Fill(PadId);
        return count + 2;
    }

    /// <summary>Words are where the basic tokenizer put single spaces.</summary>
    private sealed class SpaceSplitter : PreTokenizer
    {
        public override IEnumerable<(int Offset, int Length)> PreTokenize(ReadOnlySpan<char> text) => PreTokenize(text.ToString());

        public override IEnumerable<(int Offset, int Length)> PreTokenize(string text)
        {
            for (int start = 0, end; start < text.Length; start = end + 1)
            {
                end = text.IndexOf(' ', start);
                if (end < 0) end = text.Length;
                yield return (start, end - start);
            }
        }
    }
}
