using System.Text.Json;
using Alpro.Actors;
using Alpro.Actors.Hosting;
using Alpro.Actors.Runs;
using Alpro.Chaos;
using Alpro.Tests.Support.Runs;
using Alpro.Training.Configuration;
using Alpro.Training.Records;

namespace Alpro.Nodes.Tests;

/// <summary>Runs that several trainers share, one of which dies.</summary>
public sealed class TrainerGroupTests : IClassFixture<SmallWorld>, IDisposable
{
    private const int Steps = 80;

    private readonly TemporaryFolder _out = new();
    private readonly string _config, _seed = $"127.0.0.1:{FreePorts.One()}";

    public TrainerGroupTests(SmallWorld world) =>
        SmallRun.Write(_config = _out.File("config.json"), world.Folder.Path, Steps,
        SmallRun.WithUnreadable(world.Folder.Path, _out.File("some-bad.csv")));

    public void Dispose() => _out.Dispose();

    private string[] Common(params string[] more) => ["--config", _config, "--set", "training.groupSize=2", "--out", _out.File("cluster"),
        "--seed", _seed, .. more];

    private NodeProcess StartTrainer() => NodeProcess.Start(["--role", "trainer",
        .. Common("--decoders", "1", "--port", "0", "--data-port", "0", "--ring-port", "0", "--json")]);

    private static StepRecord[] Records(string folder) => File.Exists(new RunFolder(folder).Steps)
        ? [.. RunLog.Read<StepRecord>(new RunFolder(folder).Steps)] : [];

    private async Task WaitForStepAsync(long step)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(90));
        while (Records(_out.File("cluster")).LastOrDefault()?.Step is not { } last || last < step) await Task.Delay(50, deadline.Token);
    }

    [Fact]
    public async Task Trainer_that_is_killed_and_another_that_takes_its_place_lose_and_repeat_no_step()
    {
        using NodeProcess coordinator = NodeProcess.Start(["--role", "coordinator",
            .. Common("--trainers", "2", "--port", _seed.Split(':')[1], "--data-port", "0")]);
        using NodeProcess first = StartTrainer(), second = StartTrainer();
        await Task.WhenAll(coordinator.ReadyAsync(), first.ReadyAsync(), second.ReadyAsync());
        await WaitForStepAsync(10);
        first.Kill();
        using NodeProcess third = StartTrainer();

        Directory.CreateDirectory(_out.File("alone"));
        RunResult undisturbed;
        await using (RunHost host = await RunHost.StartAsync(adjust: settings => settings with { Decoders = 1 }))
            undisturbed = await host.TrainAsync(new(ConfigLoader.Load(_config, ["training.groupSize=2"]), new(_out.File("alone")),
                Resume: false), CancellationToken.None);

        (int code, _) = await coordinator.EndAsync();
        Assert.True(code == ExitCode.Success, coordinator.Errors + second.Errors + third.Errors);
        StepRecord[] alone = Records(_out.File("alone")), together = Records(_out.File("cluster"));
        Assert.Equal(alone.Select(record => (record.Step, record.Clips, record.Rejected)),
            together.Select(record => (record.Step, record.Clips, record.Rejected)));
        Assert.All(alone.Zip(together), pair => Assert.Equal(pair.First.Loss, pair.Second.Loss, 2e-3));
        Assert.True(coordinator.Has(nameof(ActorEvents.GroupFormed),
            formed => (formed.Number("generation"), formed.Number("world")) == (2, 2)), coordinator.Errors);
        (int Code, string Output)[] ends = [await second.EndAsync(), await third.EndAsync()];
        Assert.All(ends, end => Assert.Equal(ExitCode.Success, end.Code));
        // The first rank says how the run went: all of it, and not what it did itself.
        JsonElement accounts = JsonDocument.Parse(Assert.Single(ends, end => end.Output.Length > 0).Output).RootElement.GetProperty(
            "accounts");
        Assert.True(undisturbed.Accounts.Rejected > 0);
        Assert.Equal(undisturbed.Accounts, accounts.Deserialize<RunAccounts>(JsonSerializerOptions.Web));
    }
}
