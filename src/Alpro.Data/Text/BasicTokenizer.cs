using System.Text;

namespace Alpro.Data.Text;

/// <summary>
/// BERT's basic tokenizer: raw text to clean words, lower case and without accents, each punctuation mark and ideograph a word of its
/// own. Writes the words with single spaces between them, for the word-piece tokenizer to look up.
/// </summary>
internal ref struct BasicTokenizer
{
    /// <summary>Longer words are unknown without a look-up, counted in code points.</summary>
    public const int MaxWordLength = 100;

    private readonly Span<char> _output;
    private int _length, _wordStart, _wordLength, _words;

    private BasicTokenizer(Span<char> output) => _output = output;

    /// <summary>
    /// Characters of output that the first <paramref name="maxWords"/> words of a text of <paramref name="length"/> characters can need.
    /// </summary>
    public static int OutputBound(int length, int maxWords)
    {
        // A word is at most MaxWordLength pairs of surrogates and a space. A character makes at most three and a space. The last character
        // or special token that is looked at may end one word and be another.
        long byWords = maxWords * (2L * MaxWordLength + 1), byLength = 4L * length;
        return checked((int)Math.Min(byWords, byLength)) + 16;
    }

    /// <summary>Writes the first words of a text and returns the length of what was written.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="maxWords">Words after which the rest of the text is not looked at.</param>
    /// <param name="output">Room of <see cref="OutputBound"/> characters.</param>
    public static int Tokenize(ReadOnlySpan<char> text, int maxWords, Span<char> output)
    {
        var words = new BasicTokenizer(output);
        while (!text.IsEmpty && words._words < maxWords) text = text[words.Take(text)..];
        words.EndWord();
        return words._length;
    }

    /// <summary>Handles the first character or special token of the text and returns how many characters it was.</summary>
    private int Take(ReadOnlySpan<char> text)
    {
        if (text[0] == '[' && SpecialTokenAt(text) is { } special)
        {
            EndWord();
            foreach (char c in special) Append(c);
            EndWord();
            return special.Length;
        }
        // What is not a code point (half a surrogate pair) reads as U+FFFD, which the table drops.
        Rune.DecodeFromUtf16(text, out Rune rune, out int consumed);
        CharacterMapping mapping = CharacterTable.Map(rune.Value);
        if (mapping.Sequence is { } sequence)
        {
            foreach (int code in sequence) Append(code);
        }
        else if (mapping.Isolated)
        {
            EndWord();
            Append(mapping.Code);
            EndWord();
        }
        else if (mapping.Code == ' ') EndWord();
        else if (mapping.Code != 0) Append(mapping.Code);
        return consumed;
    }

    private static string? SpecialTokenAt(ReadOnlySpan<char> text)
    {
        foreach (string token in Vocabulary.SpecialTokens)
        {
            if (text.StartsWith(token, StringComparison.Ordinal)) return token;
        }
        return null;
    }

    private void Append(int code)
    {
        if (_wordLength == 0)
        {
            if (_length > 0) _output[_length++] = ' ';
            _wordStart = _length;
        }
        if (++_wordLength <= MaxWordLength) _length += new Rune(code).EncodeToUtf16(_output[_length..]);
    }

    private void EndWord()
    {
        if (_wordLength == 0) return;
        if (_wordLength > MaxWordLength)
        {
            Vocabulary.Unknown.CopyTo(_output[_wordStart..]);
            _length = _wordStart + Vocabulary.Unknown.Length;
        }
        _wordLength = 0;
        _words++;
    }
}
