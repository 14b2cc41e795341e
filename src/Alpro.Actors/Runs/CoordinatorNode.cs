using Akka.Cluster;
using Alpro.Actors.Distributed.Groups;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Hosting;
using Alpro.Training.Checkpoints;
using Alpro.Training.Configuration;

namespace Alpro.Actors.Runs;

/// <summary>A node that carries a run: it trains by itself, or forms the groups of the nodes that train.</summary>
public static class CoordinatorNode
{
    private static readonly TimeSpan _trainersEvery = TimeSpan.FromMilliseconds(200);

    /// <summary>Carries a run to its end, or until this node is told to leave.</summary>
    /// <param name="start">How the node starts.</param>
    /// <param name="run">The run.</param>
    /// <param name="least">Trainer nodes without which no group forms; 0 trains in this node.</param>
    /// <param name="stop">Tells the node to leave; the last coordinator ends the run.</param>
    /// <exception cref="ConfigException">The steps cannot be shared out to so many trainers.</exception>
    /// <exception cref="UsageException">The folder holds a run that is not resumed, or another coordinator is in the cluster.</exception>
    public static async Task<NodeEnd> RunAsync(NodeStart start, TrainingRun run, int least, CancellationToken stop)
    {
        run.Config.RequireShares(Math.Max(1, least));
        run.RequireNewOrResumed();
        if (least == 0) return NodeEnd.Of(await SoloRun.RunAsync(run, () => StartAloneAsync(start, stop), stop));
        var end = new RunEnd(new CheckpointStore(run.Folder.Checkpoints));
        await using RunMember member = await RunMember.JoinAsync(start, run, end, stop);
        if (end.Find() is not { } steps) return await KeepGroupsAsync(member.Node, run, least, stop);
        await FinishWithoutTrainersAsync(member.Node, run);
        return NodeEnd.Late(run, steps, member.Node.Log);
    }

    private static async Task<RunHost> StartAloneAsync(NodeStart start, CancellationToken stop)
    {
        RunHost node = await start.JoinAsync(end: null, stop);
        if (!HasOthers(node)) return node;
        await node.DisposeAsync();
        throw new UsageException("another coordinator is in the cluster, and this one was told to train by itself; expected --trainers N, "
            + "for a coordinator that stands by to take the other's place");
    }

    /// <summary>Forms groups of trainers until the run is over, or stands by to.</summary>
    private static async Task<NodeEnd> KeepGroupsAsync(RunHost node, TrainingRun run, int least, CancellationToken stop)
    {
        node.KeepEvents(run.Folder);
        run.Joined(node.Roster!.With);
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
        if (first == left.Task) return NodeEnd.Success;
        if (first != over.Task) return NodeEnd.GivenUp(node.Log);
        if (!await over.Task) return new(ExitCode.Interrupted);
        await FinishWithoutTrainersAsync(node, run);
        return NodeEnd.Success;
    }

    /// <summary>Waits until the last trainer has left, or has been given up; then writes what the run leaves, if it did not.</summary>
    private static async Task FinishWithoutTrainersAsync(RunHost node, TrainingRun run)
    {
        var cluster = Cluster.Get(node.System);
        while (!cluster.IsTerminated && cluster.State.Members.Any(member => member.HasRole(ClusterNode.RoleName(NodeRole.Trainer))))
            await Task.Delay(_trainersEvery, TimeProvider.System);
        RunCompletion.WriteLate(run, node);
    }

    /// <summary>Whether the cluster has another coordinator.</summary>
    private static bool HasOthers(RunHost node)
    {
        var cluster = Cluster.Get(node.System);
        return cluster.State.Members.Except(cluster.State.Unreachable).Any(member => member.Status == MemberStatus.Up
            && member.HasRole(ClusterNode.RoleName(NodeRole.Coordinator)) && !member.UniqueAddress.Equals(cluster.SelfUniqueAddress));
    }
}
