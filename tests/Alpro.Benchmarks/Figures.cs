using System.Text.RegularExpressions;
using Alpro.Tests.Support.House;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Alpro.Benchmarks;

/// <summary>
/// <c>figures [ROOT]</c>: how large the source of a checkout is, and how it is cut: files, functions, lines, public types, circles of
/// rooms, lines of tests for a line of source. What needs assemblies (types, circles) is read from the checkout's Release build.
/// </summary>
internal static partial class Figures
{
    /// <summary>Lines may be this long.</summary>
    private const int Limit = 140;

    public static int Run(string[] args)
    {
        string root = Path.GetFullPath(args is [var given, ..] ? given : ".");
        if (!Directory.Exists(Path.Combine(root, "src")))
        {
            Console.Error.WriteLine($"{root}: there is no src; expected the root of a checkout");
            return 2;
        }
        (string Path, string[] Lines)[] source = Read(Path.Combine(root, "src")), tests = Read(Path.Combine(root, "tests"));
        int[] files = [.. source.Select(file => file.Lines.Length)];
        int[] functions = [.. source.SelectMany(file => Functions(string.Join('\n', file.Lines)))];
        (string path, int at, string longest) = source.Concat(tests)
            .SelectMany(file => file.Lines.Select((line, index) => (file.Path, index + 1, line))).MaxBy(line => line.line.Length);
        int[] sentences = [.. source.SelectMany(file => Sentences(file.Lines))];

        Row("files of source", $"{files.Length}, {files.Sum()} lines");
        Row("lines of a file", Spread(files));
        Row("lines of a function", $"{Spread(functions)}, of {functions.Length}");
        Row("longest line", $"{longest.Length} characters ({Path.GetRelativePath(root, path)}:{at})");
        Row($"lines above {Limit}",
            $"{source.Concat(tests).Sum(file => file.Lines.Count(line => line.Length > Limit))} of source and tests");
        Row("words of a sentence",
            $"{Spread(sentences)}, of {sentences.Length} in docstrings and comments; {sentences.Count(words => words > 25)} above 25");
        Row("files of tests", $"{tests.Length}, {tests.Sum(file => file.Lines.Length)} lines");
        Row("tests for a line of source", $"{(double)tests.Sum(file => file.Lines.Length) / files.Sum():0.00}");
        foreach (IGrouping<string, (string Path, string[] Lines)> room in source
            .GroupBy(file => Path.GetRelativePath(root, Path.GetDirectoryName(file.Path)!)).OrderBy(room => room.Key,
            StringComparer.Ordinal))
            Row($"  {room.Key}", $"{room.Count()} files, {room.Sum(file => file.Lines.Length)} lines");

        string[] assemblies = [.. Directory.EnumerateFiles(Path.Combine(root, "src"), "*.csproj",
            SearchOption.AllDirectories).Select(Assembly).Where(File.Exists)];
        if (assemblies.Length == 0)
        {
            Row("public types, circles", "nothing is built; scripts/setup builds");
            return 0;
        }
        using var dependencies = new Dependencies(assemblies);
        Row("public types", $"{dependencies.PublicTypes}");
        IReadOnlyList<IReadOnlyList<string>> circles = dependencies.Circles();
        Row("circles of rooms", circles.Count == 0 ? "none"
            : $"{circles.Count}: {string.Join("; ", circles.Select(circle => string.Join(' ', circle)))}");
        return 0;
    }

    private static void Row(string name, string value) => Console.Out.WriteLine($"{name,-42} {value}");

    /// <summary>What a project's Release build makes.</summary>
    private static string Assembly(string project)
    {
        string name = AssemblyName().Match(File.ReadAllText(project)) is { Success: true } match ? match.Groups[1].Value
            : Path.GetFileNameWithoutExtension(project);
        return Path.Combine(Path.GetDirectoryName(project)!, "bin", "Release", "net10.0", $"{name}.dll");
    }

    private static (string Path, string[] Lines)[] Read(string folder) =>
    [
        .. Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains("/obj/", StringComparison.Ordinal) && !file.Contains("/bin/", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal).Select(file => (file, File.ReadAllLines(file))),
    ];

    /// <summary>Lines of each method, constructor, operator, accessor and local function that has a body.</summary>
    private static IEnumerable<int> Functions(string text)
    {
        foreach (SyntaxNode node in CSharpSyntaxTree.ParseText(text).GetRoot().DescendantNodes())
        {
            bool counts = node is BaseMethodDeclarationSyntax { Body: not null } or BaseMethodDeclarationSyntax { ExpressionBody: not null }
                or LocalFunctionStatementSyntax or AccessorDeclarationSyntax { Body: not null }
                or AccessorDeclarationSyntax { ExpressionBody: not null }
                or PropertyDeclarationSyntax { ExpressionBody: not null };
            if (!counts) continue;
            FileLinePositionSpan span = node.GetLocation().GetLineSpan();
            yield return span.EndLinePosition.Line - span.StartLinePosition.Line + 1;
        }
    }

    /// <summary>Words of each sentence in the comments of a file; blocks of comment lines are read as one text.</summary>
    private static IEnumerable<int> Sentences(string[] lines)
    {
        var block = new List<string>();
        foreach (string line in lines.Append(""))
        {
            string trimmed = line.TrimStart();
            if (trimmed.StartsWith("//", StringComparison.Ordinal))
            {
                block.Add(Markup().Replace(trimmed.TrimStart('/').Trim(), match => match.Groups[1].Success ? match.Groups[1].Value : ""));
                if (!BlockEnd().IsMatch(trimmed)) continue;
            }
            foreach (string sentence in SentenceEnd().Split(string.Join(' ', block)))
                if (sentence.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length is var words and > 1) yield return words;
            block.Clear();
        }
    }

    private static string Spread(int[] values)
    {
        int[] sorted = [.. values.Order()];
        return sorted.Length == 0 ? "none" : $"median {sorted[sorted.Length / 2]}, p90 {sorted[sorted.Length * 9 / 10]}, most {sorted[^1]}";
    }

    [GeneratedRegex("<AssemblyName>(.*?)</AssemblyName>")]
    private static partial Regex AssemblyName();

    [GeneratedRegex("<(?:see|paramref|typeparamref) (?:cref|name|langword)=\"([^\"]*)\"/?>|<[^>]*>")]
    private static partial Regex Markup();

    [GeneratedRegex("</(summary|param|returns|exception|remarks|item|typeparam)>")]
    private static partial Regex BlockEnd();

    [GeneratedRegex(@"(?<=[.!?:;])\s+(?=[A-Z`<])")]
    private static partial Regex SentenceEnd();
}
