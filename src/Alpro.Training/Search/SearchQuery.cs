namespace Alpro.Training.Search;

/// <summary>What is looked for: a text, or what is like a window or a whole video. Exactly one of the three is given.</summary>
public sealed record SearchQuery
{
    /// <summary>A text.</summary>
    public string? Text { get; init; }

    /// <summary>The number of a window: finds windows like it, without those that overlap it.</summary>
    public int? Window { get; init; }

    /// <summary>The number of a file: finds windows of other files that are like all of it.</summary>
    public int? File { get; init; }

    /// <summary>Windows to find, at most.</summary>
    public int Top { get; init; } = 10;

    /// <summary>For a text: so many of the most similar windows are matched with it, and ranked by that; 0 for none.</summary>
    public int Rerank { get; init; }

    /// <summary>Only windows of files whose name begins with this folder; null for all.</summary>
    public string? Folder { get; init; }

    /// <summary>Only windows of videos that have so many seconds at least; null for all.</summary>
    public double? MinSeconds { get; init; }

    /// <summary>Only windows of videos that have so many seconds at most; null for all.</summary>
    public double? MaxSeconds { get; init; }
}

/// <summary>A window that was found.</summary>
/// <param name="Window">The window.</param>
/// <param name="File">Its file.</param>
/// <param name="Similarity">How similar its feature is to what was looked for, -1 to 1.</param>
/// <param name="Contrastive">The similarity over the model's temperature: the contrastive score of evaluation.</param>
/// <param name="Match">The probability that it and the text belong together; null where they were not matched.</param>
public sealed record SearchHit(Window Window, IndexedFile File, double Similarity, double Contrastive, double? Match);

/// <summary>What was found.</summary>
/// <param name="Hits">Windows, best first: those that were matched, by that, before those that were not.</param>
/// <param name="UnknownWords">Words of the text that the model does not know; they say nothing.</param>
/// <param name="Problems">Windows of the shortlist that could not be read again for matching, and why.</param>
/// <param name="SearchMilliseconds">Time of encoding the query and of the product.</param>
/// <param name="MatchMilliseconds">Time of matching; 0 without.</param>
public sealed record SearchResult(IReadOnlyList<SearchHit> Hits, IReadOnlyList<string> UnknownWords, IReadOnlyList<string> Problems,
    double SearchMilliseconds, double MatchMilliseconds);

/// <summary>A frame that a model saw.</summary>
/// <param name="Seconds">Where it is in the video.</param>
/// <param name="Jpeg">Its picture.</param>
public sealed record SeenFrame(double Seconds, byte[] Jpeg);

/// <summary>An answer and its probability.</summary>
public sealed record ProbableAnswer(string Answer, double Probability);

/// <summary>The answers to a question about a window or a video.</summary>
/// <param name="Answers">Answers, best first.</param>
/// <param name="UnknownWords">Words of the question that the model does not know; they say nothing.</param>
/// <param name="Frames">The frames that the answers were drawn from.</param>
public sealed record AskedAnswers(IReadOnlyList<ProbableAnswer> Answers, IReadOnlyList<string> UnknownWords,
    IReadOnlyList<SeenFrame> Frames);
