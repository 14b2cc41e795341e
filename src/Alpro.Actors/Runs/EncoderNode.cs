using Akka.Actor;
using Alpro.Actors.Distributed.Indexing;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Distributed.Work;
using Alpro.Actors.Hosting;
using Alpro.Actors.Search;

namespace Alpro.Actors.Runs;

/// <summary>A node that finds, decodes and encodes windows for the nodes that index.</summary>
public static class EncoderNode
{
    /// <summary>Encodes until the last node that indexes has left, or the cluster has ended, or this node is told to leave.</summary>
    /// <param name="start">How the node starts.</param>
    /// <param name="videos">The model, and this node's copy of the videos.</param>
    /// <param name="stop">Tells the node to leave.</param>
    /// <exception cref="UsageException">The model answers questions, or a file is nowhere.</exception>
    /// <exception cref="Alpro.Data.DataException">There are no videos.</exception>
    public static async Task<NodeEnd> RunAsync(NodeStart start, IndexedVideos videos, CancellationToken stop)
    {
        RunHost node = await start.JoinAsync(end: null, stop);
        IndexHelper? helper = null;
        try
        {
            IndexHelper opened = helper = new IndexHelper(node, videos);
            var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            using CancellationTokenRegistration asked = stop.Register(() => ended.TrySetResult());
            var help = new WorkSupervisor.Help(NodeRole.Indexer, opened.ServeAsync, WindowEncoders.PlacesOf(node.Settings))
            {
                Ended = () => ended.TrySetResult(),
            };
            NodeCertificates? certificates = node.Node!.Certificates;
            node.System.ActorOf(Props.Create(() => new WorkSupervisor(help, certificates)), "encoder-node");
            await await Task.WhenAny(ended.Task, node.System.WhenTerminated);
            return NodeEnd.Success;
        }
        finally
        {
            await node.DisposeAsync();
            helper?.Dispose();
        }
    }
}
