using System.Text;

namespace Alpro.Cli.Tests.Documents;

/// <summary>Takes apart what a page shows for a shell: comments, quotes, continued lines, several commands in a line.</summary>
internal static class ShellWords
{
    /// <summary>The commands of a block, each as its words.</summary>
    public static IEnumerable<string[]> CommandsOf(string text)
    {
        foreach (string line in text.Replace("\\\n", " ").Split('\n'))
        {
            var command = new List<string>();
            foreach (string word in WordsOf(line).Append(";"))
            {
                if (word is not (";" or "&&" or "|"))
                {
                    command.Add(word);
                    continue;
                }
                if (command.Count > 0) yield return [.. command];
                command.Clear();
            }
        }
    }

    private static IEnumerable<string> WordsOf(string line)
    {
        var word = new StringBuilder();
        (char quote, bool begun) = ('\0', false);
        foreach (char letter in line + " ")
        {
            if (quote != '\0')
            {
                if (letter == quote) quote = '\0';
                else word.Append(letter);
            }
            else if (letter is '"' or '\'') (quote, begun) = (letter, true);
            else if (letter == '#' && !begun) yield break;
            else if (letter != ' ')
            {
                word.Append(letter);
                begun = true;
            }
            else if (begun)
            {
                yield return word.ToString();
                word.Clear();
                begun = false;
            }
        }
    }
}
