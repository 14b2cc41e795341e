namespace Alpro.Training.Records;

/// <summary>
/// Cuts the time of a process that trains into stretches, and says what each went to. Every rank keeps its own, because any of them may
/// have to write the run down next. A stretch ends when the cause changes, or when it is a second and a thousandth of the process's time.
/// So a process that is killed takes at most that much with it, and a week has some thousand lines. For any thread.
/// </summary>
public sealed class Timeline
{
    /// <summary>Stretches that are kept for the case that this process has to write them down.</summary>
    private const int MostKept = 256;

    private const double Shortest = 1, ShortestShare = 0.001;

    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private readonly DateTimeOffset _began;
    private readonly long _start;
    private readonly double _before;                                 // seconds from the begin of the process to this object
    private readonly Queue<Stretch> _done = new();
    private readonly Dictionary<TimeCause, double> _spent = [];
    private Dictionary<TimeCause, double> _seconds = [];
    private TimeCause _cause = TimeCause.StartUp;
    private (TimeCause Cause, double From)? _outage;                 // from which training has not recovered yet
    private double _from, _to;                                       // of the stretch under way, in seconds since the begin
    private long _step, _steps;

    /// <summary>The timeline of a process.</summary>
    /// <param name="began">When it began.</param>
    /// <param name="time">The clock. From here on only its timestamps count: a clock on the wall may be put right.</param>
    public Timeline(DateTimeOffset began, TimeProvider time)
    {
        (_began, _time, _start) = (began, time, time.GetTimestamp());
        _seconds[TimeCause.StartUp] = _to = Math.Max(0, (time.GetUtcNow() - began).TotalSeconds);
        _before = _to;
    }

    /// <summary>So many seconds since the last word went to something else than what goes on.</summary>
    public void Spend(TimeCause cause, double seconds)
    {
        lock (_lock) _spent[cause] = _spent.GetValueOrDefault(cause) + seconds;
    }

    /// <summary>From now on the time goes to another cause.</summary>
    /// <param name="cause">The cause.</param>
    /// <param name="step">Steps done; null where that is as it was.</param>
    /// <returns>When training goes on after a loss: what was lost, and how long that took; else null.</returns>
    public (TimeCause Cause, TimeSpan Time)? Turn(TimeCause cause, long? step = null)
    {
        lock (_lock)
        {
            Count();
            Cut();
            _cause = cause;
            if (step is { } done) _step = done;
            if (cause is TimeCause.Restart or TimeCause.RankLost or TimeCause.GroupGrown) _outage ??= (cause, _to);
            if (cause != TimeCause.Training || _outage is not { } outage) return null;
            _outage = null;
            return (outage.Cause, TimeSpan.FromSeconds(_to - outage.From));
        }
    }

    /// <summary>A step is done.</summary>
    public void Step(StepRecord record)
    {
        lock (_lock)
        {
            _spent[TimeCause.Waiting] = _spent.GetValueOrDefault(TimeCause.Waiting) + record.WaitMs / 1000;
            Count();
            _steps++;
            if (_to - _from >= Math.Max(Shortest, _to * ShortestShare)) Cut();
        }
    }

    /// <summary>The stretches that are over and come after a time, and no longer in here.</summary>
    public IReadOnlyList<Stretch> Take(DateTimeOffset after)
    {
        lock (_lock)
        {
            Stretch[] taken = [.. _done.Select(stretch => stretch.After(after)).OfType<Stretch>()];
            _done.Clear();
            return taken;
        }
    }

    /// <summary>Shares out the time since the last word.</summary>
    private void Count()
    {
        double now = _before + _time.GetElapsedTime(_start).TotalSeconds, left = now - _to;
        foreach ((TimeCause cause, double seconds) in _spent)
        {
            double part = Math.Min(left, seconds);
            _seconds[cause] = _seconds.GetValueOrDefault(cause) + part;
            left -= part;
        }
        _seconds[_cause] = _seconds.GetValueOrDefault(_cause) + left;
        _spent.Clear();
        _to = now;
    }

    private void Cut()
    {
        if (_to > _from) _done.Enqueue(new(_began.AddSeconds(_from), _step, _steps, _seconds));
        if (_done.Count > MostKept) _done.Dequeue();
        (_seconds, _from, _step, _steps) = ([], _to, _step + _steps, 0);
    }
}
