using System.Text.Json;
using Alpro.Actors;
using Alpro.Chaos;
using Alpro.Tests.Support.Browser;
using Alpro.Tests.Support.Runs;
using Microsoft.Playwright;

namespace Alpro.Nodes.Tests;

/// <summary>The page of a cluster's coordinator, in a browser, while nodes die.</summary>
public sealed class ClusterPageTests : IClassFixture<SmallWorld>, IClassFixture<BrowserFixture>, IDisposable
{
    private static readonly LocatorAssertionsToContainTextOptions _soon = new() { Timeout = 60_000 };

    private readonly BrowserFixture _browser;
    private readonly TemporaryFolder _out = new();
    private readonly int[] _ports = FreePorts.Some(2);
    private readonly string _config, _validation;

    public ClusterPageTests(SmallWorld world, BrowserFixture browser)
    {
        _browser = browser;
        SmallRun.Write(_config = _out.File("config.json"), world.Folder.Path, steps: 1_000_000);
        string held = Path.Combine(world.Folder.Path, "val");
        _validation = JsonSerializer.Serialize(new[] { new { name = "held-out", annotations = Path.Combine(held, "retrieval.jsonl"),
            media = Path.Combine(held, "videos") } });
    }

    public void Dispose() => _out.Dispose();

    private NodeProcess Start(string role, params string[] more) =>
        NodeProcess.Start(["--role", role, "--config", _config, "--out", _out.File("run"), "--seed", $"127.0.0.1:{_ports[0]}",
            "--set", "training.groupSize=2", "--set", "training.checkpointEvery=100", .. more]);

    private NodeProcess StartTrainer() =>
        Start("trainer", "--port", "0", "--data-port", "0", "--ring-port", "0", "--decoders", "0", "--page", "off");

    private NodeProcess StartDecoder() => Start("decoder", "--port", "0", "--decoders", "1");

    [BrowserFact]
    public async Task Killed_nodes_stay_on_the_page_and_the_recovery_says_its_seconds()
    {
        using NodeProcess coordinator = Start("coordinator", "--port", $"{_ports[0]}", "--data-port", "0", "--trainers", "1",
            "--page", $"127.0.0.1:{_ports[1]}"), first = StartTrainer(), second = StartTrainer(),
            decoder = StartDecoder(), doomed = StartDecoder(),
            evaluator = Start("evaluator", "--port", "0", "--decoders", "1", "--set", $"data.validation={_validation}");
        await Task.WhenAll(coordinator.ReadyAsync(), first.ReadyAsync(), second.ReadyAsync(), decoder.ReadyAsync(), doomed.ReadyAsync(),
            evaluator.ReadyAsync());
        await using Visit visit = await _browser.OpenAsync(new Uri($"http://127.0.0.1:{_ports[1]}/"));
        ILocator nodes = visit.Page.Locator("#nodes-table tbody"), events = visit.Page.Locator("#events-list");
        await visit.UntilAsync("view.status?.step > 5 && "
            + "view.status.nodes.filter(node => node.role === 'trainer' && node.busy > 0).length === 2 && "
            + "view.status.nodes.filter(node => node.role === 'decoder' && node.decoders > 0).length === 2");
        await Assertions.Expect(nodes.GetByRole(AriaRole.Row)).ToHaveCountAsync(6);
        await visit.KeepAsync("cluster-whole");

        string killed = doomed.Events.Single(one => one.Name == nameof(ActorEvents.Ready)).Text("node");
        doomed.Kill();
        ILocator gone = nodes.GetByRole(AriaRole.Row).Filter(new() { HasText = killed });
        await Assertions.Expect(gone).ToContainTextAsync("lost since ", _soon);
        await Assertions.Expect(events).ToContainTextAsync($"decode node {killed} is lost", _soon);

        second.Kill();
        await Assertions.Expect(events).ToContainTextAsync("recovery from a lost rank took ", _soon);
        long before = await visit.Page.EvaluateAsync<long>("view.status.step");
        await visit.UntilAsync($"view.status.step > {before + 10}");
        await Assertions.Expect(visit.Page.Locator("#flow")).ToContainTextAsync("lost ");
        await visit.AssertAccessibleAsync();
        await visit.KeepAsync("cluster-after");
        visit.AssertQuiet();

        coordinator.Terminate();
        await coordinator.EndAsync();
    }
}
