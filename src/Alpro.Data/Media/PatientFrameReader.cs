
namespace Alpro.Data.Media;

/// <summary>
/// Reads through another reader. What failed in a way that may pass is tried again after a wait that grows. So a disk or a network share
/// that does not answer for a while makes no clip unreadable.
/// </summary>
/// <param name="reader">The reader; this one disposes it.</param>
/// <param name="limits">How often a file is tried, and the first wait.</param>
internal sealed class PatientFrameReader(IFrameReader reader, DecodeLimits limits) : IFrameReader
{
    private const int Growth = 4;

    private MediaSource _media;

    DecodeStatistics? IFrameReader.Statistics => reader.Statistics;

    /// <inheritdoc/>
    public VideoInfo Open(MediaSource media)
    {
        _media = media;
        for (int failures = 0; ;)
        {
            try
            {
                return reader.Open(media);
            }
            catch (UnreadableClipException exception) when (MayPass(exception) && failures + 1 < limits.Tries)
            {
                Wait(failures++);
            }
        }
    }

    /// <inheritdoc/>
    public void Read(ReadOnlySpan<int> indices, int width, int height, ResizeFilter filter, Span<byte> pixels_THWC)
    {
        for (int failures = 0; ;)
        {
            try
            {
                if (failures > 0) reader.Open(_media);
                reader.Read(indices, width, height, filter, pixels_THWC);
                return;
            }
            catch (UnreadableClipException exception) when (MayPass(exception) && failures + 1 < limits.Tries)
            {
                Wait(failures++);
            }
        }
    }

    /// <inheritdoc/>
    public void Fetch(ReadOnlySpan<int> indices) => reader.Fetch(indices);

    /// <inheritdoc/>
    public IReadOnlyList<int> KeyFrames() => reader.KeyFrames();

    /// <inheritdoc/>
    public void Dispose() => reader.Dispose();

    private static bool MayPass(UnreadableClipException problem) => problem.Reason is RejectReason.ReadError or RejectReason.TimedOut;

    private void Wait(int failures) =>
        Task.Delay(limits.BackOff * Math.Pow(Growth, failures), TimeProvider.System).GetAwaiter().GetResult();
}
