using System.Diagnostics;
using Alpro.Actors;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Evaluation;
using Alpro.Actors.Hosting;
using Alpro.Actors.Runs;
using Alpro.Actors.Search;
using Alpro.Chaos;
using Alpro.Data.Workers;
using Alpro.Model;
using Alpro.Model.Checkpoints;
using Alpro.Tests.Support.Runs;
using Alpro.Training;
using Alpro.Training.Configuration;
using Microsoft.Extensions.Logging.Abstractions;
using static TorchSharp.torch;

namespace Alpro.Nodes.Tests;

/// <summary>An index that encoders make with the process that indexes.</summary>
public sealed class IndexerNodeTests : IClassFixture<SmallWorld>, IDisposable
{
    private readonly TemporaryFolder _out = new();
    private readonly string _config, _weights, _other, _videos, _some, _seed = $"127.0.0.1:{FreePorts.One()}";

    public IndexerNodeTests(SmallWorld world)
    {
        SmallRun.Write(_config = _out.File("config.json"), world.Folder.Path, steps: 10);
        (_weights, _other) = (Save("own", seed: 5), Save("other", seed: 6));
        // One node lacks some of the files, and one file is no video.
        (_videos, _some) = (_out.File("videos"), _out.File("some"));
        foreach (string folder in new[] { _videos, _some }) Directory.CreateDirectory(folder);
        foreach ((string file, int number) in Directory.EnumerateFiles(world.Folder.File("train/videos"), "*.mp4",
            SearchOption.AllDirectories).Select((file, number) => (file, number)))
            foreach (string folder in number % 3 > 0 ? (string[])[_videos, _some] : [_videos])
                File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        File.WriteAllText(Path.Combine(_videos, "text.mp4"), "<html>not found</html>");
    }

    public void Dispose() => _out.Dispose();

    [Fact]
    public async Task Nodes_that_are_killed_or_lack_files_change_no_byte_and_one_with_other_weights_is_refused()
    {
        IndexReport alone;
        await using (RunHost host = await RunHost.StartAsync(adjust: One))
            alone = await Job("alone").RunAsync(host, CancellationToken.None);
        using NodeProcess first = StartEncoder(_videos, _weights), second = StartEncoder(_some, _weights),
            stranger = StartEncoder(_videos, _other);
        (WorkerPool<IWindowEncoder>? pool, IndexReport? together, bool killed) = (null, null, false);
        NodeStart start = new(QuickCluster.File, One, hocon => ClusterNode.From(NodeRole.Indexer, hocon) with
        {
            Port = int.Parse(_seed.Split(':')[1]),
            DataPort = 0,
            Seeds = [_seed],
        }, NullLoggerFactory.Instance);
        await HelpedNode.RunAsync(start, async (node, serve) => together = await (Job("together") with
        {
            Invite = (terms, encoders) =>
            {
                IDisposable serving = serve(IndexerNode.Offer("together", terms, pool = encoders));
                stranger.SaysAsync(nameof(ActorEvents.HelpRefused)).GetAwaiter().GetResult();
                WaitFor(encoders, 9, second);
                return serving;
            },
            Progressed = _ =>
            {
                if (killed) return;
                killed = true;                                       // after the first batch
                first.Kill();
                WaitFor(pool!, 6, second);                                    // its own, and those of the node that lives
            },
        }).RunAsync(node, CancellationToken.None), CancellationToken.None);

        Assert.True(killed);
        Assert.InRange(pool!.Elsewhere, 1, 1000);
        Assert.Equal((alone.Files, alone.Windows, 1), (together!.Files, together.Windows, together.Unreadable.Count));
        Assert.True(alone.Windows > 50, $"{alone.Windows} windows");
        foreach (string file in Directory.EnumerateFiles(_out.File("alone"), "*", SearchOption.AllDirectories))
            Assert.Equal(File.ReadAllBytes(file),
                File.ReadAllBytes(Path.Combine(_out.File("together"), Path.GetRelativePath(_out.File("alone"), file))));
        Assert.Contains("weights: the index has own with the SHA-256", stranger.Errors, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Success, (await second.EndAsync()).Code);   // the indexer has left, and there is nothing else to do
        Assert.Equal(ExitCode.Success, (await stranger.EndAsync()).Code);
    }

    private static void WaitFor(WorkerPool<IWindowEncoder> pool, int workers, NodeProcess node)
    {
        long began = Stopwatch.GetTimestamp();
        while (pool.Count != workers)
        {
            Assert.True(Stopwatch.GetElapsedTime(began) < TimeSpan.FromMinutes(1), node.Errors);
            Task.Delay(10).Wait();
        }
    }

    private static ActorSettings One(ActorSettings settings) => settings with { Decoders = 1 };

    private NodeProcess StartEncoder(string videos, string weights) => NodeProcess.Start("--role", "encoder", "--config", _config,
        "--checkpoint", weights, "--videos", videos, "--decoders", "1", "--port", "0", "--seed", _seed);

    private IndexJob Job(string name) => new(new(EvaluationTarget.Open(null, _config, _weights, []), _videos),
        new() { Seconds = 0.5, Stride = 0.25 }, _out.File(name));

    private string Save(string name, ulong seed)
    {
        string file = _out.File($"{name}.safetensors");
        using AlproModel model = RunModel.Create(ConfigLoader.Load(_config) with { Seed = seed }, CPU);
        StateDict.Save(model, file);
        return file;
    }
}
