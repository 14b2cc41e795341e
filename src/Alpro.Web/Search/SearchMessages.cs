using System.Text.Json.Serialization;

namespace Alpro.Web.Search;

/// <summary>What is sought. With neither a text nor a video, the first moment of each video comes, in the order of their names.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record SearchRequest
{
    /// <summary>What a moment should show, in words.</summary>
    public string? Text { get; init; }

    /// <summary>In place of a text: the video, by its name in the index, that moments should be like.</summary>
    public string? Video { get; init; }

    /// <summary>With a video: the second at which its moment starts that others should be like; null for the video as a whole.</summary>
    public double? Start { get; init; }

    /// <summary>Moments of videos below this folder alone.</summary>
    public string? Folder { get; init; }

    /// <summary>Moments of videos of at least so many seconds alone.</summary>
    public double? AtLeast { get; init; }

    /// <summary>Moments of videos of at most so many seconds alone.</summary>
    public double? AtMost { get; init; }

    /// <summary>How many moments to give, at most.</summary>
    public int Top { get; init; } = SearchLimits.UsualTop;

    /// <summary>How many of the best by similarity are matched with the text again, and ranked by that; 0 for none.</summary>
    public int Rerank { get; init; }
}

/// <summary>A stretch of a video.</summary>
/// <param name="Video">The video's name in the index.</param>
/// <param name="Name">Its file's name.</param>
/// <param name="Start">Second of the video at which it starts.</param>
/// <param name="End">Second at which it ends.</param>
/// <param name="Length">Seconds of the whole video; 0 for an image.</param>
/// <param name="Similarity">The cosine between its features and those of what is sought; null where nothing is.</param>
/// <param name="Match">The probability that text and moment belong together; null where they were not matched.</param>
public sealed record MomentMessage(
    string Video, string Name, double Start, double End, double Length, double? Similarity, double? Match);

/// <summary>What was found.</summary>
/// <param name="Moments">Best first.</param>
/// <param name="Among">Moments that pass the filters; where nothing is sought, videos.</param>
/// <param name="Matched">How many of them were matched with the text.</param>
/// <param name="UnknownWords">Words of the text that say nothing to the model.</param>
/// <param name="Problems">Moments that could not be read again to be matched, and why.</param>
/// <param name="Milliseconds">What the search took.</param>
public sealed record SearchAnswer(IReadOnlyList<MomentMessage> Moments, int Among, int Matched, IReadOnlyList<string> UnknownWords,
    IReadOnlyList<string> Problems, double Milliseconds);

/// <summary>A question.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record AskRequest
{
    /// <summary>The question.</summary>
    public required string Question { get; init; }

    /// <summary>The video it is about, by its name in the index.</summary>
    public required string Video { get; init; }

    /// <summary>The second at which the moment starts that it is about; null for the whole video.</summary>
    public double? Start { get; init; }

    /// <summary>How many answers to give, at most.</summary>
    public int Top { get; init; } = SearchLimits.UsualAnswers;
}

/// <summary>An answer to a question.</summary>
/// <param name="Answer">The answer: one of those that the model knows.</param>
/// <param name="Probability">Its probability among them.</param>
public sealed record AnswerMessage(string Answer, double Probability);

/// <summary>A frame that an answer was drawn from.</summary>
/// <param name="Second">When it is shown.</param>
/// <param name="Picture">The frame as the model saw it, a JPEG in Base64.</param>
public sealed record FrameMessage(double Second, byte[] Picture);

/// <summary>What a question is answered.</summary>
/// <param name="Answers">Most probable first.</param>
/// <param name="Frames">What they were drawn from.</param>
/// <param name="UnknownWords">Words of the question that say nothing to the model.</param>
public sealed record AskAnswer(
    IReadOnlyList<AnswerMessage> Answers, IReadOnlyList<FrameMessage> Frames, IReadOnlyList<string> UnknownWords);

/// <summary>The index, its model, and what may be asked of them.</summary>
/// <param name="Summary">How much there is, in a sentence.</param>
/// <param name="Videos">Videos in the index.</param>
/// <param name="Moments">Their moments.</param>
/// <param name="Folders">Folders that videos lie in.</param>
/// <param name="CannotAsk">Why no questions are answered; null where they are.</param>
/// <param name="Limits">What may be asked for.</param>
/// <param name="Meanings">What the models are and what scores mean, each a name and a text.</param>
public sealed record AboutMessage(string Summary, int Videos, int Moments, IReadOnlyList<string> Folders, string? CannotAsk,
    SearchLimits Limits, IReadOnlyDictionary<string, string> Meanings);

/// <summary>How much may be asked for at once.</summary>
/// <param name="Text">Letters of a text or question.</param>
/// <param name="Top">Moments.</param>
/// <param name="Rerank">Moments that are matched; 0 where the model does not match.</param>
public sealed record SearchLimits(int Text, int Top, int Rerank)
{
    internal const int UsualTop = 24, UsualAnswers = 5, MostAnswers = 20;
}

/// <summary>Why something is refused.</summary>
/// <param name="Error">What was found, what was expected.</param>
public sealed record ErrorMessage(string Error);
