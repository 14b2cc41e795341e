using System.Net.Sockets;
using Akka.Actor;
using Alpro.Actors.Distributed.Packing;
using Alpro.Actors.Hosting;
using Alpro.Data.Packs;
using Alpro.Data.Workers;

namespace Alpro.Actors.Runs;

/// <summary>A node that packs corpora, with the help of the decode nodes of its cluster.</summary>
internal static class PackerNode
{
    /// <summary>Joins a cluster, and packs.</summary>
    /// <param name="start">How the node starts.</param>
    /// <param name="pack">Packs; given what <see cref="CorpusPacker.Invite"/> becomes.</param>
    /// <param name="stop">Gives up.</param>
    public static async Task RunAsync(NodeStart start, Func<Func<PackTerms, WorkerPool<IClipEncoder>, IDisposable>, Task> pack,
        CancellationToken stop)
    {
        await using RunHost node = await start.JoinAsync(end: null, stop);
        Socket socket = node.Node!.Listen(node.Node.DataPort, "--data-port");
        IActorRef gate = node.System.ActorOf(Props.Create(() => new PackGate(node.Node, socket)), PackGate.Name);
        await pack((terms, pool) =>
        {
            gate.Tell(new PackGate.Serve(terms, pool));
            return new Serving(gate, pool);
        });
    }

    private sealed class Serving(IActorRef gate, WorkerPool<IClipEncoder> pool) : IDisposable
    {
        public void Dispose() => gate.Tell(new PackGate.Ended(pool));
    }
}
