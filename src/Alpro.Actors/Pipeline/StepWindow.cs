namespace Alpro.Actors.Pipeline;

/// <summary>
/// How many steps ahead of the last delivered one clips may be made. There are always the least, for decoders that take turns at being
/// slow.
/// To them come the steps that pass while a clip is made and travels: the rate times the latency, both measured. All together take no more
/// than a bound in bytes, unless the least do.
/// </summary>
/// <param name="least">Steps ahead in any case.</param>
/// <param name="size">Bytes that the clips of all steps ahead may have.</param>
/// <param name="stepSize">Bytes of a step's clips.</param>
/// <param name="time">The clock.</param>
internal sealed class StepWindow(int least, long size, long stepSize, TimeProvider time)
{
    private readonly int _least = least;

    /// <summary>The first steps come as fast as they can, until they have filled what waits for the trainer.</summary>
    private const int Filling = 8;

    /// <summary>What a new measurement counts beside those before.</summary>
    private const double New = 1.0 / 16;

    private double _latency, _interval;                              // seconds
    private long _last = time.GetTimestamp();
    private int _steps;

    /// <summary>Steps ahead that are allowed now.</summary>
    public int Steps { get; private set; } = least;

    /// <summary>A clip has arrived.</summary>
    /// <param name="granted">When it was given out, as the clock's timestamp.</param>
    public void Clip(long granted) => Average(ref _latency, time.GetElapsedTime(granted).TotalSeconds);

    /// <summary>The clips of a step have gone to the trainer.</summary>
    public void Step()
    {
        long now = time.GetTimestamp();
        if (++_steps > Filling) Average(ref _interval, time.GetElapsedTime(_last, now).TotalSeconds);
        _last = now;
        if (_interval > 0)
            Steps = Math.Max(_least, (int)Math.Min(_least + _latency / _interval, Math.Min(size / stepSize, int.MaxValue / 2)));
    }

    private static void Average(ref double average, double next) => average = average == 0 ? next : average + New * (next - average);
}
