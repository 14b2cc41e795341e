using Akka.Cluster;
using Alpro.Actors.Hosting;
using Alpro.Training.Checkpoints;
using Alpro.Training.Records;

namespace Alpro.Actors.Runs;

/// <summary>A node that scores a run's checkpoints as they appear.</summary>
public static class EvaluatorNode
{
    /// <summary>Evaluates until the run is complete, or this node is told to leave.</summary>
    /// <param name="start">How the node starts.</param>
    /// <param name="folder">The run's folder.</param>
    /// <param name="watch">Evaluates checkpoints in a node until the run is complete, or the token says stop.</param>
    /// <param name="stop">Tells the node to leave. Finished results stay, and the next evaluator goes on from there.</param>
    public static async Task<NodeEnd> RunAsync(
        NodeStart start, RunFolder folder, Func<RunHost, CancellationToken, Task> watch, CancellationToken stop)
    {
        await using RunHost node = await start.JoinAsync(new RunEnd(new CheckpointStore(folder.Checkpoints)), stop);
        Task watching = watch(node, stop);
        if (await Task.WhenAny(watching, node.System.WhenTerminated) != watching && !stop.IsCancellationRequested)
            return NodeEnd.GivenUp(node.Log);
        try
        {
            await watching;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
        }
        catch (InvalidOperationException) when (Cluster.Get(node.System).IsTerminated)
        {
            return NodeEnd.GivenUp(node.Log);                        // there are no actors any more
        }
        return NodeEnd.Success;
    }
}
