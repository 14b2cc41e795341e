namespace Alpro.Data.Media;

/// <summary>What a row's media file holds.</summary>
public enum MediaKind
{
    /// <summary>A video: frames are chosen from it.</summary>
    Video,

    /// <summary>A still image: it stands as T equal frames.</summary>
    Image,
}
