using Alpro.Actors.Hosting;
using Alpro.Training.Records;

namespace Alpro.Web;

/// <summary>Whether something is as it should be, and what is known of it.</summary>
/// <param name="IsTrue">Whether it is.</param>
/// <param name="Words">What is known, for a person.</param>
public sealed record HealthCheck(bool IsTrue, string Words);

/// <summary>What a process knows of its run while that goes on. Written by the run's threads, read by those of the page.</summary>
/// <param name="trains">Whether this process is to train.</param>
/// <param name="time">The clock.</param>
public sealed class RunHealth(bool trains, TimeProvider time)
{
    /// <summary>
    /// A step may take as many times as long as the slowest of the latest, and this time at least: checkpoints and restarts come between.
    /// </summary>
    private const int Slower = 10, Latest = 100;

    private static readonly TimeSpan _least = TimeSpan.FromSeconds(60);

    private readonly Lock _lock = new();
    private readonly Queue<double> _milliseconds = new();            // of the latest steps, and of what lay between them
    private StepRecord? _last;
    private long? _total, _validating;
    private long _since;                                             // the last sign of life
    private bool _begun;
    private volatile RunStatus? _judged;
    private volatile Func<IReadOnlyList<NodeStatus>, IReadOnlyList<NodeStatus>>? _nodes;

    /// <summary>The run; null before it is known.</summary>
    public TrainingRun? Run { get; private set; }

    /// <summary>Pictures of the newest batch; null before the first.</summary>
    public BatchSample? Batch { get; private set; }

    /// <summary>The run, which tells this status how it goes, and whose report is the page.</summary>
    public TrainingRun Watch(TrainingRun run) => Run = run with
    {
        Report = RunReport.Write,
        Joined = nodes => _nodes = nodes,
        Judged = status =>
        {
            _judged = status;
            run.Judged(status);
        },
        Started = (state, loaded) =>
        {
            Live(() => (_begun, _total, _validating) = (true, state.TotalSteps, null));
            _judged = null;                                          // another may be the first rank now, and judge
            run.Started(state, loaded);
        },
        Trained = record =>
        {
            Live(() => Add(record));
            run.Trained(record);
        },
        Pictured = sample =>
        {
            Batch = sample;
            run.Pictured(sample);
        },
        Validating = step =>
        {
            Live(() => _validating = step);
            run.Validating(step);
        },
    };

    /// <summary>
    /// Whether this process trains as it should: it has made a step within a time that follows from its own steps, or has a reason not to.
    /// </summary>
    public HealthCheck Health()
    {
        lock (_lock)
        {
            if (!trains) return new(true, "this process does not train");
            if (!_begun) return new(true, "the run has not begun: corpora are opened, or others are waited for");
            string since = $"{Since.TotalSeconds:0.0} s";
            if (_last?.Step + 1 is { } done && done == _total) return new(true, $"all {done} steps are done");
            if (_validating is { } validated) return new(true, $"it validates after step {validated}, since {since}");
            if (_milliseconds.Count == 0) return new(true, $"the first step began {since} ago; there are none yet to compare it with");
            TimeSpan bound = TimeSpan.FromMilliseconds(_milliseconds.Max() * Slower);
            if (bound < _least) bound = _least;
            string limit = $"{bound.TotalSeconds:0} s are allowed: {Slower} times the slowest of the last {_milliseconds.Count} steps, "
                + $"and {_least.TotalSeconds:0} s at least";
            return Since <= bound ? new(true, $"the last step ended {since} ago; {limit}")
                : new(false, $"no step has ended for {since}; {limit}");
        }
    }

    /// <summary>Whether the corpora are open and the first step has begun.</summary>
    public HealthCheck Readiness()
    {
        lock (_lock)
            return !trains ? new(true, "this process does not train")
                : _begun ? new(true, "the corpora are open, and the first step has begun")
                : new(false, "the first step has not begun: corpora are opened, or others are waited for");
    }

    /// <summary>
    /// How the run is doing: as this process judges it, or, where others write the run down, as its folder says. What is older than this
    /// process is of a run before.
    /// </summary>
    public RunStatus Report()
    {
        RunStatus? judged = _judged;
        long total;
        lock (_lock) total = _total ?? 0;
        if (judged is null && Run is { } run && RunStatus.Read(run.Folder) is { } written && written.Time >= run.Began) judged = written;
        judged ??= RunStatus.NotBegun(time.GetUtcNow(), total);
        return _nodes is { } nodes ? judged with { Nodes = nodes(judged.Nodes) } : judged;
    }

    private TimeSpan Since => time.GetElapsedTime(_since);

    private void Add(StepRecord record)
    {
        (_last, _validating) = (record, null);
        _milliseconds.Enqueue(record.StepMs + record.BetweenMs);
        if (_milliseconds.Count > Latest) _milliseconds.Dequeue();
    }

    private void Live(Action change)
    {
        lock (_lock)
        {
            change();
            _since = time.GetTimestamp();
        }
    }
}
