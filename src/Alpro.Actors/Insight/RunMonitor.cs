using Alpro.Training.Checkpoints;
using Alpro.Training.Records;

namespace Alpro.Actors.Insight;

/// <summary>
/// What a process that trains measures of its run: the account of its time, and the latest steps, of which the verdict is. One thread adds
/// steps, any may add time.
/// </summary>
/// <param name="time">The clock.</param>
/// <param name="began">When the process began.</param>
/// <param name="common">What does not change: the size of a batch, the settings, the host.</param>
/// <param name="loads">What was decoded so far, for each node.</param>
internal sealed class RunMonitor(
    TimeProvider time, DateTimeOffset began, Measurements common, Func<IReadOnlyList<NodeLoad>> loads)
{
    /// <summary>Steps after the begin of a stream that are passed over: it has to fill first.</summary>
    private const int Filling = 4;

    private const int MostSteps = 1000;

    private static readonly TimeSpan _window = TimeSpan.FromSeconds(10), _every = TimeSpan.FromSeconds(2);

    private sealed record Sample(long At, StepRecord Step, double Checkpoints, IReadOnlyList<NodeLoad> Loads);

    private readonly Queue<Sample> _samples = new();
    private IReadOnlyList<string> _ranks = [];
    private double _checkpoints;
    private long _total, _judged;
    private int _filling;
    private Sample? _last;

    /// <summary>Where the run is carried out; null where nobody asks.</summary>
    public RunOrigin? Origin { get; init; }

    /// <summary>Finished batches for which there is room.</summary>
    public int QueueRoom { get; init; }

    /// <summary>Clips that are on their way to the trainer.</summary>
    public Func<long> InHand { get; init; } = static () => 0;

    /// <summary>The nodes of the cluster; null for a process that runs alone.</summary>
    public NodeRoster? Roster { get; init; }

    /// <summary>The account of this process's time.</summary>
    public Timeline Timeline { get; } = new(began, time);

    /// <summary>A trainer begins at a step, with an empty stream.</summary>
    /// <param name="state">Where it stands.</param>
    /// <param name="ranks">Where the ranks of its group are; none where it is alone.</param>
    /// <returns>What <see cref="Timeline.Turn"/> says of a loss from which it has recovered.</returns>
    public (TimeCause Cause, TimeSpan Time)? Begin(TrainState state, IReadOnlyList<string> ranks)
    {
        lock (_samples)
        {
            _samples.Clear();
            (_ranks, _total, _filling, _last) = (ranks, state.TotalSteps, Filling, null);
        }
        return Timeline.Turn(TimeCause.Training, state.Step);
    }

    /// <summary>Time since the last step went to something else.</summary>
    public void Spend(TimeCause cause, double seconds)
    {
        Timeline.Spend(cause, seconds);
        if (cause != TimeCause.Checkpoint) return;
        lock (_samples) _checkpoints += seconds;
    }

    /// <summary>A step is done.</summary>
    public void Add(StepRecord record)
    {
        IReadOnlyList<NodeLoad> decoded = loads();
        lock (_samples)
        {
            _last = new(time.GetTimestamp(), record, _checkpoints, decoded);
            if (_filling > 0)
            {
                _filling--;
                return;
            }
            _samples.Enqueue(_last);
            while (_samples.Count > MostSteps
                || (_samples.Count > 2 * Verdict.FewestSteps && time.GetElapsedTime(_samples.Peek().At, _last.At) > _window))
                _samples.Dequeue();
        }
    }

    /// <summary>Whether it is time to say how the run is doing; then it is not again for a while.</summary>
    public bool IsDue()
    {
        if (_judged != 0 && time.GetElapsedTime(_judged) < _every) return false;
        _judged = time.GetTimestamp();
        return true;
    }

    /// <summary>How the run is doing; null before the first step.</summary>
    public RunStatus? Status()
    {
        lock (_samples)
        {
            if (_last is null) return null;
            Measurements window = Window();
            StepRecord step = _last.Step;
            double rate = window.Steps.Count == 0 ? step.ClipsPerSecond : window.Steps.Count * window.BatchSize / window.Seconds;
            double left = rate > 0 ? (_total - step.Step - 1) * window.BatchSize / rate : 0;
            IEnumerable<NodeStatus> trainers = _ranks.Select((name, rank) => new NodeStatus(name, "trainer", 0, rate / _ranks.Count,
                window.Steps.Count == 0 ? 0 : Math.Max(0, 1 - window.WaitMs(rank) / window.StepMs)));
            IEnumerable<NodeStatus> decoders = window.Decoders.Where(node => node.Decoders > 0).Select(node => new NodeStatus(node.Node,
                "decoder", node.Decoders, node.Load.Clips / window.Seconds,
                Math.Min(1, node.Load.Busy / (node.Decoders * window.Seconds))));
            NodeStatus[] working = [.. trainers, .. decoders];
            return new(time.GetUtcNow(), step.Step + 1, _total, left, step.Loss, rate, window.WaitShare, step.QueueDepth,
                Verdict.Of(window), Roster?.With(working) ?? working)
            {
                QueueRoom = QueueRoom,
                ClipsInHand = InHand(),
                Origin = Origin,
            };
        }
    }

    /// <summary>The latest steps: those between the first sample, which says what was before, and the last.</summary>
    private Measurements Window()
    {
        if (_samples.Count < 2) return common with { Seconds = 1, Steps = [] };
        Sample first = _samples.Peek();
        IReadOnlyDictionary<string, DecodeLoad> before = first.Loads.ToDictionary(node => node.Node, node => node.Load);
        return common with
        {
            Seconds = time.GetElapsedTime(first.At, _last!.At).TotalSeconds,
            Steps = [.. _samples.Skip(1).Select(sample => sample.Step)],
            CheckpointSeconds = _last.Checkpoints - first.Checkpoints,
            Decoders = [.. _last.Loads.Select(node =>
                node with { Load = node.Load - before.GetValueOrDefault(node.Node, DecodeLoad.None) })],
            Ranks = _ranks,
        };
    }
}
