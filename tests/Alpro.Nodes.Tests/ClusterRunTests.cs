using System.Text.Json;
using Alpro.Actors;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Hosting;
using Alpro.Actors.Runs;
using Alpro.Chaos;
using Alpro.Model;
using Alpro.Tests.Support.Runs;
using Alpro.Training.Configuration;
using Alpro.Training.Records;

namespace Alpro.Nodes.Tests;

/// <summary>Runs whose clips are made by other processes, some of which die.</summary>
public sealed class ClusterRunTests : IClassFixture<SmallWorld>, IDisposable
{
    private const int Steps = 120;

    private readonly TemporaryFolder _out = new();
    private readonly string _config;
    private readonly string _seed = $"127.0.0.1:{FreePorts.One()}";

    public ClusterRunTests(SmallWorld world) =>
        SmallRun.Write(_config = _out.File("config.json"), world.Folder.Path, Steps);

    public void Dispose() => _out.Dispose();

    private NodeProcess StartCoordinator(params string[] more) => NodeProcess.Start(
        ["--role", "coordinator", "--config", _config, "--out", _out.File("cluster"), "--decoders", "0", "--port", _seed.Split(':')[1],
        "--data-port", "0", "--seed", _seed, "--json", .. more]);

    private NodeProcess StartDecoder(string config, params string[] more) =>
        NodeProcess.Start(["--role", "decoder", "--config", config, "--decoders", "2", "--port", "0", "--seed", _seed, .. more]);

    private static double[] Losses(string folder) => File.Exists(new RunFolder(folder).Steps)
        ? [.. RunLog.Read<StepRecord>(new RunFolder(folder).Steps).Select(record => record.Loss)] : [];

    private async Task<double[]> LossesOfOneProcessAsync()
    {
        Directory.CreateDirectory(_out.File("alone"));
        await using RunHost host = await RunHost.StartAsync(adjust: settings => settings with { Decoders = 1 });
        await host.TrainAsync(new(ConfigLoader.Load(_config), new(_out.File("alone")), Resume: false), CancellationToken.None);
        return Losses(_out.File("alone"));
    }

    private async Task WaitForStepAsync(int step)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(90));
        while (Losses(_out.File("cluster")).Length < step) await Task.Delay(20, deadline.Token);
    }

    [Fact]
    public async Task Decode_node_that_is_killed_and_another_that_joins_change_no_loss()
    {
        string certificates = _out.File("certs");
        NodeCertificates.Create(certificates, ["127.0.0.1"], TimeProvider.System);
        string[] tls = ["--certificates", Path.Combine(certificates, "127.0.0.1")];
        // It validates on what it trained on: those clips it makes itself, although it has no decoders for training.
        string validation = JsonSerializer.Serialize(ConfigLoader.Load(_config).Data.Corpora, ConfigLoader.Json);
        using NodeProcess coordinator = StartCoordinator([.. tls, "--set", $"data.validation={validation}", "--set",
            "evaluation.maxClips=4"]), first = StartDecoder(_config, tls);
        await Task.WhenAll(coordinator.ReadyAsync(), first.ReadyAsync());
        await WaitForStepAsync(10);
        first.Kill();
        using NodeProcess second = StartDecoder(_config, tls);
        double[] alone = await LossesOfOneProcessAsync();
        (int code, string output) = await coordinator.EndAsync();
        Assert.True(code == ExitCode.Success, coordinator.Errors);
        Assert.Equal(Steps, alone.Length);
        Assert.Equal(alone, Losses(_out.File("cluster")));

        JsonElement ledger = JsonDocument.Parse(output).RootElement.GetProperty("ledger");
        Assert.Equal(Steps * 4, ledger.GetProperty("delivered").GetInt64());
        Assert.Equal(0, ledger.GetProperty("rejected").GetInt64());
        Assert.Equal(0, ledger.GetProperty("inHand").GetInt64());

        // The run has ended, and so does whoever served it.
        Assert.Equal(ExitCode.Success, (await second.EndAsync()).Code);
        Assert.True(second.Has(nameof(ActorEvents.RunHasEnded)), second.Errors);
    }

    [Fact]
    public async Task Decode_node_that_stands_still_is_not_waited_for_and_serves_again_when_it_goes_on()
    {
        // The cluster gives nobody up. So nobody leaves it in order at the end, for the dead would have to agree: that is not waited for.
        string hocon = _out.File("patient.conf");
        File.WriteAllText(hocon, QuickCluster.Settings + """

            alpro.cluster.stable-after = 1h
            akka.coordinated-shutdown.phases { cluster-leave.timeout = 500ms, cluster-exiting.timeout = 500ms }
            """);
        using NodeProcess coordinator = StartCoordinator("--hocon", hocon), first = StartDecoder(_config, "--hocon", hocon),
            second = StartDecoder(_config, "--hocon", hocon);
        await Task.WhenAll(coordinator.ReadyAsync(), first.ReadyAsync(), second.ReadyAsync());
        await WaitForStepAsync(10);
        first.Freeze();
        await coordinator.SaysAsync(nameof(ActorEvents.DecodeNodeLost), lost => lost.Text("reason") == "it does not answer");
        int lost = Losses(_out.File("cluster")).Length;
        await WaitForStepAsync(lost + 10);
        second.Kill();
        first.Thaw();
        (int code, _) = await coordinator.EndAsync();
        Assert.True(code == ExitCode.Success, coordinator.Errors);
        Assert.InRange(lost, 10, Steps - 11);
        Assert.Equal(await LossesOfOneProcessAsync(), Losses(_out.File("cluster")));
    }

    [Fact]
    public async Task Decode_node_with_other_data_is_sent_away_with_what_differs()
    {
        string other = _out.File("other.json");
        File.WriteAllText(other, File.ReadAllText(_config).Replace("\"textLength\": 16", "\"textLength\": 12", StringComparison.Ordinal));
        using NodeProcess coordinator = StartCoordinator(), stranger = StartDecoder(other);
        (int code, _) = await stranger.EndAsync();
        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains("data.clip: the run has ", stranger.Errors, StringComparison.Ordinal);
        Assert.Empty(Losses(_out.File("cluster")));
        coordinator.Terminate();
        Assert.Equal(ExitCode.Interrupted, (await coordinator.EndAsync()).Code);
    }
}
