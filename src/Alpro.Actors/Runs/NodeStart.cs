using Akka.Configuration;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Hosting;
using Alpro.Data.Clips;
using Alpro.Training.Checkpoints;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Runs;

/// <summary>How a process becomes a node of a cluster.</summary>
/// <param name="Hocon">The running settings; null for <c>hocon/cluster.conf</c>.</param>
/// <param name="Adjust">Changes settings that the command line sets.</param>
/// <param name="Join">The node, as the running settings and the command line say.</param>
/// <param name="Log">The log of the process.</param>
public sealed record NodeStart(string? Hocon, Func<ActorSettings, ActorSettings> Adjust, Func<Config, ClusterNode> Join, ILoggerFactory Log)
{
    /// <summary>What <see cref="RunHost.Source"/> becomes: failures are put in here.</summary>
    internal Func<IClipSource, IClipSource> Source { get; init; } = static source => source;

    /// <summary>What <see cref="Distributed.Decoding.DecodeSupervisor.Work.Wire"/> becomes.</summary>
    internal Func<Stream, Stream> Wire { get; init; } = static stream => stream;

    private static readonly TimeSpan _lookEvery = TimeSpan.FromSeconds(2);

    /// <summary>Starts the node, waits until it is a member of its cluster, and says so.</summary>
    /// <param name="end">The end of the run: after it no cluster may be left, and it is not waited for. Null where nothing says so.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="OperationCanceledException">The node was told to stop, or has ended itself.</exception>
    internal async Task<RunHost> JoinAsync(RunEnd? end, CancellationToken stop)
    {
        RunHost node = await RunHost.StartAsync(Hocon ?? RunningSettings.ConfFile("cluster.conf"), Adjust, Join, Log);
        node.Source = Source;
        var cluster = Akka.Cluster.Cluster.Get(node.System);
        var up = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        cluster.RegisterOnMemberUp(() => up.TrySetResult());
        try
        {
            while (await Task.WhenAny(up.Task, Task.Delay(_lookEvery, TimeProvider.System, stop)) != up.Task)
            {
                stop.ThrowIfCancellationRequested();
                if (end?.Find() is not null) return node;
                if (cluster.IsTerminated) throw new OperationCanceledException();
            }
        }
        catch
        {
            await node.DisposeAsync();
            throw;
        }
        node.Log.Ready(ClusterNode.RoleName(node.Node!.Role), cluster.SelfAddress.Endpoint());
        return node;
    }
}
