using System.Collections;
using System.Text.RegularExpressions;
using Alpro.Training.Configuration;

namespace Alpro.Training.Tests.Configuration;

public sealed class ConfigUseTests
{
    /// <summary>
    /// An option that no code reads would be accepted and do nothing: each must be read somewhere outside of what defines and checks it.
    /// </summary>
    [Fact]
    public void Every_option_is_read()
    {
        string[] lines = [.. Directory.EnumerateFiles(Path.Combine(Locations.Root, "src"), "*.cs", SearchOption.AllDirectories)
            .Where(file => Path.GetFileName(file) != "ConfigLoader.cs" && !file.Contains("/obj/", StringComparison.Ordinal))
            .SelectMany(File.ReadLines).Where(line =>
            !line.TrimStart().StartsWith("///", StringComparison.Ordinal) && !line.Contains("{ get; init; }", StringComparison.Ordinal)
                && !line.Contains("problems", StringComparison.Ordinal))];
        Assert.Equal([], Options(typeof(RunConfig)).Distinct()
            .Where(option => !lines.Any(line => Regex.IsMatch(line, $@"\b{option.Name}\b")))
            .Select(option => $"{option.Owner}.{option.Name}"));
    }

    private static IEnumerable<(string Owner, string Name)> Options(Type type)
    {
        foreach (var property in type.GetProperties().Where(property => property.SetMethod is not null))
        {
            yield return (type.Name, property.Name);
            Type value = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
            if (value != typeof(string) && value.IsAssignableTo(typeof(IEnumerable))) value = value.GetGenericArguments()[0];
            if (value.Namespace!.StartsWith("Alpro", StringComparison.Ordinal) && !value.IsEnum)
                foreach ((string, string) option in Options(value)) yield return option;
        }
    }
}
