using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Alpro.Training.Configuration;

/// <summary>A setting that two configurations do not share.</summary>
/// <param name="Path">The setting.</param>
/// <param name="Before">Its JSON in the first; <c>absent</c> where a list is shorter.</param>
/// <param name="Now">Its JSON in the second.</param>
/// <param name="ChangesMeaning">Whether a run that continues under the second would compute something else.</param>
public sealed partial record RunDifference(string Path, string Before, string Now, bool ChangesMeaning)
{
    private const string Absent = "absent";

    /// <summary>Every setting in which two configurations differ, in the order of the file.</summary>
    public static IReadOnlyList<RunDifference> Between(RunConfig before, RunConfig now)
    {
        OrderedDictionary<string, string> first = Settings(before), second = Settings(now);
        return [.. first.Keys.Union(second.Keys).Select(path =>
                (Path: path, Before: first.GetValueOrDefault(path, Absent), Now: second.GetValueOrDefault(path, Absent)))
            .Where(setting => setting.Before != setting.Now)
            .Select(setting => new RunDifference(setting.Path, setting.Before, setting.Now, !Free().IsMatch(setting.Path) && !IsMoved(setting)))];
    }

    /// <summary>Every file that says something else than it did; of what is not known of one side nothing is said.</summary>
    public static IEnumerable<RunDifference> Between(IReadOnlyDictionary<string, string> before, IReadOnlyDictionary<string, string> now) =>
        from file in before
        where now.TryGetValue(file.Key, out string? found) && found != file.Value
        select new RunDifference(file.Key, file.Value, now[file.Key], ChangesMeaning: true);

    /// <summary>Settings that decide when something is done or looked at, or done again for want of memory, not what is trained; and where the first weights came from, which a checkpoint has in it.</summary>
    [GeneratedRegex(@"^(training\.(checkpointEvery|exportEvery|keep|validateEvery|onNonFinite|maxSkipped)|model\.vision\.activationCheckpointing|initialize\b.*|evaluation\b.*|data\.(validation|test|evaluationClip|maxRejectedFraction)\b.*|data\.corpora\[\d+\]\.(name|media))$")]
    private static partial Regex Free();

    /// <summary>A file of the same name elsewhere is taken for the same file: folders may be moved.</summary>
    private static bool IsMoved((string Path, string Before, string Now) setting) =>
        Moveable().IsMatch(setting.Path) && System.IO.Path.GetFileName(setting.Before.Trim('"')) == System.IO.Path.GetFileName(setting.Now.Trim('"'));

    [GeneratedRegex(@"^data\.(vocabulary|entities|answers|corpora\[\d+\]\.annotations)$")]
    private static partial Regex Moveable();

    private static OrderedDictionary<string, string> Settings(RunConfig config)
    {
        var settings = new OrderedDictionary<string, string>();
        Walk(JsonNode.Parse(ConfigLoader.ToJson(config)), "");
        return settings;

        void Walk(JsonNode? node, string path)
        {
            if (node is JsonObject item) foreach ((string key, JsonNode? value) in item) Walk(value, path.Length == 0 ? key : $"{path}.{key}");
            else if (node is JsonArray list) for (int i = 0; i < list.Count; i++) Walk(list[i], $"{path}[{i}]");
            else settings.Add(path, node?.ToJsonString() ?? "null");
        }
    }
}
