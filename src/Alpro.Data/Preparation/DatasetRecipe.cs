using Alpro.Data.Media;
using Alpro.Data.Preparation.Official;

namespace Alpro.Data.Preparation;

/// <summary>An archive as its authors publish it.</summary>
/// <param name="FileName">Its name.</param>
/// <param name="Md5">Its published checksum, in hexadecimal.</param>
internal sealed record PublishedArchive(string FileName, string Md5);

/// <summary>How the media of one dataset of the paper are made ready (paper appendix; the release notes of its code).</summary>
internal sealed record DatasetRecipe
{
    /// <summary>The dataset's name on the command line.</summary>
    public required string Name { get; init; }

    /// <summary>Archives with published checksums; others are unpacked unchecked.</summary>
    public IReadOnlyList<PublishedArchive> Archives { get; init; } = [];

    /// <summary>Media files there are when complete; null where every download is different.</summary>
    public int? Expected { get; init; }

    /// <summary>Names, without extension, that are known to be missing everywhere.</summary>
    public IReadOnlyList<string> KnownMissing { get; init; } = [];

    /// <summary>Extensions of the dataset's media.</summary>
    public IReadOnlyList<string> Extensions { get; init; } = _videoExtensions;

    /// <summary>How its published annotations become what the recipes read.</summary>
    public required OfficialAnnotations Annotations { get; init; }

    /// <summary>How its media are converted; null where they are used as they are.</summary>
    public ConversionSettings? Conversion { get; init; }

    private static readonly string[] _videoExtensions =
        [".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".3gp", ".wmv", ".flv", ".mts", ".ogv"];

    /// <summary>The datasets of the paper.</summary>
    public static IReadOnlyList<DatasetRecipe> All { get; } =
    [
        new() { Name = "webvid", Annotations = new WebvidAnnotations(), Conversion = new ConversionSettings { RateFactor = 0.1 } },
        new() { Name = "cc3m", Annotations = new Cc3mAnnotations(), Extensions = MediaFiles.Images },
        new()
        {
            Name = "msrvtt",
            Annotations = new MsrvttAnnotations(),
            Archives = [new("train_val_videos.zip", "51f2394d279cf84f1642defd9a651e6f"),
                new("test_videos.zip", "0af68454cec9d586e92805739f3911d0")],
            Expected = 10_000,
        },
        new()
        {
            Name = "msvd",
            Annotations = new QuestionAnnotations("vid", answers: 2423, (30_933, 6_415, 13_157), "youtube_mapping.txt"),
            Archives = [new("YouTubeClips.tar", "9bdb20fcf14d59524a6febca9f6a8d89")],
            Expected = 1_970,
        },
        new()
        {
            Name = "didemo",
            Annotations = new DidemoAnnotations(),
            Expected = 10_463,
            KnownMissing = ["77807177@N00_5753455690_1e04ccb364"],
            Conversion = new ConversionSettings(),
        },
    ];
}
