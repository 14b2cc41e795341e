namespace Alpro.Data.Sampling;

/// <summary>A stretch of a video.</summary>
/// <param name="First">Its first frame.</param>
/// <param name="Count">Its frames.</param>
public readonly record struct FrameRange(int First, int Count)
{
    /// <summary>As much of it as a video has; one frame at least.</summary>
    internal FrameRange Within(int frames)
    {
        int first = Math.Clamp(First, 0, frames - 1);
        return new(first, Math.Clamp(Count, 1, frames - first));
    }
}
