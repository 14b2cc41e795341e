using System.Runtime.InteropServices;

namespace Alpro.Data.Text;

/// <summary>
/// Learns the word pieces of captions, as BERT's vocabularies are made: at first a piece is a character, then the commonest pair of
/// neighbours becomes a piece, again and again. Every text of the characters that occurred, or of ASCII, can be spelt.
/// </summary>
internal sealed class WordPieceTrainer
{
    private const int LeastOften = 2;
    private const string Marks = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", Letters = "abcdefghijklmnopqrstuvwxyz0123456789", Inside = "##";

    private readonly List<string> _pieces = [.. Vocabulary.SpecialTokens];
    private readonly Dictionary<string, int> _ids = [];
    private readonly List<(List<int> Pieces, long Count)> _words = [];
    private readonly Dictionary<(int Left, int Right), long> _pairs = [];
    private readonly Dictionary<(int Left, int Right), HashSet<int>> _wordsOf = [];

    /// <summary>The commonest pairs first; entries whose count has changed since are out of date.</summary>
    private readonly PriorityQueue<((int Left, int Right) Pair, long Count), (long Count, string Text)> _commonest =
        new(Comparer<(long Count, string Text)>.Create(static (a, b) =>
            a.Count != b.Count ? b.Count.CompareTo(a.Count) : string.CompareOrdinal(a.Text, b.Text)));

    private WordPieceTrainer(Dictionary<string, long> words)
    {
        foreach (char letter in Marks + Letters) Id($"{letter}");
        foreach (char letter in Letters) Id($"{Inside}{letter}");
        foreach ((string word, long count) in words.OrderBy(word => word.Key, StringComparer.Ordinal))
            _words.Add(([.. word.EnumerateRunes().Select((rune, at) => Id(at == 0 ? $"{rune}" : $"{Inside}{rune}"))], count));
        for (int word = 0; word < _words.Count; word++) Count(word, _words[word].Count);
        foreach ((int, int) pair in _pairs.Keys) Offer(pair);
    }

    /// <summary>
    /// The pieces in the order of their ids; [PAD] is 0. The same captions give the same pieces, in whatever order they come.
    /// </summary>
    /// <param name="captions">The captions.</param>
    /// <param name="size">Pieces wanted; fewer where no pair of neighbours is left that occurs twice.</param>
    /// <exception cref="DataException">There are more characters than pieces.</exception>
    public static IReadOnlyList<string> Train(IEnumerable<string> captions, int size)
    {
        var words = new Dictionary<string, long>();
        foreach (string caption in captions)
        {
            char[] clean = new char[BasicTokenizer.OutputBound(caption.Length, caption.Length)];
            foreach (string word in new string(clean, 0, BasicTokenizer.Tokenize(caption, caption.Length, clean)).Split(' '))
                if (word.Length > 0 && !Vocabulary.SpecialTokens.Contains(word))
                    CollectionsMarshal.GetValueRefOrAddDefault(words, word, out _)++;
        }
        var trainer = new WordPieceTrainer(words);
        if (trainer._pieces.Count > size)
            throw new DataException($"The captions have {trainer._pieces.Count} different characters, special tokens included, and {size} "
                + "word pieces are wanted; ask for more.");
        while (trainer._pieces.Count < size && trainer.MergeCommonest()) { }
        return trainer._pieces;
    }

    /// <summary>Makes a piece of the commonest pair; false where none occurs often enough.</summary>
    private bool MergeCommonest()
    {
        while (_commonest.TryDequeue(out ((int Left, int Right) Pair, long Count) next, out _))
        {
            if (_pairs.GetValueOrDefault(next.Pair) != next.Count) continue;
            if (next.Count < LeastOften) return false;
            int merged = Id(_pieces[next.Pair.Left] + _pieces[next.Pair.Right][Inside.Length..]);
            foreach (int word in _wordsOf[next.Pair].ToArray()) Merge(word, next.Pair, merged);
            return true;
        }
        return false;
    }

    private void Merge(int word, (int Left, int Right) pair, int merged)
    {
        (List<int> pieces, long count) = _words[word];
        HashSet<(int, int)> changed = [.. Count(word, -count)];
        for (int at = 0; at + 1 < pieces.Count; at++)
        {
            if ((pieces[at], pieces[at + 1]) != pair) continue;
            pieces[at] = merged;
            pieces.RemoveAt(at + 1);
        }
        changed.UnionWith(Count(word, count));
        foreach ((int, int) other in changed) Offer(other);
    }

    /// <summary>Adds to the counts of a word's pairs, or takes away; returns the pairs.</summary>
    private List<(int Left, int Right)> Count(int word, long count)
    {
        List<int> pieces = _words[word].Pieces;
        List<(int, int)> pairs = [.. pieces.Zip(pieces.Skip(1))];
        foreach ((int, int) pair in pairs)
        {
            CollectionsMarshal.GetValueRefOrAddDefault(_pairs, pair, out _) += count;
            HashSet<int> words = CollectionsMarshal.GetValueRefOrAddDefault(_wordsOf, pair, out _) ??= [];
            if (count > 0) words.Add(word);
            else words.Remove(word);
        }
        return pairs;
    }

    private void Offer((int Left, int Right) pair) =>
        _commonest.Enqueue((pair, _pairs[pair]), (_pairs[pair], $"{_pieces[pair.Left]} {_pieces[pair.Right]}"));

    private int Id(string piece)
    {
        ref int id = ref CollectionsMarshal.GetValueRefOrAddDefault(_ids, piece, out bool known);
        if (known) return id;
        _pieces.Add(piece);
        return id = _pieces.Count - 1;
    }
}
