using Alpro.Actors.Hosting;
using Alpro.Training.Checkpoints;
using Alpro.Training.Records;

namespace Alpro.Actors.Runs;

/// <summary>A node that may write in the run's folder, together with the other coordinators and trainers of its cluster.</summary>
internal sealed class RunMember : IAsyncDisposable
{
    private readonly RunLock _held;

    private RunMember(RunHost node, RunLock held) => (Node, _held) = (node, held);

    /// <summary>The node.</summary>
    public RunHost Node { get; }

    /// <summary>Joins the cluster, then holds the folder.</summary>
    /// <exception cref="UsageException">The folder cannot be written.</exception>
    /// <exception cref="RunFolderHeldException">A process that is not of this cluster holds it.</exception>
    public static async Task<RunMember> JoinAsync(NodeStart start, TrainingRun run, RunEnd end, CancellationToken stop)
    {
        RunHost node = await start.JoinAsync(end, stop);
        try
        {
            return new(node, await run.HoldAsync($"{node.Node!.Name}@{node.Node.Seeds[0]}", stop));
        }
        catch
        {
            await node.DisposeAsync();
            throw;
        }
    }

    /// <summary>Leaves the cluster, which may end a step and write it down; then lets go of the folder.</summary>
    public async ValueTask DisposeAsync()
    {
        await Node.DisposeAsync();
        _held.Dispose();
    }
}
