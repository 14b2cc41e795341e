using System.Globalization;
using Alpro.Data.Text;

namespace Alpro.Data.Preparation.Official;

/// <summary>
/// MSRVTT-QA and MSVD-QA: questions about numbered videos, and the list of the answers that a model chooses from. The type of a question is
/// its first word.
/// </summary>
/// <param name="prefix">What a video's number becomes a name with: <c>video</c> or <c>vid</c>.</param>
/// <param name="answers">Answers that the model chooses from: the commonest of training.</param>
/// <param name="published">Published numbers of questions, for train, val and test.</param>
/// <param name="mapping">The published file that names the videos by their numbers; null where numbers are names.</param>
internal sealed class QuestionAnnotations(
    string prefix, int answers, (long Train, long Val, long Test) published, string? mapping = null) : OfficialAnnotations
{
    private static readonly string[] _types = ["what", "who", "how", "where", "when"], _columns = ["answer", "question", "video_id"];

    public override string Files => "train_qa.json, val_qa.json, test_qa.json" + (mapping is null ? "" : $", {mapping}");

    /// <summary>Whether a file has questions.</summary>
    public static bool Asks(OfficialTable table) => table.Has(_columns);

    internal override AnnotationReport Write(IReadOnlyList<string> files, PreparedFolder folder, AnnotationChoices choices)
    {
        string? list = mapping is null ? null : files.FirstOrDefault(file => file.EndsWith(".txt", StringComparison.OrdinalIgnoreCase));
        Dictionary<string, string>? names = list is null ? null : Names(list);
        List<PreparedPart> parts = [];
        List<string> notes = [];
        foreach ((string part, OfficialTable[] tables) in ByPart(files.Where(file => file != list), _columns))
        {
            OfficialTable table = Only(part, tables);
            List<string> said = [];
            parts.Add(With(folder.WriteClips(part, table.Rows(_columns).Select(row =>
            {
                (string question, string answer) = (row.Fields["question"][0].Trim(), row.Fields["answer"][0].Trim());
                said.Add(answer);
                string clip = Clip(row.Fields["video_id"][0].Trim(), names, table.Path);
                return (clip, PreparedFolder.Json(new { video_id = clip, question, answer, answer_type = TypeOf(question) }));
            }), "questions", (part switch { "train" => published.Train, "val" => published.Val, _ => published.Test }, null)), table));
            if (part != "train") continue;
            IReadOnlyList<string> labels = AnswerList.Commonest(said, answers);
            string file = folder.Write("txt/train_ans2label.json", [AnswerList.ToJson(labels)]);
            HashSet<string> labelled = [.. labels];
            parts.Add(new("answers", file,
                [new("labels", labels.Count), new("questions of training with a label", said.Count(labelled.Contains))]));
        }
        if (parts.All(part => part.Name != "answers")) notes.Add("no list of answers: it is made of train_qa.json, which was not given");
        if (mapping is not null && names is null)
            notes.Add($"videos are named {prefix}1, {prefix}2, …; give {mapping} too where they have YouTube's names");
        return new(parts, notes);
    }

    /// <summary>The type of a question: its first word, where that is one of those that are counted apart.</summary>
    private static string TypeOf(string question) =>
        Array.Find(_types, type => type.Equals(question.Split(' ', 2)[0], StringComparison.OrdinalIgnoreCase)) ?? "other";

    /// <summary>A video's name without extension.</summary>
    private string Clip(string id, Dictionary<string, string>? names, string file)
    {
        string name = long.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out _) ? prefix + id : id;
        return names is null ? name : names.GetValueOrDefault(name)
            ?? throw new DataException($"{file}: asks about {name}, which {mapping} does not name; expected a line NAME {name}");
    }

    /// <summary>Reads lines of a video's name and its number, such as <c>-4wsuPCjDBc_5_15 vid1</c>.</summary>
    private static Dictionary<string, string> Names(string file)
    {
        var names = new Dictionary<string, string>();
        foreach (string[] words in File.ReadLines(file).Select(line => line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)))
        {
            if (words.Length == 0) continue;
            if (words.Length != 2 || !names.TryAdd(words[1], words[0]))
                throw new DataException($"{file}: \"{string.Join(' ', words)}\" is not a video's name and its number; expected lines "
                    + "such as \"-4wsuPCjDBc_5_15 vid1\", each number once");
        }
        return names;
    }
}
