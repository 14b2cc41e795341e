namespace Alpro.Tests.Support;

/// <summary>A number that the model is made of, and where it was measured.</summary>
/// <param name="Value">The number.</param>
/// <param name="Unit">Its unit.</param>
/// <param name="Source">The section of the pages that has it, or why it is taken for granted.</param>
internal readonly record struct Known(double Value, string Unit, string Source)
{
    public static implicit operator double(Known known) => known.Value;
}

/// <summary>A kind of clip, for pretraining: 4 frames of 224 px.</summary>
/// <param name="Name">What it is called in the tables.</param>
/// <param name="Make">Milliseconds of a core until it is a row of a batch.</param>
/// <param name="Read">Bytes read from the place where it lies.</param>
internal sealed record ClipKind(string Name, Known Make, Known Read);

/// <summary>What single things cost, as measured.</summary>
internal sealed record ScaleCosts
{
    private const string Packed = "performance, packed clips", Step = "performance, a pretraining step on a GPU",
        Way = "scale, what a clip costs on its way", Between = "performance, clips and gradients between processes", Recovery = "recovery";

    /// <summary>The kinds of clips.</summary>
    public IReadOnlyList<ClipKind> Kinds { get; init; } =
    [
        new("as published", new(41.81, "ms", Packed), new(317e3, "B", Packed)),
        new("packed, h264", new(2.20, "ms", Packed), new(62e3, "B", Packed)),
        new("packed, mjpeg", new(1.60, "ms", Packed), new(70e3, "B", Packed)),
    ];

    /// <summary>Bytes of a clip as it travels.</summary>
    public Known ClipBytes { get; init; } = new(4 * 224 * 224 * 3 + 500, "B", "4 frames of 224 px, its texts and marks");

    /// <summary>Milliseconds of a core to ask for a free clip, and to send it, at its node.</summary>
    public Known NodeControl { get; init; } = new(0.35, "ms", Way);

    /// <summary>The same at the trainer, which asks and receives.</summary>
    public Known TrainerControl { get; init; } = new(0.15, "ms", Way);

    /// <summary>Milliseconds of a core for a megabyte of clips under TLS, at each of both ends.</summary>
    public Known Megabyte { get; init; } = new(1.13, "ms", Way);

    /// <summary>Clips a second that a GPU trains on, 64 in a batch.</summary>
    public Known GpuClips { get; init; } = new(332, "clips/s", Step);

    /// <summary>Clips of a GPU's batch.</summary>
    public Known GpuBatch { get; init; } = new(64, "clips", Step);

    /// <summary>Milliseconds of a backward pass, behind which sums are hidden.</summary>
    public Known Backward { get; init; } = new(109.7, "ms", "gpu-h200.jsonl");

    /// <summary>Bytes of a model's gradients.</summary>
    public Known Gradients { get; init; } = new(0.94e9, "B", "gpu-h200.jsonl");

    /// <summary>Share of a plain connection's rate at which gradients are summed.</summary>
    public Known SumRate { get; init; } = new(0.85, "", Between);

    /// <summary>Milliseconds that a snapshot holds a GPU up.</summary>
    public Known Snapshot { get; init; } = new(51, "ms", Step);

    /// <summary>Steps between checkpoints.</summary>
    public Known CheckpointEvery { get; init; } = new(1000, "steps", "config/pretrain.json");

    /// <summary>Share of an even share that every trainer can have of its nodes.</summary>
    public Known EvenShare { get; init; } = new(0.9, "", "tests of ServedTrainers");

    /// <summary>Seconds without steps after a trainer is lost: noticed, and a group formed.</summary>
    public Known TrainerLost { get; init; } = new(6.9, "s", Recovery);

    /// <summary>Seconds without steps after one has joined.</summary>
    public Known TrainerJoins { get; init; } = new(2.6, "s", Recovery);

    /// <summary>Seconds until others make the clips of a decode node that no longer answers.</summary>
    public Known NodeLost { get; init; } = new(4.1, "s", Recovery);
}

/// <summary>What a cluster consists of; the last three are taken for granted, not measured.</summary>
/// <param name="Nodes">Decode nodes.</param>
/// <param name="Gpus">GPUs, a trainer each.</param>
/// <param name="Kind">What is decoded.</param>
internal sealed record ScaleCluster(int Nodes, int Gpus, ClipKind Kind)
{
    /// <summary>Cores of a decode node, a decoder each.</summary>
    public int Cores { get; init; } = 16;

    /// <summary>GPUs of a host.</summary>
    public int GpusPerHost { get; init; } = 8;

    /// <summary>Bits a second of a host's or node's network.</summary>
    public double Network { get; init; } = 25e9;

    /// <summary>Hours after which a process or its machine fails, on average.</summary>
    public double Failure { get; init; } = 1000;

    /// <summary>Seconds until a process that failed is there again.</summary>
    public double Restart { get; init; } = 60;
}

/// <summary>What a cluster does, by arithmetic over what single things cost.</summary>
/// <param name="costs">What they cost.</param>
/// <param name="cluster">The cluster.</param>
internal sealed class ScaleModel(ScaleCosts costs, ScaleCluster cluster)
{
    private double SentMs => costs.Megabyte * costs.ClipBytes / 1e6;

    private int Hosts => (cluster.Gpus + cluster.GpusPerHost - 1) / cluster.GpusPerHost;

    private int GpusOfHost => Math.Min(cluster.Gpus, cluster.GpusPerHost);

    /// <summary>Milliseconds of a decode node's cores for a clip: it is made, asked for and sent.</summary>
    public double NodeClipMs => cluster.Kind.Make + costs.NodeControl + SentMs;

    /// <summary>Milliseconds of a trainer's cores for a clip.</summary>
    public double TrainerClipMs => costs.TrainerControl + SentMs;

    /// <summary>Cores of decode nodes for each GPU.</summary>
    public double NodeCoresPerGpu => costs.GpuClips * NodeClipMs / 1e3;

    /// <summary>Cores of its own host for each GPU, for clips alone.</summary>
    public double TrainerCoresPerGpu => costs.GpuClips * TrainerClipMs / 1e3;

    /// <summary>Bits a second that clips bring to a host while its GPUs do not wait.</summary>
    public double HostBits => 8 * GpusOfHost * costs.GpuClips * costs.ClipBytes;

    /// <summary>Clips a second of a decode node: of its cores, or of its network, over which they are read and sent.</summary>
    public double NodeClips => Math.Min(cluster.Cores * 1e3 / NodeClipMs,
        cluster.Network / 8 / Math.Max(costs.ClipBytes, cluster.Kind.Read));

    /// <summary>Bits a second that a decode node sends.</summary>
    public double NodeBits => 8 * NodeClips * costs.ClipBytes;

    /// <summary>Clips a second that all nodes make, but for those that have failed and are not there again.</summary>
    public double Supply => cluster.Nodes * NodeClips * (1 - (costs.NodeLost + cluster.Restart) / (3600 * cluster.Failure));

    /// <summary>GPUs that the nodes feed. All ranks step together, so the one with the least share decides.</summary>
    public double GpusFed => costs.EvenShare * Supply / costs.GpuClips;

    /// <summary>Decode nodes that feed all GPUs.</summary>
    public int NodesNeeded => (int)Math.Ceiling(cluster.Gpus * cluster.Nodes / GpusFed);

    /// <summary>Seconds of a step's computing.</summary>
    public double Computing => costs.GpuBatch / costs.GpuClips;

    /// <summary>Bytes that each host sends and receives so that gradients are summed over all; inside a host that is free.</summary>
    private double SumBytes => 2.0 * (Hosts - 1) / Hosts * costs.Gradients / costs.SumRate;

    /// <summary>Seconds in which gradients are summed.</summary>
    public double Summing => SumBytes * 8 / cluster.Network;

    /// <summary>Seconds that a step takes at least, for each of what it needs; the most is what it takes.</summary>
    public IReadOnlyList<(string Limit, double Seconds)> Bounds =>
    [
        ("the GPU", Computing),
        ("sums of gradients", Computing + Math.Max(0, Summing - costs.Backward / 1e3)),
        ("decode nodes", cluster.Gpus * costs.GpuBatch / (costs.EvenShare * Supply)),
        ("network of a host", (GpusOfHost * costs.GpuBatch * costs.ClipBytes + SumBytes) * 8 / cluster.Network),
    ];

    /// <summary>Seconds of a step.</summary>
    public double StepSeconds => Bounds.Max(static bound => bound.Seconds);

    /// <summary>What a step waits for.</summary>
    public string Limit => Bounds.MaxBy(static bound => bound.Seconds).Limit;

    /// <summary>Share of a step in which GPUs do not compute.</summary>
    public double Waiting => 1 - Computing / StepSeconds;

    /// <summary>Share of the time that snapshots take.</summary>
    public double Checkpoints => costs.Snapshot / 1e3 / (costs.CheckpointEvery * StepSeconds);

    /// <summary>Seconds between two losses of a trainer, at which all stop.</summary>
    public double SecondsBetweenLosses => 3600 * cluster.Failure / cluster.Gpus;

    /// <summary>Seconds that each takes from all: the step under way, the next group, and that with the trainer that came back.</summary>
    public double LossSeconds => StepSeconds + costs.TrainerLost + costs.TrainerJoins;

    /// <summary>Share of the time in which GPUs compute what counts.</summary>
    public double Goodput => (1 - Waiting) * (1 - Checkpoints) / (1 + LossSeconds / SecondsBetweenLosses);

    /// <summary>Clips a second that the model learns from.</summary>
    public double Clips => cluster.Gpus * costs.GpuClips * Goodput;
}
