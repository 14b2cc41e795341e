using System.Globalization;

namespace Alpro.Data.Text;

/// <summary>What becomes of one character before words are looked up.</summary>
/// <param name="Code">The code point that replaces it; 0 for none, a space for the end of a word.</param>
/// <param name="Isolated">Whether it is a word of its own: punctuation and ideographs.</param>
/// <param name="Sequence">The code points that replace it where they are several; null otherwise.</param>
internal readonly record struct CharacterMapping(int Code, bool Isolated = false, int[]? Sequence = null);

/// <summary>
/// The character rules of BERT's uncased tokenizer as a table (<c>characters.txt</c>): cleaning, isolation of punctuation and ideographs,
/// accents stripped, lower case. The runtime's own rules do not serve: in invariant mode they normalise nothing, and their Unicode version
/// moves. A caption must not change its tokens with it.
/// </summary>
internal static class CharacterTable
{
    private const int HangulFirst = 0xAC00, HangulLast = 0xD7A3;

    private static readonly Range[] _ranges = Load();
    private static readonly int[] _firsts = Array.ConvertAll(_ranges, range => range.First);

    /// <summary>What becomes of a code point.</summary>
    public static CharacterMapping Map(int code)
    {
        if (code is >= 'a' and <= 'z') return new(code);
        if (code is >= HangulFirst and <= HangulLast) return Decompose(code - HangulFirst);

        int at = Array.BinarySearch(_firsts, code);
        if (at < 0) at = ~at - 1;
        if (at < 0 || code > _ranges[at].Last) return new(code);
        (int first, _, CharacterMapping mapping, bool following) = _ranges[at];
        return following ? mapping with { Code = mapping.Code + code - first } : mapping;
    }

    /// <summary>A Hangul syllable is a leading consonant, a vowel and perhaps a trailing consonant, by arithmetic (Unicode 3.12).</summary>
    private static CharacterMapping Decompose(int syllable)
    {
        int lead = 0x1100 + syllable / 588, vowel = 0x1161 + syllable % 588 / 28, trail = 0x11A7 + syllable % 28;
        return new(0, Sequence: trail == 0x11A7 ? [lead, vowel] : [lead, vowel, trail]);
    }

    private static Range[] Load()
    {
        var ranges = new List<Range>();
        using Stream stream = typeof(CharacterTable).Assembly.GetManifestResourceStream("Alpro.Data.Text.characters.txt")!;
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
        {
            if (line.StartsWith('#')) continue;
            string[] fields = line.Split(' ');
            int[] bounds = Array.ConvertAll(fields[0].Split('-'), Hex);
            int[] targets = Array.ConvertAll(fields[2..], Hex);
            int target = targets.Length > 0 ? targets[0] : bounds[0];
            ranges.Add(fields[1] switch
            {
                "drop" => new(bounds[0], bounds[^1], new(0), Following: false),
                "space" => new(bounds[0], bounds[^1], new(' '), Following: false),
                "isolate" => new(bounds[0], bounds[^1], new(target, Isolated: true), Following: true),
                _ when targets.Length == 1 => new(bounds[0], bounds[^1], new(target), Following: true),
                _ => new(bounds[0], bounds[^1], new(0, Sequence: targets), Following: false),
            });
        }
        return [.. ranges];
    }

    private static int Hex(string text) => int.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    /// <summary>Neighbouring code points with one rule; with <paramref name="Following"/>, the replacements are neighbours too.</summary>
    private readonly record struct Range(int First, int Last, CharacterMapping Mapping, bool Following);
}
