using System.CommandLine;
using System.CommandLine.Parsing;
using Akka.Actor;
using Akka.Cluster;
using Akka.Configuration;
using Alpro.Actors;
using Alpro.Actors.Distributed.Decoding;
using Alpro.Actors.Distributed.Groups;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Evaluation;
using Alpro.Actors.Hosting;
using Alpro.Actors.Runs;
using Alpro.Data.Clips;
using Alpro.Training;
using Alpro.Training.Checkpoints;
using Alpro.Training.Configuration;
using Alpro.Training.Devices;

namespace Alpro.Cli.Commands;

/// <summary><c>alpro node</c>: one process of a cluster. A coordinator trains as <c>alpro pretrain</c> does, or keeps those together that train.</summary>
internal static class NodeCommand
{
    private static readonly TimeSpan _lookEvery = TimeSpan.FromSeconds(2), _trainersEvery = TimeSpan.FromMilliseconds(200);

    public static Command Create()
    {
        var role = new Option<NodeRole>("--role") { Description = "What the node does.", Required = true };
        var file = ConfigCommand.FileOption();
        var settings = ConfigCommand.SetOption();
        var folder = new Option<string?>("--out") { Description = "The run's folder, which coordinators, trainers and evaluators share: checkpoints, records, report." };
        var resume = new Option<bool>("--resume") { Description = "Coordinator: continue from the folder's last checkpoint, if there is one; or take part in a run that goes on." };
        var hocon = new Option<string?>("--hocon") { Description = "Running settings in HOCON, in place of hocon/cluster.conf." };
        var name = new Option<string?>("--cluster") { Description = "The cluster's name, in place of alpro.cluster.name; a node hears those of its own cluster alone." };
        name.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var text }] && !RunningSettings.IsName(text)) result.AddError($"--cluster {text}: expected letters, digits, - and _.");
        });
        var host = new Option<string?>("--host") { Description = "Name or address under which the other nodes reach this one, in place of alpro.cluster.host." };
        var bind = new Option<string?>("--bind")
        {
            Description = "Address of this machine on which all ports listen, in place of alpro.cluster.bind; by default all addresses, with certificates.",
        };
        var port = PortOption("--port", "Port of the control plane, in place of the role's in alpro.cluster.ports.");
        var dataPort = PortOption("--data-port", "Coordinator, trainer: port to which clips are brought, in place of alpro.cluster.ports.data.");
        var ringPort = PortOption("--ring-port", "Trainer: port for its neighbour, in place of alpro.cluster.ports.ring.");
        var gpu = new Option<int?>("--gpu") { Description = "Coordinator, trainer, evaluator: its GPU among those that the process sees, from 0. Without: the first." };
        var trainers = CommandLine.Between(new Option<int>("--trainers") { Description = "Coordinator: train on trainer nodes, on so many at least; 0 trains in the coordinator itself." }, 0);
        var seeds = new Option<string[]>("--seed") { Description = "A node to join, as host:port, in place of alpro.cluster.seeds; the coordinator first, then others that stay.", AllowMultipleArgumentsPerToken = true };
        seeds.Validators.Add(result =>
        {
            foreach (string seed in result.Tokens.Select(token => token.Value).Where(seed => !RunningSettings.IsSeed(seed)))
                result.AddError($"--seed {seed}: expected a node as host:port, such as trainer-host:4053.");
        });
        var certificates = new Option<string?>("--certificates") { Description = "Folder of the node's certificates, in place of alpro.cluster.certificates." };
        var decoders = TrainCommand.DecodersOption();
        var command = new Command("node", CommandLine.Describe("Run one process of a cluster.", "alpro node --role decoder --config config/pretrain.json --seed trainer-host:4053"))
        {
            role, file, settings, folder, resume, hocon, name, host, bind, port, dataPort, ringPort, seeds, certificates, decoders, trainers, gpu,
        };
        command.SetAction(async (arguments, stop) =>
        {
            try
            {
                return await RunAsync(arguments, stop);
            }
            catch (OperationCanceledException) when (!stop.IsCancellationRequested)
            {
                return GivenUp();                                    // its actors have ended
            }
        });
        return command;

        async Task<int> RunAsync(ParseResult arguments, CancellationToken stop)
        {
            if (arguments.GetValue(gpu) is { } index && !VisibleGpu.TryChoose(index))            // before anything else asks for one
                throw new UsageException($"--gpu {index}: the process sees no such GPU that libtorch can use; expected the number of one, from 0; 'alpro doctor' lists them");
            RunConfig config = ConfigLoader.Load(arguments.GetValue(file)!, arguments.GetValue(settings));
            NodeRole own = arguments.GetValue(role);
            int least = arguments.GetValue(trainers);
            if (own == NodeRole.Decoder)
            {
                await DecodeAsync(await StartAsync(end: null), config, stop);
                return ExitCode.Success;
            }
            string output = Path.GetFullPath(arguments.GetValue(folder) ?? throw new UsageException("--out is missing: expected the run's folder, which coordinators, trainers and evaluators share"));
            var run = new TrainingRun(config, output, Resume: own == NodeRole.Coordinator && arguments.GetValue(resume));
            var end = new RunEnd(run.Store());
            if (own == NodeRole.Evaluator) return await EvaluateAsync(await StartAsync(end), output, arguments.GetValue(file)!, arguments.GetValue(settings)!, stop);
            if (own == NodeRole.Coordinator)
            {
                config.RequireShares(Math.Max(1, least));
                TrainCommand.RequireNewOrResumed(run);
                if (least == 0) return await TrainCommand.RunAsync(arguments, "train", run, () => StartAsync(end: null), stop);
            }
            RunHost member = await StartAsync(end);
            using RunFolder held = await HoldAsync(member);
            if (end.Find() is { } steps)
            {
                if (own == NodeRole.Coordinator) await FinishWithoutTrainersAsync(member, run);
                await member.DisposeAsync();
                CommandLine.Log.RunIsComplete(output, steps);
                return ExitCode.Success;
            }
            return own == NodeRole.Trainer ? await TrainWithOthersAsync(arguments, member, run, stop) : await KeepGroupsAsync(member, run, least, stop);

            async Task<RunHost> StartAsync(RunEnd? end)
            {
                RunHost node = await RunHost.StartAsync(arguments.GetValue(hocon) ?? RunningSettings.ConfFile("cluster.conf"), TrainCommand.With(arguments.GetValue(decoders)), Join, CommandLine.Events.Factory);
                await JoinedAsync(node, end, stop);
                if (own != NodeRole.Coordinator || least > 0 || !HasOthers(node)) return node;
                await node.DisposeAsync();
                throw new UsageException("another coordinator is in the cluster, and this one was told to train by itself; expected --trainers N, for a coordinator that stands by to take the other's place");
            }

            async Task<RunFolder> HoldAsync(RunHost member)
            {
                try
                {
                    return await RunFolder.HoldAsync(output, $"{member.Node!.Name}@{member.Node.Seeds[0]}", TimeProvider.System, stop);
                }
                catch
                {
                    await member.DisposeAsync();
                    throw;
                }
            }

            ClusterNode Join(Config settings)
            {
                ClusterNode node = ClusterNode.From(own, settings, arguments.GetValue(certificates));
                return node with
                {
                    Name = arguments.GetValue(name) ?? node.Name,
                    Host = arguments.GetValue(host) ?? node.Host,
                    Bind = arguments.GetValue(bind) ?? node.Bind,
                    Port = arguments.GetValue(port) ?? node.Port,
                    DataPort = arguments.GetValue(dataPort) ?? node.DataPort,
                    RingPort = arguments.GetValue(ringPort) ?? node.RingPort,
                    Seeds = arguments.GetValue(seeds) is { Length: > 0 } given ? given : node.Seeds,
                };
            }
        }
    }

    private static Option<int?> PortOption(string name, string description) => CommandLine.Between(new Option<int?>(name) { Description = description }, 0, ushort.MaxValue);

    /// <summary>Forms groups of trainers until the run is over, or stands by to. Told to end, it leaves that to another coordinator; the last one ends the run.</summary>
    private static async Task<int> KeepGroupsAsync(RunHost node, TrainingRun run, int least, CancellationToken stop)
    {
        await using RunHost leaving = node;
        var over = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        var left = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var endRun = new CancellationTokenSource();
        node.System.ActorOf(GroupKeeper.Manager(node.System, run, least, over, endRun.Token), GroupKeeper.ManagerName);
        using CancellationTokenRegistration asked = stop.Register(() =>
        {
            if (HasOthers(node)) left.TrySetResult();
            else endRun.Cancel();
        });
        Task first = await Task.WhenAny(over.Task, left.Task, node.System.WhenTerminated);
        if (first == left.Task) return ExitCode.Success;
        if (first != over.Task) return GivenUp();
        if (!await over.Task) return ExitCode.Interrupted;
        await FinishWithoutTrainersAsync(node, run);
        return ExitCode.Success;
    }

    /// <summary>When the last trainer has left, having written what a run leaves, or has been given up: then it is written here, if it is not there.</summary>
    private static async Task FinishWithoutTrainersAsync(RunHost node, TrainingRun run)
    {
        var cluster = Akka.Cluster.Cluster.Get(node.System);
        while (!cluster.IsTerminated && cluster.State.Members.Any(member => member.HasRole(ClusterNode.RoleName(NodeRole.Trainer)))) await Task.Delay(_trainersEvery, TimeProvider.System);
        TrainCommand.FinishLate(run, node.Settings);
    }

    /// <summary>Whether the cluster has another coordinator.</summary>
    private static bool HasOthers(RunHost node)
    {
        var cluster = Akka.Cluster.Cluster.Get(node.System);
        return cluster.State.Members.Except(cluster.State.Unreachable)
            .Any(member => member.Status == MemberStatus.Up && member.HasRole(ClusterNode.RoleName(NodeRole.Coordinator)) && !member.UniqueAddress.Equals(cluster.SelfUniqueAddress));
    }

    private static int GivenUp()
    {
        CommandLine.Log.NodeGivenUp();
        return ExitCode.Failure;
    }

    /// <summary>Scores the run's checkpoints as they appear, until the run is complete or this node is told to leave.</summary>
    private static async Task<int> EvaluateAsync(RunHost node, string folder, string config, IReadOnlyList<string> settings, CancellationToken stop)
    {
        await using RunHost leaving = node;
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stop);
        Task<IReadOnlyList<EvaluationResult>> watching = EvaluateCommand.WatchAsync(node, folder, config, settings, test: false, data: null, ended.Token);
        if (await Task.WhenAny(watching, node.System.WhenTerminated) != watching && !stop.IsCancellationRequested) return GivenUp();
        try
        {
            foreach (EvaluationResult result in await watching) Console.Out.WriteLine($"{Path.GetFileName(result.Folder)}: {result.Scores.Line}");
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // What is finished stays; the next evaluator goes on from there.
        }
        catch (InvalidOperationException) when (Akka.Cluster.Cluster.Get(node.System).IsTerminated)
        {
            return GivenUp();                                        // there are no actors any more
        }
        return ExitCode.Success;
    }

    /// <summary>Trains in the groups that the coordinator forms, until the run is over or this node is told to leave.</summary>
    private static async Task<int> TrainWithOthersAsync(ParseResult arguments, RunHost node, TrainingRun run, CancellationToken stop)
    {
        await using RunHost leaving = node;
        run = run with { Unreadable = Path.Combine(run.Folder, $"unreadable-{node.Node!.Host}-{Akka.Cluster.Cluster.Get(node.System).SelfAddress.Port}.csv") };
        Task<RunResult> training = RunProgress.ShowAsync("train", watched => node.TrainAsync(watched(run), CancellationToken.None));
        var left = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using CancellationTokenRegistration asked = stop.Register(() => left.TrySetResult());
        if (await Task.WhenAny(training, left.Task) == left.Task) return ExitCode.Success;
        try
        {
            RunResult result = await training;
            return result.Rank == 0 ? TrainCommand.Finish(arguments, run, result) : result.Completed ? ExitCode.Success : ExitCode.Interrupted;
        }
        catch (OperationCanceledException)
        {
            // The cluster's end is the actors'; else it was told to stop while it waited for other trainers.
            return Akka.Cluster.Cluster.Get(node.System).IsTerminated ? GivenUp() : ExitCode.Interrupted;
        }
    }

    /// <summary>Makes clips until the run has ended, or the cluster, or the node is told to stop.</summary>
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
            Action over = () =>
            {
                if (ended.TrySetResult()) node.Log.RunHasEnded();
            };
            Action<Exception> failed = reason => ended.TrySetException(reason);
            node.System.ActorOf(Props.Create(() => new DecodeNode(work, over, failed)), "decode-node");
            await await Task.WhenAny(ended.Task, node.System.WhenTerminated);
        }
        finally
        {
            await node.DisposeAsync();                               // decoders stop before the corpora close under them
            data?.Dispose();
        }
    }

    /// <summary>
    /// Waits until the node is a member of its cluster, and says so. Whoever has come when the run was at its end finds no
    /// cluster any more: it waits no longer than that is so.
    /// </summary>
    private static async Task JoinedAsync(RunHost node, RunEnd? end, CancellationToken stop)
    {
        var cluster = Akka.Cluster.Cluster.Get(node.System);
        var up = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        cluster.RegisterOnMemberUp(() => up.TrySetResult());
        try
        {
            while (await Task.WhenAny(up.Task, Task.Delay(_lookEvery, TimeProvider.System, stop)) != up.Task)
            {
                stop.ThrowIfCancellationRequested();
                if (end?.Find() is not null) return;
                if (cluster.IsTerminated) throw new OperationCanceledException();
            }
        }
        catch
        {
            await node.DisposeAsync();
            throw;
        }
        node.Log.Ready(ClusterNode.RoleName(node.Node!.Role), cluster.SelfAddress.Endpoint());
    }
}
