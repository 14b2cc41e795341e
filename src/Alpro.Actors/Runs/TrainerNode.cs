using Akka.Cluster;
using Alpro.Actors.Hosting;
using Alpro.Training.Checkpoints;

namespace Alpro.Actors.Runs;

/// <summary>A node that trains in the groups that a coordinator forms.</summary>
public static class TrainerNode
{
    /// <summary>Trains until the run is over, or this node is told to leave.</summary>
    /// <param name="start">How the node starts.</param>
    /// <param name="run">The run.</param>
    /// <param name="stop">Tells the node to leave: it ends its step first.</param>
    public static async Task<NodeEnd> RunAsync(NodeStart start, TrainingRun run, CancellationToken stop)
    {
        var end = new RunEnd(new CheckpointStore(run.Folder.Checkpoints));
        await using RunMember member = await RunMember.JoinAsync(start, run, end, stop);
        RunHost node = member.Node;
        if (end.Find() is { } steps) return NodeEnd.Late(run, steps, node.Log);
        var cluster = Cluster.Get(node.System);
        run = run with { Unreadable = run.Folder.UnreadableBy(node.Node!.Host, cluster.SelfAddress.Port) };
        Task<RunResult> training = node.TrainAsync(run, CancellationToken.None);
        var left = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using CancellationTokenRegistration asked = stop.Register(() => left.TrySetResult());
        if (await Task.WhenAny(training, left.Task) == left.Task) return NodeEnd.Success;
        try
        {
            RunResult result = await training;
            if (result.Rank > 0) return NodeEnd.Of(result) with { Result = null };
            RunCompletion.Write(run, result, node.Log);              // the first rank, for all
            return NodeEnd.Of(result);
        }
        catch (OperationCanceledException)
        {
            // The cluster's end is the actors'. Else the run was stopped while this node waited for others, who may have ended it
            // meanwhile.
            if (cluster.IsTerminated) return NodeEnd.GivenUp(node.Log);
            return end.Find() is { } last ? NodeEnd.Late(run, last, node.Log) : new(ExitCode.Interrupted);
        }
    }
}
