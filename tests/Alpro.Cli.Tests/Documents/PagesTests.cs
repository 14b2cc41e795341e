using Xunit.Abstractions;

namespace Alpro.Cli.Tests.Documents;

/// <summary>What the pages say: links that lead somewhere, sentences that are short, a README that is soon read.</summary>
public sealed class PagesTests(ITestOutputHelper output)
{
    private const int LongestSentence = 35, LongestReadme = 900;

    [Fact]
    public void Links_lead_to_files_and_headings_that_exist()
    {
        Dictionary<string, Document> pages = Document.All.ToDictionary(page => page.Path);
        Document.None(from page in Document.All
                      from link in page.Links
                      where !link.Contains("://", StringComparison.Ordinal) && !Leads(page, link)
                      select $"{page}: {link}");

        bool Leads(Document page, string link)
        {
            string[] parts = link.Split('#', 2);
            string path = parts[0].Length == 0 ? page.Path : Path.GetFullPath(Path.Combine(Path.GetDirectoryName(page.Path)!, parts[0]));
            return parts.Length == 1 ? Path.Exists(path) : pages.GetValueOrDefault(path)?.Anchors.Contains(parts[1]) == true;
        }
    }

    [Fact]
    public void Every_page_can_be_reached_from_the_readme()
    {
        var reached = new HashSet<string>();
        var next = new Queue<string>([Path.Combine(Locations.Root, "README.md")]);
        while (next.TryDequeue(out string? path))
        {
            if (!reached.Add(path) || Document.All.FirstOrDefault(page => page.Path == path) is not { } page) continue;
            foreach (string link in page.Links) next.Enqueue(Path.GetFullPath(link.Split('#')[0], Path.GetDirectoryName(path)!));
        }
        Document.None(Document.All.Where(page => !reached.Contains(page.Path)).Select(page => page.Name));
    }

    [Fact]
    public void Sentences_are_short()
    {
        foreach (Document page in Document.All)
        {
            int[] words = [.. page.Sentences.Where(sentence => sentence[^1] is '.' or '?' or '!').Select(Document.WordsOf).Order()];
            if (words.Length == 0) continue;
            output.WriteLine($"{page}: {words.Length} sentences, median {words[words.Length / 2]}, longest {words[^1]} words");
        }
        Document.None(from page in Document.All from sentence in page.Sentences where IsLong(sentence) select $"{page}: {sentence}");
    }

    [Fact]
    public void Comments_of_the_running_settings_are_short_too()
    {
        foreach (string file in Directory.EnumerateFiles(Path.Combine(Locations.Root, "hocon"), "*.conf"))
        {
            string name = Path.GetFileName(file);
            IEnumerable<string> lines = File.ReadLines(file).Select(line => line.Trim());
            IEnumerable<string> comments = lines.Select(line => line.StartsWith('#') ? line.TrimStart('#', ' ') : "");
            Document.None(from sentence in Document.SentencesOf(comments) where IsLong(sentence) select $"{name}: {sentence}");
        }
    }

    [Fact]
    public void The_readme_is_soon_read()
    {
        string text = File.ReadAllText(Path.Combine(Locations.Root, "README.md"));
        int words = text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length;
        Assert.True(words <= LongestReadme, $"README.md has {words} words; expected {LongestReadme} at most");
    }

    private static bool IsLong(string sentence) => Document.WordsOf(sentence) > LongestSentence;
}
