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
            return parts.Length == 1 ? Path.Exists(path) : pages.TryGetValue(path, out Document? target) && target.Anchors.Contains(parts[1]);
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
            foreach (string link in page.Links) next.Enqueue(Path.GetFullPath(Path.Combine(Path.GetDirectoryName(path)!, link.Split('#')[0])));
        }
        Document.None(Document.All.Where(page => !reached.Contains(page.Path)).Select(page => page.Name));
    }

    [Fact]
    public void Sentences_are_short()
    {
        foreach (Document page in Document.All)
        {
            int[] lengths = [.. page.Sentences.Where(sentence => sentence[^1] is '.' or '?' or '!').Select(Document.WordsOf).Order()];
            if (lengths.Length > 0) output.WriteLine($"{page}: {lengths.Length} sentences, median {lengths[lengths.Length / 2]}, longest {lengths[^1]} words");
        }
        Document.None(from page in Document.All from sentence in page.Sentences let words = Document.WordsOf(sentence) where words > LongestSentence select $"{page}: {words} words: {sentence}");
    }

    [Fact]
    public void Comments_of_the_running_settings_are_short_too()
    {
        foreach (string file in Directory.EnumerateFiles(Path.Combine(Locations.Root, "hocon"), "*.conf"))
        {
            IEnumerable<string> comments = File.ReadLines(file).Select(line => line.Trim()).Select(line => line.StartsWith('#') ? line.TrimStart('#', ' ') : "");
            Document.None(Document.SentencesOf(comments).Where(sentence => Document.WordsOf(sentence) > LongestSentence).Select(sentence => $"{Path.GetFileName(file)}: {sentence}"));
        }
    }

    [Fact]
    public void The_readme_is_soon_read()
    {
        int words = File.ReadAllText(Path.Combine(Locations.Root, "README.md")).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length;
        Assert.True(words <= LongestReadme, $"README.md has {words} words; expected {LongestReadme} at most");
    }
}
