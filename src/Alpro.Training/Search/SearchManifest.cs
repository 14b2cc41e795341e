using Alpro.Training.Configuration;

namespace Alpro.Training.Search;

/// <summary>The model that an index was made with: what its features say, and where its weights lie.</summary>
/// <param name="Name">The checkpoint's name, for a person.</param>
/// <param name="Task">What it has learned to do.</param>
/// <param name="Corpora">What its configuration says that it was trained on.</param>
/// <param name="Weights">The file of the weights, as it was named.</param>
/// <param name="WeightHash">SHA-256 of that file.</param>
/// <param name="ConfigHash">SHA-256 of the settings that decide the features; paths are no part of it.</param>
/// <param name="HasMatching">Whether it has trained the head that tells how well a text matches a video.</param>
public sealed record IndexedModel(string Name, LearningTask Task, IReadOnlyList<string> Corpora, string Weights, string WeightHash,
    string ConfigHash, bool HasMatching);

/// <summary>How videos are cut into windows.</summary>
public sealed record WindowSettings
{
    /// <summary>Seconds of a window; null for one window of a video's whole length.</summary>
    public double? Seconds { get; init; } = 4;

    /// <summary>Seconds from the begin of a window to that of the next.</summary>
    public double Stride { get; init; } = 2;
}

/// <summary>What an index holds: <c>index.json</c>. It is written last, and at once: an index without it is not finished.</summary>
public sealed record SearchManifest
{
    /// <summary>The version of the format that this program reads and writes.</summary>
    public const int CurrentFormat = 1;

    /// <summary>The version of the format.</summary>
    public int Format { get; init; } = CurrentFormat;

    /// <summary>Number of the folder with the data; each change of the index makes the next.</summary>
    public int Generation { get; init; }

    /// <summary>The folder or corpus whose videos these are, for a person.</summary>
    public required string Source { get; init; }

    /// <summary>The model.</summary>
    public required IndexedModel Model { get; init; }

    /// <summary>How videos were cut.</summary>
    public required WindowSettings Windows { get; init; }

    /// <summary>Numbers of a feature, F.</summary>
    public required int Width { get; init; }

    /// <summary>Tokens of a window that are kept for matching, and numbers of each, [M, D]; null where none are.</summary>
    public int[]? Tokens { get; init; }

    /// <summary>Windows, N.</summary>
    public int Count { get; init; }

    /// <summary>Files, those included that could not be read.</summary>
    public int Files { get; init; }
}
