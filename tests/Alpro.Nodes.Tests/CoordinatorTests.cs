using Alpro.Actors;
using Alpro.Actors.Hosting;
using Alpro.Actors.Runs;
using Alpro.Chaos;
using Alpro.Tests.Support.Runs;
using Alpro.Training.Configuration;
using Alpro.Training.Records;

namespace Alpro.Nodes.Tests;

/// <summary>Runs whose coordinator dies, or which are given up by the others.</summary>
public sealed class CoordinatorTests : IClassFixture<SmallWorld>, IDisposable
{
    private readonly TemporaryFolder _out = new();
    private readonly SmallWorld _world;
    private readonly string _config;
    private readonly string[] _coordinators = [Address(), Address()], _trainers = [Address(), Address()];

    public CoordinatorTests(SmallWorld world)
    {
        (_world, _config) = (world, _out.File("config.json"));
        SmallRun.Write(_config, world.Folder.Path, steps: 150);
    }

    public void Dispose() => _out.Dispose();

    private static string Address() => $"127.0.0.1:{FreePorts.One()}";

    private NodeProcess Start(string role, string address, int groupSize, params string[] more) => NodeProcess.Start(
    [
        "--role", role, "--config", _config, "--set", $"training.groupSize={groupSize}", "--out", _out.File("cluster"), "--log", "debug",
        "--port", address.Split(':')[1],
        .. _coordinators.Concat(_trainers).SelectMany(seed => (string[])["--seed", seed]), .. more,
    ]);

    private NodeProcess StartCoordinator(int number, int groupSize, bool resume = false, int least = 1) =>
        Start("coordinator", _coordinators[number], groupSize,
        ["--trainers", $"{least}", "--data-port", "0", .. resume ? (string[])["--resume"] : []]);

    private NodeProcess StartTrainer(int number, int groupSize, int decoders) => Start("trainer", _trainers[number], groupSize,
        "--decoders", $"{decoders}", "--data-port", "0", "--ring-port", "0");

    private NodeProcess StartDecoder() => Start("decoder", "127.0.0.1:0", groupSize: 2, "--decoders", "1");

    private static StepRecord[] Records(string folder) => File.Exists(new RunFolder(folder).Steps)
        ? [.. RunLog.Read<StepRecord>(new RunFolder(folder).Steps)] : [];

    private async Task WaitForStepAsync(long step)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(90));
        while (Records(_out.File("cluster")).LastOrDefault()?.Step is not { } last || last < step) await Task.Delay(20, deadline.Token);
    }

    private async Task TrainAloneAsync(int groupSize)
    {
        Directory.CreateDirectory(_out.File("alone"));
        await using RunHost host = await RunHost.StartAsync(adjust: settings => settings with { Decoders = 1 });
        await host.TrainAsync(new(ConfigLoader.Load(_config, [$"training.groupSize={groupSize}"]), new(_out.File("alone")), Resume: false),
            CancellationToken.None);
    }

    private void AssertTrainedAsAlone()
    {
        StepRecord[] alone = Records(_out.File("alone")), together = Records(_out.File("cluster"));
        Assert.Equal(alone.Select(record => record.Step), together.Select(record => record.Step));
        Assert.All(alone.Zip(together), pair => Assert.Equal(pair.First.Loss, pair.Second.Loss, 2e-3));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Coordinator_that_is_killed_is_missed_by_nobody_until_a_standby_or_itself_takes_over(bool standby)
    {
        using NodeProcess first = StartCoordinator(0, groupSize: 2, least: 2), second = StartTrainer(0, groupSize: 2, decoders: 0),
            third = StartTrainer(1, groupSize: 2, decoders: 0), decoder = StartDecoder();
        await Task.WhenAll(first.ReadyAsync(), second.ReadyAsync(), third.ReadyAsync(), decoder.ReadyAsync());
        using NodeProcess? waiting = standby ? StartCoordinator(1, groupSize: 2, resume: true, least: 2) : null;
        await (waiting?.ReadyAsync() ?? Task.CompletedTask);
        await WaitForStepAsync(5);
        first.Kill();
        long killed = Records(_out.File("cluster"))[^1].Step;
        using NodeProcess? again = standby ? null : StartCoordinator(0, groupSize: 2, resume: true, least: 2);
        NodeProcess next = (waiting ?? again)!;
        await WaitForStepAsync(killed + 30);
        // or the run would be over before the cluster has given the coordinator up
        decoder.Kill();
        Task alone = TrainAloneAsync(groupSize: 2);
        await next.SaysAsync(nameof(ActorEvents.KeeperStarted), started => started.Number("generation") == 1);
        using NodeProcess clips = StartDecoder();
        (int code, _) = await next.EndAsync();
        Assert.True(code == ExitCode.Success, next.Errors + second.Errors);
        Assert.Equal(ExitCode.Success, (await second.EndAsync()).Code);
        Assert.Equal(ExitCode.Success, (await third.EndAsync()).Code);
        Assert.False(next.Has(nameof(ActorEvents.GroupFormed)), next.Errors);        // they went on in the group they had
        await alone;
        AssertTrainedAsAlone();
    }

    [Fact]
    public async Task Trainer_that_is_frozen_and_given_up_finds_itself_out_and_changes_nothing()
    {
        // A step is one group of clips: one trainer has it, the other is there for when that is lost. The first begins long before.
        SmallRun.Write(_config, _world.Folder.Path, steps: 400);
        using NodeProcess coordinator = StartCoordinator(0, groupSize: 4), first = StartTrainer(0, groupSize: 4, decoders: 1);
        await coordinator.SaysAsync(nameof(ActorEvents.GroupFormed),
            formed => (formed.Number("generation"), formed.Number("world")) == (1, 1));
        using NodeProcess second = StartTrainer(1, groupSize: 4, decoders: 1);
        await second.ReadyAsync();
        await WaitForStepAsync(5);
        first.Freeze();
        Task alone = TrainAloneAsync(groupSize: 4);
        await coordinator.SaysAsync(nameof(ActorEvents.GroupFormed),
            formed => (formed.Number("generation"), formed.Number("world")) == (2, 1));
        first.Thaw();
        Assert.Equal(ExitCode.Failure, (await first.EndAsync()).Code);
        Assert.True(first.Has(nameof(ActorEvents.GroupLost),
            lost => lost.Text("reason").Contains("was given up while it was away: generation 2 has formed; generation 1 is over",
            StringComparison.Ordinal)), first.Errors);
        Assert.True(first.Has(nameof(ActorEvents.NodeGivenUp)), first.Errors);
        (int code, _) = await coordinator.EndAsync();
        Assert.True(code == ExitCode.Success, coordinator.Errors + second.Errors);
        await alone;
        AssertTrainedAsAlone();
    }

    [Fact]
    public async Task Trainer_that_waits_in_reserve_ends_in_order_with_the_run()
    {
        SmallRun.Write(_config, _world.Folder.Path, steps: 600);
        using NodeProcess coordinator = StartCoordinator(0, groupSize: 4), first = StartTrainer(0, groupSize: 4, decoders: 1),
            second = StartTrainer(1, groupSize: 4, decoders: 1);
        foreach (NodeProcess node in new[] { coordinator, first, second })
        {
            (int code, _) = await node.EndAsync();
            Assert.True(code == ExitCode.Success, node.Errors);
        }
        Assert.Single(new[] { first, second }, node => node.Errors.Contains("is complete: 600 steps", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Coordinator_that_is_told_to_end_leaves_its_place_to_another_and_the_last_ends_the_run()
    {
        using NodeProcess first = StartCoordinator(0, groupSize: 2);
        await first.SaysAsync(nameof(ActorEvents.KeeperStarted));
        using NodeProcess second = StartCoordinator(1, groupSize: 2, resume: true);
        await second.ReadyAsync();
        Assert.False(second.Has(nameof(ActorEvents.KeeperStarted)), second.Errors);
        first.Terminate();
        Assert.Equal(ExitCode.Success, (await first.EndAsync()).Code);
        await second.SaysAsync(nameof(ActorEvents.KeeperStarted));
        second.Terminate();
        Assert.Equal(ExitCode.Interrupted, (await second.EndAsync()).Code);
        Assert.DoesNotContain("is no message between nodes", first.Errors + second.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Node_that_comes_when_the_run_is_over_waits_for_nobody()
    {
        Directory.CreateDirectory(_out.File("cluster"));
        await using (RunHost host = await RunHost.StartAsync(adjust: settings => settings with { Decoders = 1 }))
            await host.TrainAsync(new(ConfigLoader.Load(_config, ["training.steps=3"]), new(_out.File("cluster")), Resume: false),
                CancellationToken.None);
        using NodeProcess coordinator = StartCoordinator(1, groupSize: 4, resume: true), trainer = StartTrainer(0, groupSize: 4,
            decoders: 1);
        foreach (NodeProcess node in new[] { coordinator, trainer })
        {
            (int code, _) = await node.EndAsync();
            Assert.True(code == ExitCode.Success, node.Errors);
            Assert.True(node.Has(nameof(ActorEvents.RunIsComplete), complete => complete.Number("steps") == 3), node.Errors);
        }
    }

    [Fact]
    public async Task Coordinator_that_would_train_beside_another_is_sent_away()
    {
        using NodeProcess first = StartCoordinator(0, groupSize: 2);
        await first.ReadyAsync();
        using NodeProcess second = Start("coordinator", _coordinators[1], 2, "--data-port", "0", "--resume");
        (int code, _) = await second.EndAsync();
        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains("another coordinator is in the cluster", second.Errors, StringComparison.Ordinal);
        first.Terminate();
        Assert.Equal(ExitCode.Interrupted, (await first.EndAsync()).Code);
    }
}
