namespace Alpro.Chaos;

/// <summary>A node that is struck, and started again with the same command.</summary>
/// <param name="role">What it does.</param>
/// <param name="number">Its number among its kind.</param>
/// <param name="start">Starts its process; told of every line that it says.</param>
internal sealed class ChaosNode(string role, int number, Func<Action<string>, NodeProcess> start) : IDisposable
{
    private readonly Lock _lock = new();
    private readonly Queue<(DateTimeOffset At, string Line)> _said = new();
    private NodeProcess? _process;

    public string Role => role;

    public int Number => number;

    public string Name => $"{role}-{number}";

    /// <summary>Where it is in the cluster, <c>host:port</c>; null before it has joined.</summary>
    public string? Address { get; set; }

    /// <summary>Whether it was struck since it was started: its end surprises nobody.</summary>
    public bool IsStruck { get; set; }

    /// <summary>When its outage is over; null while it is in none.</summary>
    public DateTimeOffset? OutageEnds { get; set; }

    public NodeProcess Process => _process ?? throw new InvalidOperationException($"{Name} has not been started");

    /// <summary>Whether it runs and has joined.</summary>
    public bool IsUp => OutageEnds is null && Address is not null && !Process.HasEnded;

    /// <summary>Starts it, the first time or again.</summary>
    public void Start()
    {
        _process?.Dispose();
        (Address, IsStruck, OutageEnds) = (null, false, null);
        _process = start(line =>
        {
            lock (_lock) _said.Enqueue((TimeProvider.System.GetUtcNow(), line));
        });
    }

    /// <summary>What it has said since the last time.</summary>
    public IReadOnlyList<(DateTimeOffset At, string Line)> Listen()
    {
        lock (_lock)
        {
            (DateTimeOffset, string)[] said = [.. _said];
            _said.Clear();
            return said;
        }
    }

    public void Dispose() => _process?.Dispose();
}
