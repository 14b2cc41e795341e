using System.Net.Sockets;
using Akka.Actor;
using Alpro.Actors.Distributed.Work;
using Alpro.Actors.Hosting;

namespace Alpro.Actors.Runs;

/// <summary>A node that makes something in pieces, with the help of others of its cluster.</summary>
internal static class HelpedNode
{
    /// <summary>Joins a cluster, and makes it.</summary>
    /// <param name="start">How the node starts.</param>
    /// <param name="make">Makes it in the node; given what lets others help, until what that returns is disposed.</param>
    /// <param name="stop">Gives up.</param>
    public static async Task RunAsync(NodeStart start, Func<RunHost, Func<Handout, IDisposable>, Task> make, CancellationToken stop)
    {
        await using RunHost node = await start.JoinAsync(end: null, stop);
        Socket socket = node.Node!.Listen(node.Node.DataPort, "--data-port");
        IActorRef gate = node.System.ActorOf(Props.Create(() => new WorkGate(node.Node, socket)), WorkGate.Name);
        await make(node, handout =>
        {
            gate.Tell(new WorkGate.Serve(handout));
            return new Serving(gate, handout);
        });
    }

    private sealed class Serving(IActorRef gate, Handout handout) : IDisposable
    {
        public void Dispose() => gate.Tell(new WorkGate.Ended(handout));
    }
}
