using System.Text.RegularExpressions;
using Alpro.Training.Configuration;

namespace Alpro.Cli.Tests.Documents;

/// <summary>A fenced block of code.</summary>
/// <param name="Info">What follows the opening fence, such as <c>sh runnable</c>.</param>
/// <param name="Line">Its first line, from 1.</param>
/// <param name="Text">The code.</param>
internal sealed record CodeBlock(string Info, int Line, string Text)
{
    public string Language => Info.Split(' ')[0];
}

/// <summary>A Markdown page of the repository: its headings, links, code and sentences.</summary>
internal sealed partial class Document
{
    private static readonly string[] _folders = ["docs", "src", "tests", "config", "scripts", "hocon"];

    private readonly List<CodeBlock> _blocks = [];
    private readonly List<string> _lines = [];                       // outside of code

    public Document(string path)
    {
        (Path, Name, Text) = (path, System.IO.Path.GetRelativePath(Locations.Root, path), File.ReadAllText(path));
        (string Info, int Line, List<string> Code)? open = null;
        int number = 0;
        foreach (string line in Text.ReplaceLineEndings("\n").Split('\n'))
        {
            number++;
            bool fence = line.TrimStart().StartsWith("```", StringComparison.Ordinal);
            if (!fence && open is { } block) block.Code.Add(line);
            else if (fence && open is { } closed)
            {
                _blocks.Add(new(closed.Info, closed.Line, string.Join('\n', closed.Code)));
                open = null;
            }
            else if (fence) open = (line.Trim().TrimStart('`').Trim(), number + 1, []);
            if (!fence && open is null) _lines.Add(line);
            else _lines.Add("");
        }
        Assert.True(open is null, $"{Name}: the block of code at line {open?.Line} has no end");
    }

    /// <summary>All pages.</summary>
    public static IReadOnlyList<Document> All { get; } =
    [
        .. Directory.EnumerateFiles(Locations.Root, "*.md")
            .Concat(_folders.Select(folder => System.IO.Path.Combine(Locations.Root, folder)).Where(Directory.Exists)
                .SelectMany(folder => Directory.EnumerateFiles(folder, "*.md", SearchOption.AllDirectories)))
            .Where(path => !Output().IsMatch(path)).Order(StringComparer.Ordinal).Select(path => new Document(path)),
    ];

    public string Path { get; }

    /// <summary>The path from the repository's root.</summary>
    public string Name { get; }

    public string Text { get; }

    public IReadOnlyList<CodeBlock> Blocks => _blocks;

    /// <summary>Short pieces of code inside the text.</summary>
    public IEnumerable<string> Spans => Span().Matches(string.Join('\n', _lines)).Select(match => match.Groups[1].Value.Replace('\n', ' '));

    /// <summary>Where the links lead.</summary>
    public IEnumerable<string> Links =>
        from line in _lines from link in Link().Matches(Span().Replace(line, "")) select link.Groups[2].Value;

    /// <summary>The anchors of the headings, as GitHub names them.</summary>
    public IReadOnlySet<string> Anchors
    {
        get
        {
            var anchors = new HashSet<string>();
            foreach (string heading in _lines.Where(line => Heading().IsMatch(line)))
            {
                string anchor = NotInAnchor().Replace(Plain(heading.TrimStart('#').Trim()).ToLowerInvariant(), "").Replace(' ', '-');
                for (int i = 0; !anchors.Add(i == 0 ? anchor : $"{anchor}-{i}"); i++) { }
            }
            return anchors;
        }
    }

    /// <summary>The sentences of the text; a heading, a cell of a table and an item of a list end one too.</summary>
    public IEnumerable<string> Sentences => SentencesOf(_lines);

    /// <summary>The sentences of some lines of text, of which an empty one ends a paragraph.</summary>
    public static IEnumerable<string> SentencesOf(IEnumerable<string> lines)
    {
        var paragraph = new List<string>();
        foreach (string line in lines.Append(""))
        {
            bool table = line.TrimStart().StartsWith('|');
            if (table || line.Trim().Length == 0 || Heading().IsMatch(line) || Item().IsMatch(line))
            {
                foreach (string sentence in Split(string.Join(' ', paragraph))) yield return sentence;
                paragraph.Clear();
            }
            if (table)
            {
                foreach (string sentence in Span().Replace(line, "code").Split('|').SelectMany(Split)) yield return sentence;
            }
            else paragraph.Add(line);
        }

        static IEnumerable<string> Split(string text) =>
            SentenceEnd().Split(Plain(text)).Select(part => part.Trim()).Where(part => part.Length > 0);
    }

    /// <summary>Words of a sentence; a piece of code is one.</summary>
    public static int WordsOf(string sentence) => sentence.Split(' ').Count(word => word.Any(char.IsLetterOrDigit));

    /// <summary>Fails with all that is wrong.</summary>
    public static void None(IEnumerable<string> wrong)
    {
        string[] all = [.. wrong];
        Assert.True(all.Length == 0, string.Join('\n', all));
    }

    public override string ToString() => Name;

    /// <summary>The text without marks: a link is its words, and a piece of code one word.</summary>
    private static string Plain(string text)
    {
        string words = Span().Replace(Comment().Replace(text, ""), span => span.Value.Contains(' ') ? "code" : span.Groups[1].Value);
        return Link().Replace(words, "$1").Replace("**", "");
    }

    [GeneratedRegex("/(bin|obj)/")]
    private static partial Regex Output();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Span();

    [GeneratedRegex(@"\[([^\]]*)\]\(([^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex("<!--.*?-->")]
    private static partial Regex Comment();

    [GeneratedRegex("^#{1,6} ")]
    private static partial Regex Heading();

    [GeneratedRegex(@"^\s*([-*]|\d+\.) ")]
    private static partial Regex Item();

    [GeneratedRegex(@"[^\p{L}\p{N} _-]")]
    private static partial Regex NotInAnchor();

    [GeneratedRegex(@"(?<=[.!?][)""']?)\s+(?=[\p{Lu}\p{N}""'(\[/-])|(?<=[.!?])\s+(?=[a-z]\S*[/_.-])")]
    private static partial Regex SentenceEnd();
}
