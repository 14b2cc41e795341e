using System.Diagnostics;
using Alpro.Actors;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Runs;
using Alpro.Chaos;
using Alpro.Data.Corpora;
using Alpro.Data.Media;
using Alpro.Data.Packs;
using Alpro.Data.Workers;
using Alpro.Tests.Support.Runs;
using Alpro.Training.Configuration;
using Microsoft.Extensions.Logging.Abstractions;

namespace Alpro.Nodes.Tests;

/// <summary>A pack that decode nodes make with the process that packs.</summary>
public sealed class PackerNodeTests : IClassFixture<SmallWorld>, IDisposable
{
    private readonly TemporaryFolder _out = new();
    private readonly string _config, _poor, _other, _seed = $"127.0.0.1:{FreePorts.One()}";

    public PackerNodeTests(SmallWorld world)
    {
        string csv = SmallRun.WithUnreadable(world.Folder.Path, _out.File("rows.csv"));
        SmallRun.Write(_config = _out.File("config.json"), world.Folder.Path, steps: 10, csv);
        // One node has the rows, but not all of the files; another has other rows.
        string videos = world.Folder.File("train/videos"), some = _out.File("some");
        foreach (string file in Directory.EnumerateFiles(videos, "*.mp4", SearchOption.AllDirectories).Where((_, i) => i % 3 > 0))
        {
            string copy = Path.Combine(some, Path.GetRelativePath(videos, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
        File.WriteAllText(_poor = _out.File("poor.json"), File.ReadAllText(_config).Replace(videos, some, StringComparison.Ordinal));
        File.WriteAllLines(_out.File("fewer.csv"), File.ReadAllLines(csv)[..^1]);
        File.WriteAllText(_other = _out.File("other.json"),
            File.ReadAllText(_config).Replace(csv, _out.File("fewer.csv"), StringComparison.Ordinal));
    }

    public void Dispose() => _out.Dispose();

    [Fact]
    public async Task Nodes_that_are_killed_or_lack_files_change_no_byte_and_one_with_other_rows_is_refused()
    {
        PackReport alone = await PackAsync("alone", workers: 2);
        using NodeProcess first = StartDecoder(_config), second = StartDecoder(_poor), stranger = StartDecoder(_other);
        PackReport? together = null;
        (WorkerPool<IClipEncoder>? pool, int left) = (null, 0);
        NodeStart start = new(QuickCluster.File, static settings => settings, hocon => ClusterNode.From(NodeRole.Packer, hocon) with
        {
            Port = int.Parse(_seed.Split(':')[1]),
            DataPort = 0,
            Seeds = [_seed],
        }, NullLoggerFactory.Instance);
        await PackerNode.RunAsync(start,
            async invite =>
            {
                together = await PackAsync("together", workers: 1, (terms, encoders) =>
                {
                    pool = encoders;
                    IDisposable serving = invite(terms, encoders);
                    first.SaysAsync(nameof(ActorEvents.Ready)).GetAwaiter().GetResult();
                    stranger.SaysAsync(nameof(ActorEvents.HelpRefused)).GetAwaiter().GetResult();
                    long began = Stopwatch.GetTimestamp();
                    while (encoders.Count < 5)
                    {
                        Assert.True(Stopwatch.GetElapsedTime(began) < TimeSpan.FromMinutes(1), first.Errors + second.Errors);
                        Task.Delay(10).Wait();
                    }
                    return serving;
                }, step =>
                {
                    if (step.Done == 5) first.Kill();
                    left = pool?.Count ?? 0;
                });
            }, CancellationToken.None);

        Assert.Equal(3, left);                                        // its own, and the two of the node that lives
        Assert.InRange(pool!.Elsewhere, 1, together!.Clips);
        Assert.Equal((alone.Rows, alone.Clips, 2), (together.Rows, together.Clips, together.Unreadable.Values.Sum()));
        Assert.Equal(together.Coverage.Rows, together.Rows + together.Unreadable.Values.Sum());
        Assert.True(alone.Shards > 3);
        foreach (string file in Directory.EnumerateFiles(_out.File("alone")).Where(file => Path.GetFileName(file) != PackReport.Name))
            Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(_out.File($"together/{Path.GetFileName(file)}")));
        Assert.Contains("rows: the pack has 26 of Video", stranger.Errors, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Success, (await second.EndAsync()).Code);   // the packer has left, and there is nothing else to do
        Assert.Equal(ExitCode.Success, (await stranger.EndAsync()).Code);
    }

    private NodeProcess StartDecoder(string config) =>
        NodeProcess.Start("--role", "decoder", "--config", config, "--decoders", "2", "--port", "0", "--seed", _seed);

    private async Task<PackReport> PackAsync(string name, int workers,
        Func<PackTerms, WorkerPool<IClipEncoder>, IDisposable>? invite = null, Action<(int Done, int Count)>? progress = null)
    {
        CorpusConfig config = ConfigLoader.Load(_config).Data.Corpora[0];
        using VideoTextCorpus corpus = VideoTextCorpus.Open(config with { Missing = MissingMedia.Lazy });
        PackSettings settings = new() { Side = 64, RateFactor = 1, ShardBytes = 50_000 };
        return await new CorpusPacker(settings, static () => FrameReaders.Create(new DecodeLimits()), workers) { Invite = invite }
            .PackAsync(corpus, config.Media!, _out.File(name), progress is null ? null : new Told(progress));
    }

    private sealed class Told(Action<(int Done, int Count)> told) : IProgress<(int Done, int Count)>
    {
        public void Report((int Done, int Count) value) => told(value);
    }
}
