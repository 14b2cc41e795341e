using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Alpro.Training.Configuration;

/// <summary>A setting that two configurations do not share.</summary>
/// <param name="Path">The setting.</param>
/// <param name="Before">Its JSON in the first; <c>absent</c> where a list is shorter.</param>
/// <param name="Now">Its JSON in the second.</param>
/// <param name="ChangesMeaning">Whether a run that continues under the second would compute something else.</param>
internal sealed partial record RunDifference(string Path, string Before, string Now, bool ChangesMeaning)
{
    private const string Absent = "absent";

    /// <summary>Every setting in which two configurations differ, in the order of the file.</summary>
    public static IReadOnlyList<RunDifference> Between(RunConfig before, RunConfig now)
    {
        OrderedDictionary<string, string> first = Settings(before), second = Settings(now);
        return [.. first.Keys.Union(second.Keys).Select(path =>
                (Path: path, Before: first.GetValueOrDefault(path, Absent), Now: second.GetValueOrDefault(path, Absent)))
            .Where(setting => setting.Before != setting.Now)
            .Select(setting => new RunDifference(setting.Path, setting.Before, setting.Now,
            !MayChange(setting.Path) && !IsMoved(setting)))];
    }

    /// <summary>Every file that says something else than it did; of what is not known of one side nothing is said.</summary>
    public static IEnumerable<RunDifference> Between(IReadOnlyDictionary<string, string> before, IReadOnlyDictionary<string, string> now) =>
        from file in before
        where now.TryGetValue(file.Key, out string? found) && found != file.Value
        select new RunDifference(file.Key, file.Value, now[file.Key], ChangesMeaning: true);

    /// <summary>Whether a setting, and all in it, may differ where a run goes on.</summary>
    internal static bool MayChange(string path) => IsMarked<MayChangeAttribute>(path);

    /// <summary>Whether a setting names a file that may lie elsewhere where a run goes on.</summary>
    internal static bool MayMove(string path) => IsMarked<MayMoveAttribute>(path);

    private static bool IsMoved((string Path, string Before, string Now) setting) =>
        MayMove(setting.Path) && System.IO.Path.GetFileName(setting.Before.Trim('"')) == System.IO.Path.GetFileName(setting.Now.Trim('"'));

    private static bool IsMarked<T>(string path) where T : Attribute, IMarksSettings
    {
        string setting = Place().Replace(path, "");
        return Marked<T>(typeof(RunConfig), "")
            .Any(marked => setting == marked || setting.StartsWith(marked + ".", StringComparison.Ordinal));
    }

    /// <summary>The settings that have a mark, without places in lists.</summary>
    private static IEnumerable<string> Marked<T>(Type record, string within) where T : Attribute, IMarksSettings
    {
        foreach (PropertyInfo property in record.GetProperties())
        {
            string setting = within + JsonNamingPolicy.CamelCase.ConvertName(property.Name);
            if (property.GetCustomAttribute<T>() is { } mark)
            {
                foreach (string marked in mark.Within.Count == 0 ? [setting] : mark.Within.Select(key => $"{setting}.{key}"))
                    yield return marked;
            }
            else if (property.PropertyType.Assembly == record.Assembly)
                foreach (string marked in Marked<T>(property.PropertyType, $"{setting}.")) yield return marked;
        }
    }

    [GeneratedRegex(@"\[\d+\]")]
    private static partial Regex Place();

    /// <summary>Every setting of a configuration, as JSON, in the order of the file.</summary>
    internal static OrderedDictionary<string, string> Settings(RunConfig config)
    {
        var settings = new OrderedDictionary<string, string>();
        Walk(JsonNode.Parse(ConfigLoader.ToJson(config)), "");
        return settings;

        void Walk(JsonNode? node, string path)
        {
            if (node is JsonObject item)
                foreach ((string key, JsonNode? value) in item) Walk(value, path.Length == 0 ? key : $"{path}.{key}");
            else if (node is JsonArray list) for (int i = 0; i < list.Count; i++) Walk(list[i], $"{path}[{i}]");
            else settings.Add(path, node?.ToJsonString() ?? "null");
        }
    }
}
