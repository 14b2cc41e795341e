using Akka.Actor;
using Alpro.Actors.Distributed.Decoding;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Distributed.Packing;
using Alpro.Actors.Distributed.Work;
using Alpro.Actors.Hosting;
using Alpro.Data.Clips;
using Alpro.Training.Configuration;

namespace Alpro.Actors.Runs;

/// <summary>A node that makes clips for the nodes that train.</summary>
public static class DecoderNode
{
    /// <summary>Makes clips until the run has ended, or the cluster, or this node is told to leave.</summary>
    /// <param name="start">How the node starts.</param>
    /// <param name="config">The run.</param>
    /// <param name="stop">Tells the node to leave.</param>
    public static async Task<NodeEnd> RunAsync(NodeStart start, RunConfig config, CancellationToken stop)
    {
        RunHost node = await start.JoinAsync(end: null, stop);
        RunData? data = null;
        PackSource? packs = null;
        try
        {
            RunData opened = data = new RunData(config, node.Settings);
            ClipSettings clips = config.Data.Clip;
            var work = new DecodeSupervisor.Work(() => node.Source(opened.OpenSource(clips)), clips, opened.Describe(),
                node.Settings with { Decoders = node.Settings.Decoders * opened.ClipsPerDecoder, Computing = node.Settings.Decoders },
                node.Node!.Certificates)
            { Wire = start.Wire };
            var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            using CancellationTokenRegistration asked = stop.Register(() => ended.TrySetResult());
            Action over = () =>
            {
                if (ended.TrySetResult()) node.Log.RunHasEnded();
            };
            Action<Exception> failed = reason => ended.TrySetException(reason);
            ICluster cluster = node.Cluster!;
            node.System.ActorOf(Props.Create(() => new DecodeSupervisor(work, cluster, over, failed)), "decode-node");
            PackSource opens = packs = new(config.Data.AllCorpora(),
                new() { Deadline = node.Settings.DecodeDeadline, Places = node.Settings.Places }, node.Settings.IsolateDecoders);
            var help = new WorkSupervisor.Help(NodeRole.Packer, opens.ServeAsync, node.Settings.Decoders);
            NodeCertificates? certificates = node.Node.Certificates;
            node.System.ActorOf(Props.Create(() => new WorkSupervisor(help, certificates)), "pack-node");
            await await Task.WhenAny(ended.Task, node.System.WhenTerminated);
            return NodeEnd.Success;
        }
        finally
        {
            await node.DisposeAsync();                               // decoders stop before the corpora close under them
            data?.Dispose();
            packs?.Dispose();
        }
    }
}
