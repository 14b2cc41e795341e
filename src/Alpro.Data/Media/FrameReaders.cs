namespace Alpro.Data.Media;

/// <summary>Chooses how frames are read, and what every reader checks.</summary>
public static class FrameReaders
{
    /// <summary>
    /// A reader that decodes in this process, or through the ffmpeg command where that is not possible; it tries again what may pass.
    /// </summary>
    /// <param name="limits">What reading one file may cost.</param>
    /// <param name="worker">The command of a child process in which to decode instead.</param>
    public static IFrameReader Create(DecodeLimits limits, WorkerCommand? worker = null) =>
        new PatientFrameReader(worker is null ? CreateOnce(limits) : new IsolatedFrameReader(limits, worker), limits);

    /// <summary>A reader that tries everything once.</summary>
    internal static IFrameReader CreateOnce(DecodeLimits limits) =>
        NativeDecoder.IsAvailable ? new VideoReader(limits) : new FfmpegProcessReader(limits);

    /// <summary>The mistakes a caller of <see cref="IFrameReader.Read"/> can make.</summary>
    internal static void CheckRequest(VideoInfo info, ReadOnlySpan<int> indices, int width, int height, int bytes)
    {
        if (info.FrameCount == 0) throw new InvalidOperationException("No file is open: Open comes before Read, and must have succeeded.");
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(height);
        for (int i = 0; i < indices.Length; i++)
        {
            if ((uint)indices[i] >= (uint)info.FrameCount)
                throw new ArgumentOutOfRangeException(nameof(indices), indices[i],
                    $"The file has {info.FrameCount} frames, numbered from 0.");
            if (i > 0 && indices[i] < indices[i - 1]) throw new ArgumentException("Frame numbers must ascend.", nameof(indices));
        }
        if ((long)indices.Length * height * width * 3 != bytes)
            throw new ArgumentException($"{indices.Length} frames of {width}x{height} need {(long)indices.Length * height * width * 3} "
                + $"bytes, not {bytes}.", nameof(bytes));
    }
}
