using Alpro.Data.Places;

namespace Alpro.Data.Media;

/// <summary>What reading one media file may cost, so that no file can hold up or exhaust a run.</summary>
public sealed record DecodeLimits
{
    /// <summary>The most time one call, opening or reading, may take; then the clip has timed out.</summary>
    public TimeSpan Deadline { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How often a file is tried that cannot be read, or not in time.</summary>
    public int Tries { get; init; } = 4;

    /// <summary>The wait before it is tried again; each is four times the one before.</summary>
    public TimeSpan BackOff { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How stores are asked, which have a deadline of their own, and the cache of what they answered.</summary>
    public PlaceSettings Places { get; init; } = new();

    /// <summary>The largest picture in pixels, width times height as coded.</summary>
    public long MaxPixels { get; init; } = 1L << 26;

    /// <summary>The most packets a video stream may have: about the number of its frames.</summary>
    public long MaxPackets { get; init; } = 1L << 22;
}
