using System.IO.Hashing;
using System.Text;
using Alpro.Data;
using Alpro.Data.Corpora;
using Alpro.Data.Text;
using Alpro.Training.Inputs;

namespace Alpro.Training.Evaluation;

/// <summary>
/// What a downstream task is scored on: every video once, every text once, and which belongs to which. Texts and videos are in the
/// order of the annotation file.
/// </summary>
/// <param name="VideoKeys">The videos' names.</param>
/// <param name="VideoRows">A row of the corpus to read each video from.</param>
/// <param name="Texts">The captions or questions.</param>
/// <param name="VideoOfText">The number of each text's video.</param>
/// <param name="Answers">The label of each question's answer; -1 for one that has none, which can never be right. Empty for
/// retrieval.</param>
/// <param name="AnswerTypes">The type of each question: what, who, how, where, when. Empty for retrieval.</param>
public sealed record EvaluationSet(
    IReadOnlyList<string> VideoKeys,
    IReadOnlyList<long> VideoRows,
    TokenizedTexts Texts,
    IReadOnlyList<int> VideoOfText,
    IReadOnlyList<int> Answers,
    IReadOnlyList<string> AnswerTypes)
{
    private const int NamedAtMost = 10;

    /// <summary>
    /// What is odd about the rows, for a person: those that could not be understood, those that say what another said, answers without a
    /// label.
    /// </summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>The texts as they are written; none where nobody reads them.</summary>
    public IReadOnlyList<string> Written { get; init; } = [];

    /// <summary>The labels of the answers; null for a task without.</summary>
    public IReadOnlyDictionary<string, int>? Labels { get; init; }

    /// <summary>The videos and texts of a corpus.</summary>
    /// <param name="corpus">Its rows; those of one key are of one video.</param>
    /// <param name="tokenizer">Makes ids of the texts.</param>
    /// <param name="textLength">Ids per text, L.</param>
    /// <param name="labels">The answers' labels, for question answering.</param>
    public static EvaluationSet Of(VideoTextCorpus corpus, CaptionTokenizer tokenizer, int textLength,
        IReadOnlyDictionary<string, int>? labels = null)
    {
        var videos = new OrderedDictionary<string, long>();
        (List<string> texts, List<int> videoOfText, List<int> answers, List<string> types) = ([], [], [], []);
        var said = new HashSet<(int Video, string Text)>();
        (List<string> repeated, List<string> unlabelled) = ([], []);
        for (long row = 0; row < corpus.Count; row++)
        {
            VideoTextPair pair = corpus[row];
            videos.TryAdd(pair.Key, row);
            int video = videos.IndexOf(pair.Key);
            foreach (string text in pair.Captions)
            {
                texts.Add(text);
                videoOfText.Add(video);
                if (!said.Add((video, text))) repeated.Add($"{pair.Key} \"{text}\"");
                if (labels is null) continue;
                answers.Add(pair.Answer is { } answer ? labels.GetValueOrDefault(answer, -1) : -1);
                if (answers[^1] < 0) unlabelled.Add($"\"{pair.Answer}\"");
                types.Add(pair.AnswerType ?? "other");
            }
        }
        var tokenized = TokenizedTexts.Encode(tokenizer, texts, textLength);
        string[] unknown = [.. texts.SelectMany(tokenizer.UnknownWords).Distinct()];
        return new([.. videos.Keys], [.. videos.Values], tokenized, videoOfText, answers, types)
        {
            Written = texts,
            Labels = labels,
            Notes =
            [
                .. Note(corpus.Coverage.Malformed, "rows cannot be understood and are left out", corpus.Problems),
                .. Note(repeated.Count, "rows repeat a clip name with the same text; each counts", repeated),
                .. Note(unknown.Length, "words are not in the vocabulary, and say nothing", unknown),
                .. Note(unlabelled.Count, "answers are none of the labels and can never be right", [.. unlabelled.Distinct()]),
            ],
        };
    }

    /// <summary>A fingerprint of everything above: two sets with the same are scored alike.</summary>
    public string Hash()
    {
        var hash = new XxHash128();
        foreach (string text in VideoKeys.Concat(AnswerTypes)) hash.Append(Encoding.UTF8.GetBytes(text + "\n"));
        foreach (long number in Texts.Ids.Concat(VideoOfText.Concat(Answers).Select(number => (long)number)))
            hash.Append(BitConverter.GetBytes(number));
        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }

    /// <summary>Refuses to score a set of which no video can be read.</summary>
    /// <exception cref="DataException">None can.</exception>
    internal void RequireVideos(IReadOnlyList<MissingVideo> missing)
    {
        if (VideoKeys.Count == 0) throw new DataException("There is nothing to evaluate: the annotations have no row that can be used.");
        if (missing.Count == VideoKeys.Count)
            throw new DataException(
                $"None of the {missing.Count} videos can be read; the first is {missing[0]}. Do they lie where the configuration says?");
    }

    private static IEnumerable<string> Note(long count, string what, IReadOnlyList<string> examples)
    {
        if (count > 0) yield return $"{count} {what}: {string.Join("; ", examples.Take(NamedAtMost))}{(count > NamedAtMost ? "; …" : "")}";
    }
}
