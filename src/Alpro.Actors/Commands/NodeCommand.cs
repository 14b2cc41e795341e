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
        var folder = new Option<string?>("--out") { Description = "Output folder of the coordinator: checkpoints, records, report." };
        var resume = new Option<bool>("--resume") { Description = "Coordinator: continue from the folder's last checkpoint, if there is one." };
        var hocon = new Option<string?>("--hocon") { Description = "Running settings in HOCON, in place of hocon/cluster.conf." };
        var host = new Option<string?>("--host") { Description = "Name or address under which the other nodes reach this one, in place of alpro.cluster.host." };
        var port = new Option<int?>("--port") { Description = "Port of the control plane, in place of the role's in alpro.cluster.ports." };
        var dataPort = new Option<int?>("--data-port") { Description = "Coordinator: port to which clips are brought, in place of alpro.cluster.ports.data." };
        var seeds = new Option<string[]>("--seed") { Description = "A node to join, as host:port, in place of alpro.cluster.seeds; the coordinator, or several.", AllowMultipleArgumentsPerToken = true };
        var certificates = new Option<string?>("--certificates") { Description = "Folder of the node's certificates, in place of alpro.cluster.certificates." };
        var decoders = TrainCommand.DecodersOption();
        var command = new Command("node", CommandLine.Describe("Run one process of a cluster.", "alpro node --role decoder --config config/pretrain.json --seed trainer-host:4053"))
        {
            role, file, settings, folder, resume, hocon, host, port, dataPort, seeds, certificates, decoders,
        };
        command.SetAction(async (arguments, stop) =>
        {
            RunConfig config = ConfigLoader.Load(arguments.GetValue(file)!, arguments.GetValue(settings));
            if (arguments.GetValue(role) == NodeRole.Decoder)
            {
                await DecodeAsync(await StartAsync(), config, stop);
                return CommandLine.Success;
            }
            string output = arguments.GetValue(folder) ?? throw new UsageException("--out is missing: a coordinator needs an output folder");
            return await TrainCommand.RunAsync(arguments, "train", new(config, Path.GetFullPath(output), arguments.GetValue(resume)), StartAsync, stop);

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
                    Seeds = arguments.GetValue(seeds) is { Length: > 0 } given ? given : node.Seeds,
                };
            }
        });
        return command;
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
