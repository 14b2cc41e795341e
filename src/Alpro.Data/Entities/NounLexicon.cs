using System.Runtime.InteropServices;

namespace Alpro.Data.Entities;

/// <summary>
/// Tells nouns from other words. With WordNet's database installed, a word is a noun when WordNet counted it more often as a noun than as a
/// verb, adjective or adverb. A word that WordNet did not count is a noun when at least as many of its senses are nouns. Without the
/// database, by elimination: no stop word, and none of the endings of verbs and adverbs.
/// </summary>
internal sealed class NounLexicon
{
    private const string InstalledFolder = "/usr/share/wordnet";

    private static readonly HashSet<string> _stopWords =
    [
        .. """
        a about above across after again against all along already also although always am among an and another any anyone anything
        are around as at away
        back be because been before behind being below beneath beside best better between beyond big both but by can cannot close
        closeup could
        day did different do does doing done down during each early either else enough etc even every everything far few first for
        forward four free from full
        get gets give gives go goes good great had half happy has have having he her here hers herself high him himself his hold
        holds how however
        i if in inside into is isolated it its itself just keep large last late left less let like little long lot low made make
        makes many may me might mine more most much must my myself
        near never new next no nobody none nor not nothing now of off often old on once one only onto open or other others our ours
        out outside over own
        per perhaps put puts quite rather real really right same see seen several shall she short should show shows since slow small
        so some someone something soon still such
        take takes than that the their theirs them themselves then there these they thing things third this those three through thus
        till to together too top toward towards two
        under until up upon us use used uses using very via was we well went were what when where whether which while who whole whom
        whose why will with within without would
        yes yet you young your yours
        beautiful colorful dark fresh hot cold light
        """.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries),
    ];

    /// <summary>Nouns too, but adjectives in most captions.</summary>
    private static readonly HashSet<string> _colors =
        ["black", "blue", "brown", "gray", "green", "grey", "orange", "pink", "purple", "red", "white", "yellow"];

    private static readonly HashSet<string> _nounsByEnding =
        ["building", "wedding", "morning", "evening", "ceiling", "king", "ring", "spring", "string", "wing", "painting", "clothing",
            "family", "fly", "butterfly", "lily", "jelly", "belly", "bed", "seed", "weed", "speed", "shed"];

    private static readonly Dictionary<string, string> _irregular = new()
    {
        ["men"] = "man", ["women"] = "woman", ["children"] = "child", ["feet"] = "foot", ["teeth"] = "tooth", ["mice"] = "mouse",
            ["geese"] = "goose",
        ["leaves"] = "leaf", ["wolves"] = "wolf", ["knives"] = "knife", ["wives"] = "wife", ["lives"] = "life", ["shelves"] = "shelf",
    };

    private readonly Dictionary<string, int>? _nounSenses, _otherSenses, _nounUses, _otherUses;
    private readonly Dictionary<string, string> _exceptions = _irregular;

    /// <summary>The lexicon without a database.</summary>
    public NounLexicon() { }

    /// <summary>
    /// The lexicon with WordNet's database files (<c>index.noun</c>, and <c>index.verb</c>, <c>index.adj</c>, <c>index.adv</c>,
    /// <c>cntlist.rev</c>, <c>noun.exc</c> where present).
    /// </summary>
    /// <exception cref="DataException">The folder has no <c>index.noun</c>.</exception>
    public NounLexicon(string wordnetFolder)
    {
        string Path(string name) => System.IO.Path.Combine(wordnetFolder, name);
        if (!File.Exists(Path("index.noun")))
            throw new DataException($"{wordnetFolder} has no index.noun: it is not WordNet's database folder (Debian, Ubuntu: apt-get "
                + "install wordnet-base).");
        _nounSenses = Senses(Path("index.noun"));
        _otherSenses = [];
        foreach (string part in (string[])["index.verb", "index.adj", "index.adv"])
            foreach ((string word, int senses) in File.Exists(Path(part)) ? Senses(Path(part)) : [])
                _otherSenses[word] = Math.Max(senses, _otherSenses.GetValueOrDefault(word));
        (_nounUses, _otherUses) = Uses(Path("cntlist.rev"));
        _exceptions = new Dictionary<string, string>(_irregular);
        if (!File.Exists(Path("noun.exc"))) return;
        foreach (string[] pair in File.ReadLines(Path("noun.exc")).Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)))
            if (pair.Length >= 2) _exceptions.TryAdd(pair[0], pair[1]);
    }

    /// <summary>Whether WordNet's database is used.</summary>
    public bool HasDatabase => _nounSenses is not null;

    /// <summary>The lexicon with the database where it is installed, else without.</summary>
    public static NounLexicon Installed() =>
        File.Exists(Path.Combine(InstalledFolder, "index.noun")) ? new NounLexicon(InstalledFolder) : new NounLexicon();

    /// <summary>Whether a word in lower case is taken for a noun.</summary>
    public bool IsNoun(string word)
    {
        if (word.Length < 2 || _stopWords.Contains(word) || _colors.Contains(word)) return false;
        if (_nounSenses is not null)
        {
            if (!_nounSenses.TryGetValue(word, out int senses)) return false;
            int uses = _nounUses!.GetValueOrDefault(word), others = _otherUses!.GetValueOrDefault(word);
            return uses == others ? senses >= _otherSenses!.GetValueOrDefault(word) : uses > others;
        }
        return _nounsByEnding.Contains(word) || !(word.EndsWith("ing", StringComparison.Ordinal)
            || word.EndsWith("ly", StringComparison.Ordinal) || word.EndsWith("ed", StringComparison.Ordinal));
    }

    /// <summary>
    /// Whether a word that is not taken for a noun can be one: a colour, or what WordNet knows as a noun among other things.
    /// </summary>
    public bool CanBeNoun(string word) =>
        _colors.Contains(word) || _nounSenses is not null && !_stopWords.Contains(word) && _nounSenses.ContainsKey(word);

    /// <summary>
    /// The singular of a plural; the word itself where it is none. <paramref name="isKnown"/> tells whether a candidate occurs as a word.
    /// </summary>
    public string Singular(string word, Func<string, bool> isKnown)
    {
        if (_exceptions.TryGetValue(word, out string? singular)) return singular;
        if (word.Length < 4 || !word.EndsWith('s') || word.EndsWith("ss", StringComparison.Ordinal)) return word;
        if (_nounSenses is not null) isKnown = _nounSenses.ContainsKey;
        string[] candidates = word.EndsWith("ies", StringComparison.Ordinal) ? [word[..^3] + "y", word[..^1]]
            : word.EndsWith("es", StringComparison.Ordinal) ? [word[..^1], word[..^2]] : [word[..^1]];
        return candidates.FirstOrDefault(isKnown) ?? word;
    }

    /// <summary>Number of senses of each single word of an index file: the third column; lines of two spaces are its licence.</summary>
    private static Dictionary<string, int> Senses(string path)
    {
        Dictionary<string, int> senses = [];
        foreach (string line in File.ReadLines(path))
        {
            string[] columns = line.Split(' ', 4);
            if (columns is [{ Length: > 0 } word, _, var count, _] && !word.Contains('_') && int.TryParse(count, out int number))
                senses[word] = number;
        }
        return senses;
    }

    /// <summary>
    /// How often WordNet met each single word as a noun, and as the commonest other part of speech. Its lines are <c>word%part:… sense
    /// uses</c>; part 1 means nouns.
    /// </summary>
    private static (Dictionary<string, int> Noun, Dictionary<string, int> Other) Uses(string path)
    {
        Dictionary<(string Word, char Part), int> uses = [];
        foreach (string line in File.Exists(path) ? File.ReadLines(path) : [])
        {
            int percent = line.IndexOf('%'), last = line.LastIndexOf(' ');
            if (percent <= 0 || last < percent || line.AsSpan(0, percent).Contains('_')
                || !int.TryParse(line.AsSpan(last + 1), out int number)) continue;
            char part = line[percent + 1] == '5' ? '3' : line[percent + 1];      // 5 is an adjective too
            CollectionsMarshal.GetValueRefOrAddDefault(uses, (line[..percent], part), out _) += number;
        }
        ILookup<bool, KeyValuePair<(string Word, char Part), int>> byNoun = uses.ToLookup(use => use.Key.Part == '1');
        return (byNoun[true].ToDictionary(use => use.Key.Word, use => use.Value),
            byNoun[false].GroupBy(use => use.Key.Word).ToDictionary(word => word.Key, word => word.Max(use => use.Value)));
    }
}
