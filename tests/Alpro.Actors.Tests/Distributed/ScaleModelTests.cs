using Alpro.Simulation;

namespace Alpro.Actors.Tests.Distributed;

/// <summary>The arithmetic of what clusters do, with numbers that can be followed by hand.</summary>
public sealed class ScaleModelTests
{
    private static readonly ClipKind _kind = new("round", new(6, "ms", ""), new(1, "B", ""));

    /// <summary>A clip takes a node 6 + 1 + 3 ms and a trainer 2 + 3 ms; a GPU takes 100 clips a second, a hundred in a batch.</summary>
    private static readonly ScaleCosts _costs = new()
    {
        ClipBytes = new(1e6, "B", ""),
        NodeControl = new(1, "ms", ""),
        TrainerControl = new(2, "ms", ""),
        Megabyte = new(3, "ms", ""),
        GpuClips = new(100, "clips/s", ""),
        GpuBatch = new(100, "clips", ""),
        Backward = new(500, "ms", ""),
        Gradients = new(1e9, "B", ""),
        SumRate = new(0.5, "", ""),
        Snapshot = new(10, "ms", ""),
        CheckpointEvery = new(10, "steps", ""),
        EvenShare = new(0.5, "", ""),
        TrainerLost = new(6, "s", ""),
        TrainerJoins = new(3, "s", ""),
        NodeLost = new(6, "s", ""),
    };

    /// <summary>Nodes of 10 cores, hosts of two GPUs, 80 Gbit/s; no node fails.</summary>
    private static readonly ScaleCluster _cluster = new(Nodes: 2, Gpus: 1, _kind)
    {
        Cores = 10,
        GpusPerHost = 2,
        Network = 80e9,
        Failure = double.PositiveInfinity,
    };

    private static ScaleModel Model(ScaleCluster cluster) => new(_costs, cluster);

    [Fact]
    public void Clip_costs_its_making_asking_and_sending()
    {
        ScaleModel model = Model(_cluster with { Gpus = 8 });
        Assert.Equal(10, model.NodeClipMs);
        Assert.Equal(5, model.TrainerClipMs);
        Assert.Equal(1, model.NodeCoresPerGpu);
        Assert.Equal(0.5, model.TrainerCoresPerGpu);
        Assert.Equal(2 * 100 * 8e6, model.HostBits);
    }

    [Fact]
    public void Node_makes_what_its_cores_or_its_network_let_it()
    {
        Assert.Equal(1000, Model(_cluster).NodeClips);
        Assert.Equal(2000, Model(_cluster).Supply);
        Assert.Equal(125, Model(_cluster with { Network = 1e9 }).NodeClips);
        ClipKind large = _kind with { Read = new(4e6, "B", "") };
        Assert.Equal(250, Model(_cluster with { Network = 8e9, Kind = large }).NodeClips);
    }

    [Fact]
    public void Nodes_that_are_started_again_make_nothing_meanwhile() =>
        Assert.Equal(2000 * (1 - 36.0 / 3600), Model(_cluster with { Failure = 1, Restart = 30 }).Supply);

    [Fact]
    public void Least_share_of_a_trainer_decides_how_many_nodes_are_needed()
    {
        Assert.Equal(10, Model(_cluster).GpusFed);                   // half of 2,000 clips a second is sure to come to them
        Assert.Equal(5, Model(_cluster with { Gpus = 25 }).NodesNeeded);
        Assert.Equal("the GPU", Model(_cluster with { Nodes = 5, Gpus = 25, Network = 1e15 }).Limit);
        Assert.Equal("decode nodes", Model(_cluster with { Nodes = 4, Gpus = 25, Network = 1e15 }).Limit);
        Assert.Equal(1 - 20.0 / 25, Model(_cluster with { Nodes = 4, Gpus = 25, Network = 1e15 }).Waiting, 9);
    }

    [Fact]
    public void Sums_are_free_within_a_host_and_wait_where_the_backward_pass_does_not_hide_them()
    {
        Assert.Equal(0, Model(_cluster with { Gpus = 2 }).Summing);
        // Two hosts: a gigabyte each way at half of 10 GB/s.
        ScaleModel two = Model(_cluster with { Gpus = 4 });
        Assert.Equal(0.2, two.Summing, 9);
        Assert.Equal(0, two.Waiting);
        ScaleModel slow = Model(_cluster with { Gpus = 4, Network = 16e9 });
        Assert.Equal(1, slow.Summing, 9);
        Assert.Equal(("sums of gradients", 1.5), (slow.Limit, slow.StepSeconds));
    }

    [Fact]
    public void Network_of_a_host_carries_clips_and_sums()
    {
        ScaleModel one = Model(_cluster with { Nodes = 20, Gpus = 2, Network = 0.8e9 });
        Assert.Equal(("network of a host", 2.0), (one.Limit, one.StepSeconds));
        IReadOnlyList<(string Limit, double Seconds)> two = Model(_cluster with { Gpus = 4, Network = 0.8e9 }).Bounds;
        Assert.Equal(2 + 20, two.Single(bound => bound.Limit == one.Limit).Seconds, 9);
    }

    [Fact]
    public void Goodput_is_what_waiting_snapshots_and_losses_leave()
    {
        Assert.Equal(1 - 0.001, Model(_cluster).Goodput, 9);
        // Every 100 s, 10 s are lost: a step, 6 s until there is a group, 3 s until there is the next.
        ScaleModel failing = Model(_cluster with { Gpus = 2, Failure = 200 / 3600.0 });
        Assert.Equal(100, failing.SecondsBetweenLosses, 9);
        Assert.Equal(10, failing.LossSeconds, 9);
        Assert.Equal(0.999 / 1.1, failing.Goodput, 9);
        Assert.Equal(200 * 0.999 / 1.1, failing.Clips, 6);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public void Simulated_nodes_make_as_many_clips_as_the_model_says(int nodes)
    {
        var settings = new SimulationSettings
        {
            Nodes = nodes,
            Decoders = 8,
            ClipsPerTrainer = 64,
            ClipTime = TimeSpan.FromMilliseconds(100),
            StepTime = TimeSpan.FromMilliseconds(1),
            CheckpointEvery = 1000,
        };
        // Two runs differ by steps alone: what beginning and ending take is in both.
        double seconds = (Simulations.Of(settings with { Steps = 60 }, 1).Virtual - Simulations.Of(settings with { Steps = 20 }, 1).Virtual)
            .TotalSeconds;
        var free = new ScaleCosts { NodeControl = new(0, "ms", ""), Megabyte = new(0, "ms", "") };
        var model = new ScaleModel(free, _cluster with { Nodes = nodes, Cores = 8, Kind = _kind with { Make = new(100, "ms", "") } });
        Assert.InRange(40 * settings.BatchSize / seconds / model.Supply, 0.85, 1.15);
    }
}
