using System.Runtime.InteropServices;
using Alpro.Data.Corpora;

namespace Alpro.Data.Entities;

/// <summary>One entity and how often it occurs.</summary>
/// <param name="Name">The noun.</param>
/// <param name="Count">Its occurrences, singular and plural.</param>
internal readonly record struct Entity(string Name, long Count);

/// <summary>
/// The entities of prompting entity modelling: the commonest nouns of the captions, commonest first (paper section 3.3). As a
/// file, <c>entity count</c> a line, of which readers take the first word.
/// </summary>
internal static class EntityList
{
    /// <summary>The commonest nouns of the captions of some corpora; where they are too few, words that can be nouns follow.</summary>
    /// <param name="corpora">The corpora; every caption is read.</param>
    /// <param name="count">Number of entities wanted.</param>
    /// <param name="lexicon">Tells nouns from other words.</param>
    /// <param name="progress">Told the rows that are done.</param>
    /// <param name="cancellation">Stops it.</param>
    /// <exception cref="DataException">The captions have fewer nouns than are wanted.</exception>
    public static IReadOnlyList<Entity> Build(IReadOnlyList<VideoTextCorpus> corpora, int count, NounLexicon lexicon,
        IProgress<long>? progress = null, CancellationToken cancellation = default)
    {
        Dictionary<string, long> words = [];
        long rows = 0;
        foreach (VideoTextCorpus corpus in corpora)
        {
            for (long row = 0; row < corpus.Count; row++)
            {
                cancellation.ThrowIfCancellationRequested();
                foreach (string caption in corpus[row].Captions) CountWords(caption, words);
                if (++rows % 10_000 == 0) progress?.Report(rows);
            }
        }
        Dictionary<string, long> nouns = Count(lexicon.IsNoun);
        List<Entity> entities = [.. CommonestFirst(nouns)];
        if (entities.Count < count) entities.AddRange(CommonestFirst(Count(lexicon.CanBeNoun).Where(word => !nouns.ContainsKey(word.Key))));
        if (entities.Count < count)
            throw new DataException($"The captions hold {entities.Count} different nouns, fewer than the {count} entities wanted. Ask "
                + "for fewer, or use a larger corpus.");
        return entities[..count];

        Dictionary<string, long> Count(Func<string, bool> wanted)
        {
            Dictionary<string, long> counts = [];
            foreach ((string word, long occurrences) in words)
            {
                string singular = lexicon.Singular(word, words.ContainsKey);
                if (wanted(singular)) CollectionsMarshal.GetValueRefOrAddDefault(counts, singular, out _) += occurrences;
            }
            return counts;
        }
    }

    /// <summary>The first entities of a file: the first word of each line that is not blank.</summary>
    /// <exception cref="DataException">
    /// The file is missing, has fewer lines than are wanted, or names an entity twice among them.
    /// </exception>
    public static IReadOnlyList<string> Load(string path, int count)
    {
        if (!File.Exists(path)) throw new DataException($"There is no entity list {path}; \"alpro entities\" makes one.");
        string[] names = [.. File.ReadLines(path).Select(line => line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
            .Where(words => words.Length > 0).Select(words => words[0]).Take(count)];
        if (names.Length < count)
            throw new DataException($"{path} has {names.Length} entities, fewer than the {count} that are asked for (model.entities).");
        if (names.CountBy(name => name).FirstOrDefault(name => name.Value > 1).Key is { } twice)
            throw new DataException($"{path} names \"{twice}\" twice among its first {count} entities.");
        return names;
    }

    /// <summary>Writes entities as <c>entity count</c> a line.</summary>
    public static void Save(string path, IEnumerable<Entity> entities) =>
        File.WriteAllLines(path, entities.Select(entity => $"{entity.Name} {entity.Count}"));

    private static IEnumerable<Entity> CommonestFirst(IEnumerable<KeyValuePair<string, long>> counts) =>
        counts.Select(word => new Entity(word.Key, word.Value)).OrderByDescending(entity => entity.Count)
            .ThenBy(entity => entity.Name, StringComparer.Ordinal);

    /// <summary>Counts runs of letters, in lower case; a word goes without what follows its apostrophe.</summary>
    private static void CountWords(string caption, Dictionary<string, long> words)
    {
        var lookup = words.GetAlternateLookup<ReadOnlySpan<char>>();
        Span<char> lower = stackalloc char[64];
        for (int i = 0; i < caption.Length;)
        {
            int start = i;
            while (i < caption.Length && char.IsLetter(caption[i])) i++;
            ReadOnlySpan<char> word = caption.AsSpan(start, i - start);
            if (word.Length is >= 2 and <= 64)
                CollectionsMarshal.GetValueRefOrAddDefault(lookup, lower[..word.ToLowerInvariant(lower)], out _)++;
            if (i < caption.Length && caption[i] is '\'' or '\u2019')
                while (i < caption.Length && !char.IsWhiteSpace(caption[i])) i++;
            else i++;
        }
    }
}
