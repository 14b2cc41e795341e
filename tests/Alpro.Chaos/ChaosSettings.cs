using Alpro.Actors;

namespace Alpro.Chaos;

/// <summary>What is done to a node.</summary>
internal enum Strike
{
    /// <summary><c>kill -9</c>, and started again at once.</summary>
    Killed,

    /// <summary><c>kill -9</c>, and started again when another trainer validates: it joins in the middle of that.</summary>
    KilledUntilValidation,

    /// <summary><c>SIGSTOP</c> for longer than the cluster bears, then <c>SIGCONT</c>.</summary>
    Frozen,

    /// <summary>Its network is cut off for as long.</summary>
    CutOff,
}

/// <summary>A run on several processes whose nodes are struck.</summary>
internal sealed record ChaosSettings
{
    /// <summary>Ten times what rounding does in 600 steps of the demo at a learning rate of 1e-5, and less than what a step does.</summary>
    public const double DefaultTolerance = 2e-5;

    /// <summary>The run's configuration.</summary>
    public required string Config { get; init; }

    /// <summary>Settings in place of the configuration's, each <c>key.path=value</c>.</summary>
    public IReadOnlyList<string> Overrides { get; init; } = [];

    /// <summary>Where the two runs and the logs go: <c>alone</c>, <c>run</c>, <c>logs</c>.</summary>
    public required string Folder { get; init; }

    /// <summary>The running settings of the nodes, as HOCON.</summary>
    public string RunningSettings { get; init; } = File.ReadAllText(Actors.RunningSettings.ConfFile("cluster.conf"));

    /// <summary>Number of coordinators; one that trains is alone.</summary>
    public int Coordinators { get; init; } = 2;

    /// <summary>Number of decode nodes.</summary>
    public int Decoders { get; init; } = 2;

    /// <summary>Number of trainers; 0 trains in the coordinator.</summary>
    public int Trainers { get; init; } = 2;

    /// <summary>Number of evaluators of checkpoints.</summary>
    public int Evaluators { get; init; }

    /// <summary>Who is struck how: each once in a round, in a random order.</summary>
    public required IReadOnlyList<(string Role, Strike Strike)> Strikes { get; init; }

    /// <summary>Rounds; after them nobody is struck any more.</summary>
    public int Rounds { get; init; } = int.MaxValue;

    /// <summary>Steps from one strike to the next.</summary>
    public int Every { get; init; } = 20;

    /// <summary>Time after which nobody is struck any more.</summary>
    public TimeSpan Length { get; init; } = TimeSpan.MaxValue;

    /// <summary>Seed of the order and of who is struck.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>How long a node is frozen or cut off: longer than the cluster waits until it gives a node up.</summary>
    public TimeSpan Outage { get; init; } = TimeSpan.FromSeconds(14);

    /// <summary>
    /// How far losses and weights may be from those of one process where several trainers share the steps; else the bits are the same.
    /// </summary>
    public double Tolerance { get; init; } = DefaultTolerance;

    /// <summary>Told of what happens.</summary>
    public Action<string> Say { get; init; } = static _ => { };

    /// <summary>Everything that can be done to the nodes of a run.</summary>
    public static IReadOnlyList<(string Role, Strike Strike)> All(
        int coordinators, int decoders, int trainers, int evaluators, bool validates) =>
    [
        .. trainers > 0 ? new[] { ("coordinator", Strike.Killed) } : [],
        .. coordinators > 1 ? new[] { ("coordinator", Strike.Frozen) } : [],
        .. decoders > 0 ? new[] { ("decoder", Strike.Killed), ("decoder", Strike.Frozen), ("decoder", Strike.CutOff) } : [],
        .. trainers > 0 ? new[] { ("trainer", Strike.Killed), ("trainer", Strike.Killed), ("trainer", Strike.Frozen) } : [],
        .. trainers > 1 && validates ? new[] { ("trainer", Strike.KilledUntilValidation) } : [],
        .. evaluators > 0 ? new[] { ("evaluator", Strike.Killed) } : [],
    ];
}
