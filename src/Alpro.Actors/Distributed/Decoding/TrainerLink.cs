using System.Collections.Concurrent;
using Akka.Actor;
using Akka.Cluster;
using Alpro.Actors.Insight;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Distributed.Transport;
using Alpro.Actors.Pipeline;
using Alpro.Data.Clips;
using Alpro.Data.Sampling;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Distributed.Decoding;

/// <summary>
/// The training node's end of a link to one decode node. It holds the connection, and a <see cref="RemoteDecoder"/> for every clip that the
/// node may have in hand. A grant is the credit to send one clip. So the grants bound what either end holds, and the window of the
/// coordinator bounds the grants. When the connection or the node is lost, or the node does not answer, this actor stops with its children.
/// Their clips then go to others. A node that was only away finds its connection closed and offers itself again. The cluster need not agree
/// that it is lost: a clip is a clip.
/// </summary>
internal sealed class TrainerLink : ReceiveActor
{
    /// <summary>Sent by a <see cref="DecoderNodeLink"/>: a clip that was granted cannot be made.</summary>
    public sealed record Unreadable(Rejection Rejection) : IWireMessage;

    /// <summary>Sent by a <see cref="DecoderNodeLink"/> every second: what its decoders did since.</summary>
    /// <param name="Decoders">How many there are.</param>
    /// <param name="Load">What they did.</param>
    public sealed record Worked(int Decoders, DecodeLoad Load) : IWireMessage;

    /// <summary>Sent by a <see cref="DecoderNodeLink"/>: the decoder of this clip died.</summary>
    public sealed record DecoderDied(ClipRequest Request) : IWireMessage;

    /// <summary>Sent by a <see cref="RemoteDecoder"/>: have this clip made, and give it to the sender.</summary>
    public sealed record Make(ClipRequest Request);

    /// <summary>Sent by a <see cref="DecoderNodeLink"/>: others serve this trainer from now on. The link ends with what it holds.</summary>
    public sealed record Retire : IWireMessage
    {
        public static readonly Retire Instance = new();
    }

    private sealed record Closed(Exception Reason);

    private readonly TrainerGate.Serve _served;
    private readonly ICluster _cluster;
    private readonly IActorRef _node;
    private readonly int _clips;
    private readonly Stream _stream;
    private readonly ILogger _log = Context.System.Log();
    private bool _retiring;

    /// <summary>Who waits for which clip; whoever reads looks here whether it wants one.</summary>
    private readonly ConcurrentDictionary<ClipRequest, IActorRef> _granted = new();

    /// <summary>A link to a node.</summary>
    /// <param name="served">The stream it joins.</param>
    /// <param name="cluster">The cluster that this node is a member of.</param>
    /// <param name="node">The node's <see cref="DecoderNodeLink"/>.</param>
    /// <param name="clips">Clips that the node may have in hand.</param>
    /// <param name="stream">The connection that clips come over; the link disposes it.</param>
    public TrainerLink(TrainerGate.Serve served, ICluster cluster, IActorRef node, int clips, Stream stream)
    {
        (_served, _cluster, _node, _clips, _stream) = (served, cluster, node, clips, stream);
        Receive<Make>(message =>
        {
            _granted[message.Request] = Sender;
            _node.Tell(new DecoderNodeLink.Grant(message.Request));
        });
        Receive<Unreadable>(message =>
        {
            if (_granted.TryRemove(message.Rejection.Request, out IActorRef? decoder)) decoder.Tell(message);
        });
        Receive<DecoderDied>(message =>
        {
            if (!_granted.TryRemove(message.Request, out IActorRef? decoder)) return;
            Context.Stop(decoder);
            if (_retiring) return;
            Context.Unwatch(decoder);
            StartDecoder();
        });
        Receive<Worked>(message =>
        {
            Meter.Decoders = message.Decoders;
            Meter.Add(message.Load);
        });
        Receive<Retire>(_ =>
        {
            _retiring = true;
            foreach (IActorRef decoder in Context.GetChildren()) decoder.Tell(RemoteDecoder.Leave.Instance);
        });
        Receive<ClusterEvent.UnreachableMember>(message =>
        {
            if (message.Member.Address.Equals(_node.Path.Address)) End("it does not answer");
        });
        Receive<ClusterEvent.CurrentClusterState>(static _ => { });  // it came although somebody does not reach it
        Receive<Closed>(message => End(message.Reason.Message));
        Receive<Terminated>(message =>
        {
            if (message.ActorRef.Equals(_node)) End("it left the cluster, or gave up the connection");
            else if (!_retiring) End("it held a clip for too long");
            else if (!Context.GetChildren().Any()) Context.Stop(Self);
        });
    }

    private DecodeMeter Meter => _served.Ledger.Meter(_node.Path.Address.Endpoint());

    /// <inheritdoc/>
    protected override void PreStart()
    {
        Context.Watch(_node);
        _cluster.Subscribe(Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsSnapshot, typeof(ClusterEvent.UnreachableMember));
        ReadAsync().PipeTo(Self, failure: static reason => new Closed(reason));      // it waits: nothing has been granted yet
        for (int clip = 0; clip < _clips; clip++) StartDecoder();
        ActorMetrics.WatchQueue(Self, "links", () => _granted.Count);
        ActorMetrics.WatchMailbox(Self, "link");
        _log.DecodeNodeJoined(_node.Path.Address.Endpoint(), _clips);
    }

    /// <inheritdoc/>
    protected override void PostStop()
    {
        _cluster.Unsubscribe(Self);
        Meter.Decoders = 0;
        _stream.Dispose();
    }

    private void StartDecoder()
    {
        IActorRef pipeline = _served.Pipeline;
        Context.Watch(Context.ActorOf(Props.Create(() => new RemoteDecoder(pipeline))));
    }

    private void End(string reason)
    {
        _log.DecodeNodeLost(_node.Path.Address.Endpoint(), _granted.Count, reason);
        Context.Stop(Self);
    }

    /// <summary>Reads clips until the connection is gone; no thread waits for them.</summary>
    private async Task ReadAsync()
    {
        var receiver = new ClipReceiver(_stream, new(_served.Clips), _served.Numbers);
        while (true)
        {
            IActorRef? decoder = null;
            Clip? clip = await receiver.ReceiveAsync(request => _granted.TryRemove(request, out decoder)).ConfigureAwait(false);
            if (clip is null) _served.Ledger.Duplicate();            // of a decoder that died after it had sent it
            else decoder!.Tell(new RemoteDecoder.Arrived(clip));
        }
    }
}
