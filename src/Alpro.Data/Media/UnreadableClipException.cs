namespace Alpro.Data.Media;

/// <summary>Why a clip could not be read. The names appear in records and lists.</summary>
public enum RejectReason
{
    /// <summary>The file is not there.</summary>
    Missing,

    /// <summary>The file has no bytes.</summary>
    Empty,

    /// <summary>The file is not a video or image that FFmpeg knows.</summary>
    NotMedia,

    /// <summary>The file has no video stream.</summary>
    NoVideoStream,

    /// <summary>A frame that is wanted cannot be decoded, or is damaged.</summary>
    Corrupt,

    /// <summary>The file ends before a frame that is wanted.</summary>
    Truncated,

    /// <summary>The picture is larger than is allowed.</summary>
    TooLarge,

    /// <summary>Reading or decoding took longer than its deadline.</summary>
    TimedOut,

    /// <summary>The row's text cannot be used.</summary>
    BadText,

    /// <summary>The path leads out of the media folder.</summary>
    OutsideFolder,

    /// <summary>The process that decoded it died, as often as is allowed.</summary>
    DecoderDied,

    /// <summary>The operating system could not read the file, which may pass.</summary>
    ReadError,

    /// <summary>The file may not be read.</summary>
    Denied,

    /// <summary>The store does not do what is asked of it, such as to send a part of a file.</summary>
    Refused,

    /// <summary>The store did not answer within its deadline, however often it was asked.</summary>
    Unreachable,
}

/// <summary>A clip cannot be made from its row: not a fault of the program but a fact about the data, counted and listed.</summary>
/// <param name="reason">The kind of trouble.</param>
/// <param name="path">The media file.</param>
/// <param name="message">What was found, for a person.</param>
/// <param name="inner">The cause, if an exception was.</param>
public sealed class UnreadableClipException(RejectReason reason, string path, string message, Exception? inner = null)
    : Exception($"{path}: {message}", inner)
{
    /// <summary>The kind of trouble.</summary>
    public RejectReason Reason { get; } = reason;

    /// <summary>The media file.</summary>
    public string Path { get; } = path;

    /// <summary>What was found, without the path.</summary>
    public string Finding { get; } = message;
}
