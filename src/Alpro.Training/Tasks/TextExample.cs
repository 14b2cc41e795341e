namespace Alpro.Training.Tasks;

/// <summary>What was found for a text: a video, or an answer.</summary>
/// <param name="Name">The video's name, or the answer.</param>
/// <param name="Rank">Its rank, from 1.</param>
/// <param name="IsRight">Whether it belongs to the text.</param>
/// <param name="Video">The number of the video; null for an answer.</param>
/// <param name="Probability">The probability of the answer, or that text and video match; null where it was not asked for.</param>
/// <param name="Similarity">The contrastive score of text and video; null for an answer.</param>
public sealed record FoundChoice(string Name, int Rank, bool IsRight, int? Video, double? Probability, double? Similarity);

/// <summary>A text with what was found for it, for a person to look at.</summary>
/// <param name="Text">The caption or question.</param>
/// <param name="Video">The number of its video.</param>
/// <param name="Truth">The right answer; null where it has no label, and for a caption.</param>
/// <param name="Choices">What was found, best first. What belongs to a caption is the last, if it is not among the best.</param>
public sealed record TextExample(string Text, int Video, string? Truth, IReadOnlyList<FoundChoice> Choices)
{
    /// <summary>Whether the best choice is right.</summary>
    public bool IsRight => Choices[0].IsRight;
}

/// <summary>Examples of one kind.</summary>
/// <param name="Title">What they are called.</param>
/// <param name="About">Which they are, and what is shown of them.</param>
/// <param name="IfNone">What to say where there are none.</param>
/// <param name="Examples">The examples, each of another video.</param>
public sealed record ExampleGroup(string Title, string About, string IfNone, IReadOnlyList<TextExample> Examples);
