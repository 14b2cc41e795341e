using System.CommandLine;
using System.CommandLine.Parsing;
using Akka.Actor;
using Akka.Configuration;
using Alpro.Actors.Cluster;
using Alpro.Data.Clips;
using Alpro.Training;

namespace Alpro.Actors.Commands;

/// <summary><c>alpro node</c>: one process of a cluster. The coordinator trains as <c>alpro pretrain</c> does; decode nodes make its clips.</summary>
internal static class NodeCommand
{
    public static Command Create()
    {
        var role = new Option<NodeRole>("--role") { Description = "What the node does.", Required = true };
        var file = ConfigCommand.FileOption();
        var settings = ConfigCommand.SetOption();
        var folder = new Option<string?>("--out") { Description = "Output folder of coordinator and trainers, which share it: checkpoints, records, report." };
        var resume = new Option<bool>("--resume") { Description = "Coordinator: continue from the folder's last checkpoint, if there is one." };
        var hocon = new Option<string?>("--hocon") { Description = "Running settings in HOCON, in place of hocon/cluster.conf." };
        var host = new Option<string?>("--host") { Description = "Name or address under which the other nodes reach this one, in place of alpro.cluster.host." };
        var port = new Option<int?>("--port") { Description = "Port of the control plane, in place of the role's in alpro.cluster.ports." };
        var dataPort = new Option<int?>("--data-port") { Description = "Coordinator, trainer: port to which clips are brought, in place of alpro.cluster.ports.data." };
        var ringPort = new Option<int?>("--ring-port") { Description = "Trainer: port for its neighbour, in place of alpro.cluster.ports.ring." };
        var trainers = new Option<int>("--trainers") { Description = "Coordinator: train on trainer nodes, on so many at least; 0 trains in the coordinator itself." };
        var seeds = new Option<string[]>("--seed") { Description = "A node to join, as host:port, in place of alpro.cluster.seeds; the coordinator, or several.", AllowMultipleArgumentsPerToken = true };
        var certificates = new Option<string?>("--certificates") { Description = "Folder of the node's certificates, in place of alpro.cluster.certificates." };
        var decoders = TrainCommand.DecodersOption();
        var command = new Command("node", CommandLine.Describe("Run one process of a cluster.", "alpro node --role decoder --config config/pretrain.json --seed trainer-host:4053"))
        {
            role, file, settings, folder, resume, hocon, host, port, dataPort, ringPort, seeds, certificates, decoders, trainers,
        };
        command.SetAction(async (arguments, stop) =>
        {
            RunConfig config = ConfigLoader.Load(arguments.GetValue(file)!, arguments.GetValue(settings));
            if (arguments.GetValue(role) == NodeRole.Decoder)
            {
                await DecodeAsync(await StartAsync(), config, stop);
                return CommandLine.Success;
            }
            string output = Path.GetFullPath(arguments.GetValue(folder) ?? throw new UsageException("--out is missing: coordinator and trainers need an output folder"));
            if (arguments.GetValue(role) == NodeRole.Trainer) return await TrainWithOthersAsync(arguments, await StartAsync(), new(config, output, Resume: false), stop);
            var run = new TrainingRun(config, output, arguments.GetValue(resume));
            int least = arguments.GetValue(trainers);
            config.RequireShares(Math.Max(1, least));
            TrainCommand.Prepare(run);
            return least == 0 ? await TrainCommand.RunAsync(arguments, "train", run, StartAsync, stop) : await KeepGroupsAsync(await StartAsync(), run, least, stop);

            async Task<RunHost> StartAsync()
            {
                RunHost node = await RunHost.StartAsync(arguments.GetValue(hocon) ?? RunHost.ConfFile("cluster.conf"), TrainCommand.With(arguments.GetValue(decoders)), Join);
                await JoinedAsync(node, stop);
                return node;
            }

            ClusterNode Join(Config settings)
            {
                ClusterNode node = ClusterNode.From(arguments.GetValue(role), settings, arguments.GetValue(certificates));
                return node with
                {
                    Host = arguments.GetValue(host) ?? node.Host,
                    Port = arguments.GetValue(port) ?? node.Port,
                    DataPort = arguments.GetValue(dataPort) ?? node.DataPort,
                    RingPort = arguments.GetValue(ringPort) ?? node.RingPort,
                    Seeds = arguments.GetValue(seeds) is { Length: > 0 } given ? given : node.Seeds,
                };
            }
        });
        return command;
    }

    /// <summary>Forms groups of trainers until the run is over.</summary>
    private static async Task<int> KeepGroupsAsync(RunHost node, TrainingRun run, int least, CancellationToken stop)
    {
        await using RunHost ended = node;
        var over = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        Action<string> say = Console.Error.WriteLine;
        (RunConfig config, bool resume, TimeProvider time) = (run.Config, run.Resume, TimeProvider.System);
        IActorRef keeper = node.System.ActorOf(Props.Create(() => new GroupKeeper(config, least, resume, say, over, time)), GroupKeeper.Name);
        using CancellationTokenRegistration asked = stop.Register(() => keeper.Tell(GroupKeeper.Stop.Instance));
        if (await Task.WhenAny(over.Task, node.System.WhenTerminated) != over.Task) return CommandLine.Failure;
        return await over.Task ? CommandLine.Success : CommandLine.Interrupted;
    }

    /// <summary>Trains in the groups that the coordinator forms, until the run is over or this node is told to leave.</summary>
    private static async Task<int> TrainWithOthersAsync(ParseResult arguments, RunHost node, TrainingRun run, CancellationToken stop)
    {
        await using RunHost leaving = node;
        run = run with { Unreadable = Path.Combine(run.Folder, $"unreadable-{node.Node!.Host}-{Akka.Cluster.Cluster.Get(node.System).SelfAddress.Port}.csv") };
        Task<RunResult> training = RunProgress.ShowAsync("train", watched => node.TrainAsync(watched(run), CancellationToken.None));
        var left = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using CancellationTokenRegistration asked = stop.Register(() => left.TrySetResult());
        if (await Task.WhenAny(training, left.Task) == left.Task) return CommandLine.Success;
        try
        {
            RunResult result = await training;
            return result.Rank == 0 ? TrainCommand.Finish(arguments, run, result) : result.Completed ? CommandLine.Success : CommandLine.Interrupted;
        }
        catch (OperationCanceledException)
        {
            return CommandLine.Interrupted;                          // it was told to stop while it waited for other trainers
        }
    }

    /// <summary>Makes clips until the node is told to stop, or its cluster has ended.</summary>
    private static async Task DecodeAsync(RunHost node, RunConfig config, CancellationToken stop)
    {
        RunData? data = null;
        try
        {
            RunData opened = data = new RunData(config, node.Settings);
            ClipSettings clips = config.Data.Clip;
            var work = new DecodeNode.Work(() => opened.OpenSource(clips), clips, opened.Describe(), node.Settings, node.Node!.Certificates);
            var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            using CancellationTokenRegistration asked = stop.Register(() => ended.TrySetResult());
            Action<Exception> failed = reason => ended.TrySetException(reason);
            node.System.ActorOf(Props.Create(() => new DecodeNode(work, failed)), "decode-node");
            await await Task.WhenAny(ended.Task, node.System.WhenTerminated);
        }
        finally
        {
            await node.DisposeAsync();                               // decoders stop before the corpora close under them
            data?.Dispose();
        }
    }

    /// <summary>Waits until the node is a member of its cluster, and says so on standard error.</summary>
    private static async Task JoinedAsync(RunHost node, CancellationToken stop)
    {
        var cluster = Akka.Cluster.Cluster.Get(node.System);
        var up = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        cluster.RegisterOnMemberUp(() => up.TrySetResult());
        try
        {
            await up.Task.WaitAsync(stop);
        }
        catch
        {
            await node.DisposeAsync();
            throw;
        }
        Console.Error.WriteLine($"ready: {ClusterNode.RoleName(node.Node!.Role)} {cluster.SelfAddress}");
    }
}
