using System.Text.Json;
using Alpro.Actors;
using Alpro.Chaos;
using Alpro.Tests.Support.Runs;

namespace Alpro.Nodes.Tests;

/// <summary>A run on seven processes: one of each kind is killed, and one frozen.</summary>
public sealed class ChaosTests(SmallWorld world) : IClassFixture<SmallWorld>, IDisposable
{
    private readonly TemporaryFolder _out = new();
    private readonly List<string> _said = [];

    public void Dispose() => _out.Dispose();

    [Fact]
    public async Task Nodes_that_are_killed_and_frozen_lose_no_clip_and_change_no_weight_beyond_float_tolerance()
    {
        string rows = SmallRun.WithUnreadable(world.Folder.Path, _out.File("some-bad.csv"));
        SmallRun.Write(_out.File("config.json"), world.Folder.Path, steps: 400, rows);
        string held = Path.Combine(world.Folder.Path, "val");
        string validation = JsonSerializer.Serialize(
            new[] { new { name = "held-out", annotations = Path.Combine(held, "retrieval.jsonl"), media = Path.Combine(held, "videos") } });
        ChaosResult result = await ChaosRun.RunAsync(new()
        {
            Config = _out.File("config.json"),
            Overrides = [$"data.validation={validation}", "training.groupSize=2", "training.checkpointEvery=100",
            "optimizer.learningRate=1e-4"],
            Folder = _out.File("chaos"),
            RunningSettings = QuickCluster.Settings,
            Outage = TimeSpan.FromSeconds(7),
            Evaluators = 1,
            Tolerance = 1e-3,                                        // for the learning rate is high
            Strikes = [("coordinator", Strike.Killed), ("trainer", Strike.Killed), ("decoder", Strike.Killed), ("decoder", Strike.Frozen),
            ("evaluator", Strike.Killed)],
            Rounds = 1,
            Say = _said.Add,
        }, CancellationToken.None);
        string said = string.Join('\n', _said.Concat(result.Lines()));
        Assert.True(result.Problems.Count == 0, said);
        Assert.True(result.Strikes.Values.Sum() == 5, said);
        Assert.True(result.Accounts!.Rejected > 0, said);
    }
}
