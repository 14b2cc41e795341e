using System.Globalization;
using Alpro.Tests.Support;

namespace Alpro.Benchmarks;

/// <summary>
/// <c>scale [cores=16] [gpus=8] [network=25] [failure=1000]</c>: what clusters of 1 to 1,000 do and need, by the arithmetic of
/// <see cref="ScaleModel"/> over what single things cost. Cores are a decode node's, GPUs a host's, the network is in Gbit/s, and failure
/// is the hours after which a process fails. Nothing is measured here: it takes a moment, and prints tables as Markdown.
/// </summary>
internal static class ScaleBenchmark
{
    private static readonly int[] _sizes = [1, 2, 4, 8, 64, 256, 1000], _gpus = [1, 8, 16, 64, 256, 1000];

    public static int Run(string[] args)
    {
        Dictionary<string, double> given = args.Select(arg => arg.Split('=')).ToDictionary(arg => arg[0],
            arg => double.Parse(arg[^1], CultureInfo.InvariantCulture));
        if (given.Keys.Except(["cores", "gpus", "network", "failure"]).Any())
        {
            Console.Error.WriteLine("usage: scale [cores=16] [gpus=8] [network=25] [failure=1000]");
            return 2;
        }
        var costs = new ScaleCosts();
        ScaleCluster like = new(1, 1, costs.Kinds[0])
        {
            Cores = (int)given.GetValueOrDefault("cores", 16),
            GpusPerHost = (int)given.GetValueOrDefault("gpus", 8),
            Network = given.GetValueOrDefault("network", 25) * 1e9,
            Failure = given.GetValueOrDefault("failure", 1000),
        };

        Table("What single things cost", ["what", "how much", "where it was measured"], Constants(costs).Select(constant => new[]
        {
            constant.Name, $"{Text(constant.Known.Value)} {constant.Known.Unit}".TrimEnd(), constant.Known.Source,
        }));
        Table($"A GPU of {Text(costs.GpuClips)} clips/s",
            ["clips", "ms of a clip, node", "trainer", "cores of nodes", "of its host", "Gbit/s to it"],
            costs.Kinds.Select(kind => (kind, new ScaleModel(costs, like with { Kind = kind }))).Select(row => new[]
            {
                row.kind.Name, Text(row.Item2.NodeClipMs), Text(row.Item2.TrainerClipMs), Text(row.Item2.NodeCoresPerGpu),
                Text(row.Item2.TrainerCoresPerGpu), Text(row.Item2.HostBits / 1e9),
            }));
        Table($"Decode nodes of {like.Cores} cores", ["nodes", .. costs.Kinds.SelectMany(kind => new[]
        {
            $"{kind.Name}, clips/s", "Gbit/s of a node", "GPUs fed",
        })], _sizes.Select(nodes => new[] { Text(nodes) }.Concat(costs.Kinds.SelectMany(kind =>
        {
            var model = new ScaleModel(costs, like with { Nodes = nodes, Kind = kind });
            return new[] { Text(model.Supply), Text(model.NodeBits / 1e9), Text(model.GpusFed) };
        })).ToArray()));
        foreach (double network in new[] { like.Network, 100e9 }.Distinct())
            Table($"Training over {Text(network / 1e9)} Gbit/s, {like.GpusPerHost} GPUs a host, with as many decode nodes as it takes",
                ["GPUs", .. costs.Kinds.Select(kind => $"nodes, {kind.Name}"), "ms of a step", "it waits for", "share of waiting",
                    "hours between losses", "goodput", "clips/s"],
                _gpus.Select(gpus =>
                {
                    ScaleCluster cluster = like with { Network = network, Gpus = gpus };
                    string[] needed = [.. costs.Kinds.Select(kind =>
                        Text(new ScaleModel(costs, cluster with { Kind = kind }).NodesNeeded))];
                    ScaleModel model = new(costs, cluster with { Nodes = new ScaleModel(costs, cluster).NodesNeeded });
                    return (string[])[Text(gpus), .. needed, Text(1e3 * model.StepSeconds), model.Limit, $"{100 * model.Waiting:F1} %",
                        Text(model.SecondsBetweenLosses / 3600), $"{100 * model.Goodput:F1} %", Text(model.Clips)];
                }));
        Table("Sums of gradients", ["GPUs", "hosts",
            .. new[] { 10, 25, 100, 400 }.Select(network => $"{network} Gbit/s, s and share of waiting")],
            _gpus.Skip(2).Select(gpus => (string[])[Text(gpus), Text(Math.Ceiling((double)gpus / like.GpusPerHost)),
                .. new[] { 10e9, 25e9, 100e9, 400e9 }.Select(network =>
                {
                    ScaleCluster cluster = like with { Network = network, Gpus = gpus };
                    ScaleModel model = new(costs, cluster with { Nodes = new ScaleModel(costs, cluster).NodesNeeded });
                    return $"{Text(model.Summing)}, {100 * model.Waiting:F0} %";
                })]));
        return 0;
    }

    private static IEnumerable<(string Name, Known Known)> Constants(ScaleCosts costs) =>
    [
        .. costs.Kinds.SelectMany(kind => new[] { ($"a clip {kind.Name}, of a core", kind.Make), ("read for it", kind.Read) }),
        ("a clip as it travels", costs.ClipBytes),
        ("to ask for a clip and send it, node", costs.NodeControl),
        ("to ask for a clip and receive it, trainer", costs.TrainerControl),
        ("a megabyte of clips under TLS, each end", costs.Megabyte),
        ("a GPU", costs.GpuClips),
        ("a GPU's batch", costs.GpuBatch),
        ("a backward pass", costs.Backward),
        ("gradients", costs.Gradients),
        ("rate of sums beside a plain connection", costs.SumRate),
        ("a snapshot", costs.Snapshot),
        ("steps between checkpoints", costs.CheckpointEvery),
        ("the least share of a trainer beside an even one", costs.EvenShare),
        ("a trainer is lost: until the next step", costs.TrainerLost),
        ("a trainer joins: until the next step", costs.TrainerJoins),
        ("a decode node is lost: until others make its clips", costs.NodeLost),
    ];

    private static void Table(string title, string[] columns, IEnumerable<string[]> rows)
    {
        Console.WriteLine($"{title}:{Environment.NewLine}");
        foreach (string[] row in (string[][])[columns, [.. columns.Select(static _ => "---")], .. rows])
            Console.WriteLine($"| {string.Join(" | ", row)} |");
        Console.WriteLine();
    }

    /// <summary>Three digits.</summary>
    private static string Text(double value) => value >= 100 ? value.ToString("#,0", CultureInfo.InvariantCulture)
        : value.ToString(value >= 10 ? "0.#" : "0.##", CultureInfo.InvariantCulture);
}
