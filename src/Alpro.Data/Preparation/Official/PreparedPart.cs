namespace Alpro.Data.Preparation.Official;

/// <summary>A number of a part, beside the one that its owners publish.</summary>
/// <param name="What">What is counted, such as <c>videos</c>.</param>
/// <param name="Found">How many there are.</param>
/// <param name="Published">How many are published; null where nobody says.</param>
/// <param name="Unit">How precisely that is said: 100,000 for "2.5M".</param>
internal sealed record PartCount(string What, long Found, long? Published = null, long Unit = 1)
{
    /// <summary>Whether it is what was published, as precisely as that was said.</summary>
    public bool Agrees => Published is null || (Found + Unit / 2) / Unit * Unit == Published;
}

/// <summary>A part of a dataset in the form that the recipes read.</summary>
/// <param name="Name"><c>train</c>, <c>val</c>, <c>test</c>, or <c>answers</c>.</param>
/// <param name="File">The file that was written.</param>
/// <param name="Counts">What is in it.</param>
internal sealed record PreparedPart(string Name, string File, IReadOnlyList<PartCount> Counts)
{
    /// <summary>Rows of the published file that cannot be understood.</summary>
    public long LeftOut { get; init; }

    /// <summary>The first of these, each with file, row and reason.</summary>
    public IReadOnlyList<string> Problems { get; init; } = [];

    /// <summary>Clips without a file among the media; null where the media are not there yet.</summary>
    public long? WithoutMedia { get; init; }
}

/// <summary>What preparing annotations came to.</summary>
/// <param name="Parts">The parts that were written.</param>
/// <param name="Notes">What a person should know, such as a part that the given files do not have.</param>
internal sealed record AnnotationReport(IReadOnlyList<PreparedPart> Parts, IReadOnlyList<string> Notes)
{
    /// <summary>Every number that is not the published one, in words.</summary>
    public IReadOnlyList<string> Differences =>
    [
        .. from part in Parts
           from count in part.Counts
           where !count.Agrees
           select $"{part.Name}: {count.Found:N0} {count.What}, published are {count.Published:N0}",
    ];
}
