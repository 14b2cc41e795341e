
namespace Alpro.Data.Text;

/// <summary>The word pieces of a BERT model: one a line, a piece's id being its line number from 0.</summary>
public sealed class Vocabulary
{
    /// <summary>The token that stands for a word without pieces.</summary>
    internal const string Unknown = "[UNK]";

    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);

    private Vocabulary(string path) => Path = path;

    /// <summary>The tokens that are not words: a vocabulary has all of them, and a text that spells one out means it.</summary>
    public static IReadOnlyList<string> SpecialTokens { get; } = ["[PAD]", Unknown, "[CLS]", "[SEP]", "[MASK]"];

    /// <summary>The file it was read from.</summary>
    public string Path { get; }

    /// <summary>Number of ids, V.</summary>
    public int Size { get; private set; }

    /// <summary>The pieces by their ids.</summary>
    internal IReadOnlyDictionary<int, string> Pieces => _ids.ToDictionary(entry => entry.Value, entry => entry.Key);

    /// <summary>The id of a piece that is known to be there.</summary>
    public int this[string piece] => _ids[piece];

    /// <summary>Reads a vocabulary file.</summary>
    /// <exception cref="DataException">The file is missing, repeats a piece or lacks a special token.</exception>
    public static Vocabulary Load(string path)
    {
        var vocabulary = new Vocabulary(path);
        try
        {
            foreach (string line in File.ReadLines(path)) vocabulary.Add(line);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new DataException($"{path}: the vocabulary cannot be read: {exception.Message} Give the path of the vocab.txt that "
                + "came with the BERT model.", exception);
        }
        string[] absent = [.. SpecialTokens.Where(token => !vocabulary._ids.ContainsKey(token))];
        if (absent.Length > 0)
            throw new DataException($"{path}: not a BERT vocabulary: {string.Join(", ", absent)} is not among its {vocabulary.Size:N0} "
                + "lines. Expected one word piece a line, as in bert-base-uncased's vocab.txt.");
        return vocabulary;
    }

    private void Add(string piece)
    {
        if (piece.Length > 0 && !_ids.TryAdd(piece, Size))
            throw new DataException($"{Path}: line {Size + 1} repeats the word piece '{piece}' of line {_ids[piece] + 1}: the ids after "
                + "it would be ambiguous. Use the file as it was published.");
        Size++;
    }
}
