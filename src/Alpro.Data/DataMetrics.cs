using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Alpro.Data;

/// <summary>What the making of clips measures of itself, for whoever listens to the meter <c>Alpro.Data</c> (docs/metrics.md).</summary>
internal static class DataMetrics
{
    private static readonly Meter _meter = new("Alpro.Data");

    private static readonly InstrumentAdvice<double> _stages = new()
    {
        HistogramBucketBoundaries = [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30],
    };

    private static readonly Counter<long> _decoded =
        _meter.CreateCounter<long>("alpro.clips.decoded", "{clip}", "Clips that this process made from their files.");

    private static readonly Histogram<double> _duration = _meter.CreateHistogram("alpro.clip.duration", "s",
        "Time of one stage of one clip, on the thread that made it.", advice: _stages);

    private static readonly Counter<long> _bytes =
        _meter.CreateCounter<long>("alpro.media.io", "By", "Bytes read from media files by the decoder in this process.");

    private static readonly Counter<long> _notCached = _meter.CreateCounter<long>("alpro.cache.failures", "{answer}",
        "Answers of stores that could not be kept in the cache.");

    /// <summary>A clip is made.</summary>
    public static void Decoded() => _decoded.Add(1);

    /// <summary>A stage of a clip took so long.</summary>
    public static void Took(string stage, TimeSpan time) =>
        _duration.Record(time.TotalSeconds, new KeyValuePair<string, object?>("stage", stage));

    /// <summary>A stage of a clip is over.</summary>
    /// <param name="stage">The stage.</param>
    /// <param name="began">When it began, by <see cref="Stopwatch"/>.</param>
    public static void TookSince(string stage, long began) => Took(stage, Stopwatch.GetElapsedTime(began));

    /// <summary>An answer of a store could not be kept.</summary>
    public static void NotCached() => _notCached.Add(1);

    /// <summary>So much was read from a media file.</summary>
    public static void ReadMedia(long bytes) => _bytes.Add(bytes);
}
