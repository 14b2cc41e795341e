namespace Alpro.Data.Media;

/// <summary>What a row's media file holds.</summary>
public enum MediaKind
{
    /// <summary>A video: frames are chosen from it.</summary>
    Video,

    /// <summary>A still image: it stands as T equal frames.</summary>
    Image,
}

/// <summary>What media files are, told by their names.</summary>
internal static class MediaFiles
{
    /// <summary>Extensions of images.</summary>
    public static IReadOnlyList<string> Images { get; } = [".jpg", ".jpeg", ".png", ".webp"];

    /// <summary>Whether a file's name is that of an image.</summary>
    public static bool IsImage(string path) => Images.Contains(Path.GetExtension(path).ToLowerInvariant());

    /// <summary>What a file's name says that it is: a video where it is not an image.</summary>
    public static MediaKind KindOf(string path) => IsImage(path) ? MediaKind.Image : MediaKind.Video;
}
