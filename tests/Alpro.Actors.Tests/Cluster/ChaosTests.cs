namespace Alpro.Actors.Tests.Cluster;

/// <summary>A run on seven processes, each kind of which is killed, and one frozen.</summary>
public sealed class ChaosTests(TrainingRunTests.World world) : IClassFixture<TrainingRunTests.World>, IDisposable
{
    private readonly TemporaryFolder _out = new();
    private readonly List<string> _said = [];

    public void Dispose() => _out.Dispose();

    [Fact]
    public async Task Nodes_that_are_killed_and_frozen_lose_no_clip_and_change_no_weight_beyond_float_tolerance()
    {
        TrainingRunTests.Write(_out.File("config.json"), world.Folder.Path, steps: 700, TrainingRunTests.WithUnreadable(world.Folder.Path, _out.File("some-bad.csv")));
        ChaosResult result = await Chaos.RunAsync(new()
        {
            Config = _out.File("config.json"),
            Overrides = ["training.groupSize=2", "training.checkpointEvery=100", "optimizer.learningRate=1e-4"],
            Folder = _out.File("chaos"),
            Strikes = [("decoder", Strike.Killed), ("trainer", Strike.Killed), ("decoder", Strike.Frozen)],
            Rounds = 1,
            Say = _said.Add,
        }, CancellationToken.None);
        string said = string.Join('\n', _said.Concat(result.Lines()));
        Assert.True(result.Problems.Count == 0, said);
        Assert.True(result.Strikes.Values.Sum() == 3, said);
        Assert.True(result.Accounts!.Rejected > 0, said);
    }
}
