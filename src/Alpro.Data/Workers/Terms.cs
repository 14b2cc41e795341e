namespace Alpro.Data.Workers;

/// <summary>What must be the same in two processes, by its name, for a person.</summary>
internal static class Terms
{
    /// <summary>What is not the same, in words; empty where all is.</summary>
    /// <param name="what">What is made of it.</param>
    /// <param name="here">What the process has that makes it.</param>
    /// <param name="there">What the node has that would help.</param>
    public static string Differences(string what, IReadOnlyDictionary<string, string> here, IReadOnlyDictionary<string, string> there) =>
        string.Join("; ", here.Keys.Union(there.Keys).Where(key => here.GetValueOrDefault(key) != there.GetValueOrDefault(key))
            .Select(key =>
                $"{key}: the {what} has {here.GetValueOrDefault(key) ?? "none"}, the node {there.GetValueOrDefault(key) ?? "none"}"));
}
