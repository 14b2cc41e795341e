using Alpro.Data.Sampling;

namespace Alpro.Data.Synthetic;

/// <summary>
/// What one clip of the synthetic world shows: one to three equal shapes that move together over a background. Every attribute is
/// visible in the pixels and named in the caption.
/// </summary>
/// <param name="Shape">Index into <see cref="Shapes"/>.</param>
/// <param name="Color">Index into <see cref="Colors"/>.</param>
/// <param name="Motion">Index into <see cref="Motions"/>.</param>
/// <param name="Count">Number of shapes, 1 to 3.</param>
/// <param name="Size">Index into <see cref="Sizes"/>.</param>
/// <param name="Pattern">Index into <see cref="Patterns"/>.</param>
/// <param name="Ground">Index into <see cref="Grounds"/>.</param>
internal readonly record struct SyntheticScene(int Shape, int Color, int Motion, int Count, int Size, int Pattern, int Ground)
{
    /// <summary>Shapes, in the singular.</summary>
    public static IReadOnlyList<string> Shapes { get; } = ["circle", "square", "triangle", "bar", "cross"];

    /// <summary>Colours of the shapes.</summary>
    public static IReadOnlyList<string> Colors { get; } = ["red", "green", "blue", "yellow", "purple", "white"];

    /// <summary>Directions of motion; the last is none.</summary>
    public static IReadOnlyList<string> Motions { get; } = ["left", "right", "up", "down", "still"];

    /// <summary>Numbers of shapes, from one.</summary>
    public static IReadOnlyList<string> Counts { get; } = ["one", "two", "three"];

    /// <summary>Sizes of the shapes.</summary>
    public static IReadOnlyList<string> Sizes { get; } = ["small", "large"];

    /// <summary>Patterns of the background.</summary>
    public static IReadOnlyList<string> Patterns { get; } = ["plain", "striped", "dotted"];

    /// <summary>Colours of the background.</summary>
    public static IReadOnlyList<string> Grounds { get; } = ["black", "gray", "brown", "navy"];

    /// <summary>Number of different combinations of shape, colour, motion and count: the part of a scene that splits hold out.</summary>
    public static int Combinations { get; } = Shapes.Count * Colors.Count * Motions.Count * Counts.Count;

    /// <summary>Number of different looks (size, pattern, background colour) of one combination.</summary>
    public static int Looks { get; } = Sizes.Count * Patterns.Count * Grounds.Count;

    /// <summary>The scene of a combination (0 to <see cref="Combinations"/> - 1) in one look (0 to <see cref="Looks"/> - 1).</summary>
    public static SyntheticScene From(int combination, int look) => new(
        Shape: combination % Shapes.Count,
        Color: combination / Shapes.Count % Colors.Count,
        Motion: combination / (Shapes.Count * Colors.Count) % Motions.Count,
        Count: combination / (Shapes.Count * Colors.Count * Motions.Count) + 1,
        Size: look % Sizes.Count,
        Pattern: look / Sizes.Count % Patterns.Count,
        Ground: look / (Sizes.Count * Patterns.Count));

    private string Things => Count == 1 ? Shapes[Shape] : Plural(Shape);

    private string Subject => $"{Counts[Count - 1]} {Sizes[Size]} {Colors[Color]} {Things}";

    private string Background => $"{Patterns[Pattern]} {Grounds[Ground]} background";

    /// <summary>A sentence that names every attribute, in one of four wordings.</summary>
    /// <param name="random">Chooses the wording.</param>
    /// <param name="orShort">A fifth wording is possible, which names no background: people do not always name it either.</param>
    public string Caption(ref SeededRandom random, bool orShort = false)
    {
        string moving = IsStill ? "staying still" : $"moving {Motions[Motion]}";
        string moves = (IsStill ? "stay" : "move") + (Count == 1 ? "s" : "") + " " + Motions[Motion];
        return random.NextInt32(orShort ? 5 : 4) switch
        {
            0 => $"{Subject} {moves} on a {Background}",
            1 => $"on a {Background} {Subject} {moves}",
            2 => $"{Subject} {moving} over a {Background}",
            3 => $"a video of {Subject} {moving} in front of a {Background}",
            _ => $"{Subject} {moves}",
        };
    }

    /// <summary>A sentence about a still picture of the scene: every attribute but motion.</summary>
    public string ImageCaption(ref SeededRandom random) => random.NextInt32(3) switch
    {
        0 => $"{Subject} on a {Background}",
        1 => $"a photo of {Subject} over a {Background}",
        _ => $"a {Background} with {Subject}",
    };

    /// <summary>Questions about the scene with their answers and types, none of which gives its answer away.</summary>
    public IEnumerable<(string Question, string Answer, string Type)> Questions() =>
    [
        ($"what shape is {Colors[Color]} in the video?", Shapes[Shape], "what"),
        ($"what {Colour} {Copula} the {Things}?", Colors[Color], "what"),
        ($"what {Colour} is the background?", Grounds[Ground], "what"),
        ("what does the background look like?", Patterns[Pattern], "what"),
        ($"how many {Plural(Shape)} are there?", Counts[Count - 1], "how"),
        ($"how big {Copula} the {Colors[Color]} {Things}?", Sizes[Size], "how"),
        ($"where {(Count == 1 ? "does" : "do")} the {Things} move?", IsStill ? "nowhere" : Motions[Motion], "where"),
    ];

    /// <summary>Some scenes are asked about in one spelling, some in the other, so that a model learns both.</summary>
    private string Colour => Motion % 2 == 0 ? "colour" : "color";

    private bool IsStill => Motion == Motions.Count - 1;

    private string Copula => Count == 1 ? "is" : "are";

    private static string Plural(int shape) => Shapes[shape] + (Shapes[shape].EndsWith('s') ? "es" : "s");
}
