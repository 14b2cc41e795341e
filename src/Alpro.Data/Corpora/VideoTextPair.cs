using Alpro.Data.Media;
using Alpro.Data.Places;
using Alpro.Data.Sampling;

namespace Alpro.Data.Corpora;

/// <summary>One row of a corpus: a video or image and what is said about it.</summary>
public sealed record VideoTextPair
{
    /// <summary>Row number within the corpus, from 0.</summary>
    public required long Row { get; init; }

    /// <summary>The row's own name: the video id, the clip name or the image path as the annotation spells it.</summary>
    public required string Key { get; init; }

    /// <summary>Whether the media file is a video or an image.</summary>
    public required MediaKind Kind { get; init; }

    /// <summary>Where the media bytes are.</summary>
    public required MediaSource Media { get; init; }

    /// <summary>The stretch of the video that is asked for; null for all of it.</summary>
    public FrameRange? Frames { get; init; }

    /// <summary>
    /// The name of the media wherever it lies. A file: its name without folder and extension. A member of a shard: the row's name.
    /// </summary>
    public string MediaName => Media.IsWholeFile ? Path.GetFileNameWithoutExtension(Place.NameOf(Media.Path)) : Key;

    /// <summary>The captions (one is drawn per visit), or the question of a question-answering row.</summary>
    public required IReadOnlyList<string> Captions { get; init; }

    /// <summary>The answer of a question-answering row; null elsewhere.</summary>
    public string? Answer { get; init; }

    /// <summary>The question type (what, who, how, where, when) of a question-answering row; null elsewhere.</summary>
    public string? AnswerType { get; init; }
}
