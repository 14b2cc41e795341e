namespace Alpro.Data;

/// <summary>The nearest valid spelling of a misspelt name.</summary>
internal static class Spelling
{
    /// <summary>
    /// The candidate with the fewest edits from <paramref name="name"/>; null where more than 2 letters, or more than a third of them,
    /// differ.
    /// </summary>
    public static string? Nearest(string name, IEnumerable<string> candidates)
    {
        (string? best, int fewest) = (null, Math.Max(2, name.Length / 3) + 1);
        foreach (string candidate in candidates)
        {
            int edits = Edits(name.ToLowerInvariant(), candidate.ToLowerInvariant());
            if (edits < fewest) (best, fewest) = (candidate, edits);
        }
        return best;
    }

    /// <summary>Levenshtein's distance: insertions, deletions and replacements from one word to the other.</summary>
    private static int Edits(string from, string to)
    {
        int[] row = [.. Enumerable.Range(0, to.Length + 1)];
        for (int i = 1; i <= from.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= to.Length; j++)
            {
                int replace = diagonal + (from[i - 1] == to[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replace, 1 + Math.Min(row[j], row[j - 1]));
            }
        }
        return row[^1];
    }
}
