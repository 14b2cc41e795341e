using System.Net;
using System.Net.Sockets;
using Akka.Actor;
using Akka.Cluster;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Distributed.Transport;
using Alpro.Data.Packs;
using Alpro.Data.Workers;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Distributed.Packing;

/// <summary>
/// Lets the encoders of decode nodes into the pack that is being made, at <c>/user/packing</c> of the process that packs. Each has a
/// connection of its own, over which it is asked for one clip at a time. A node that does not answer, or leaves, is closed; what its
/// encoders had in hand goes to others.
/// </summary>
internal sealed class PackGate : ReceiveActor
{
    /// <summary>Name of the gate under <c>/user</c>.</summary>
    public const string Name = "packing";

    /// <summary>Sent by the packer: encoders may join a corpus.</summary>
    /// <param name="Terms">What decides its clips.</param>
    /// <param name="Pool">Where they are put.</param>
    public sealed record Serve(PackTerms Terms, WorkerPool<IClipEncoder> Pool);

    /// <summary>Sent by the packer: all clips of the corpus are encoded.</summary>
    public sealed record Ended(WorkerPool<IClipEncoder> Pool);

    /// <summary>Sent by a <see cref="PackLink"/>, again and again until it is answered.</summary>
    /// <param name="Encoders">Clips that the node encodes at once.</param>
    public sealed record Offer(int Encoders) : IWireMessage;

    private sealed record Proven(string Token, Stream Stream);

    private sealed record Agreed(IActorRef Node, Stream Stream, Serve Served, string Differences);

    private sealed record Lost(IActorRef Node, string Reason);

    private const int MostEncoders = 256;

    private static readonly TimeSpan _toAgree = TimeSpan.FromMinutes(10);      // the node may have to index the corpus first

    private readonly ClusterNode _node;
    private readonly Socket _socket;
    private readonly CancellationTokenSource _stop = new();
    private readonly ILogger _log = Context.System.Log();
    private readonly Dictionary<string, IActorRef> _invited = [];
    private readonly Dictionary<IActorRef, List<RemoteEncoder>> _helpers = [];
    private readonly HashSet<(Address, string)> _refused = [];
    private Serve? _served;

    /// <summary>A gate that listens on the node's data port.</summary>
    /// <param name="node">The node.</param>
    /// <param name="socket">A socket on that port; it is the gate's.</param>
    public PackGate(ClusterNode node, Socket socket)
    {
        (_node, _socket) = (node, socket);
        Receive<Serve>(message => _served = message);
        Receive<Ended>(message =>
        {
            if (message.Pool.Elsewhere is > 0 and var clips) _log.ClipsPackedElsewhere(_served!.Terms.Corpus, clips);
            _served = null;
            _invited.Clear();
            _helpers.Clear();                                        // the pool closes the connections
        });
        Receive<Offer>(OnOffer);
        Receive<Proven>(OnProven);
        Receive<Agreed>(OnAgreed);
        Receive<Lost>(message => Close(message.Node, message.Reason));
        Receive<ClusterEvent.UnreachableMember>(message => CloseAll(message.Member.Address, "it does not answer"));
        Receive<ClusterEvent.MemberRemoved>(message => CloseAll(message.Member.Address, "it left the cluster"));
        Receive<ClusterEvent.CurrentClusterState>(static _ => { });
    }

    /// <inheritdoc/>
    protected override void PreStart()
    {
        Akka.Cluster.Cluster.Get(Context.System)
            .Subscribe(Self, typeof(ClusterEvent.UnreachableMember), typeof(ClusterEvent.MemberRemoved));
        IActorRef self = Self;
        DataPlane.ListenAsync(_socket, _node.Certificates, (token, stream) => self.Tell(new Proven(token, stream)),
            _log.DataConnectionRefused, _stop.Token).PipeTo(self);
    }

    /// <inheritdoc/>
    protected override void PostStop()
    {
        Akka.Cluster.Cluster.Get(Context.System).Unsubscribe(Self);
        _stop.Cancel();
        _socket.Dispose();
        foreach (IActorRef node in _helpers.Keys.ToList()) Close(node, "this process has left the cluster");
    }

    private void OnOffer(Offer offer)
    {
        if (_served is null) return;                                 // it will ask again
        foreach (string earlier in _invited.Where(invited => invited.Value.Equals(Sender)).Select(invited => invited.Key).ToList())
            _invited.Remove(earlier);
        string[] tokens = [.. Enumerable.Range(0, Math.Clamp(offer.Encoders, 1, MostEncoders)).Select(_ => DataPlane.NewToken())];
        foreach (string token in tokens) _invited[token] = Sender;
        Sender.Tell(new PackLink.Welcome(_node.Host, ((IPEndPoint)_socket.LocalEndPoint!).Port, tokens));
    }

    private void OnProven(Proven message)
    {
        if (_served is not { } served || !_invited.Remove(message.Token, out IActorRef? node))
        {
            message.Stream.Dispose();
            _log.DataConnectionRefused("its token was not given out, or is used");
            return;
        }
        Stream stream = message.Stream;
        AgreeAsync().PipeTo(Self, failure: error =>
        {
            stream.Dispose();
            return new Lost(node, error.Message);
        });

        async Task<Agreed> AgreeAsync()
        {
            using CancellationTokenSource late = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
            late.CancelAfter(_toAgree);
            await PackWire.SendAsync(stream, served.Terms, late.Token);
            return new(node, stream, served, served.Terms.Differences(await PackWire.ReceiveTermsAsync(stream, late.Token)));
        }
    }

    private void OnAgreed(Agreed message)
    {
        (IActorRef node, IActorRef self) = (message.Node, Self);
        if (message.Differences.Length > 0 || !ReferenceEquals(_served, message.Served))
        {
            message.Stream.Dispose();
            if (message.Differences.Length > 0 && _refused.Add((node.Path.Address, message.Differences)))
                _log.DecodeNodeRefused(node.Path.Address.Endpoint(), message.Differences);
            return;
        }
        if (!_helpers.TryGetValue(node, out List<RemoteEncoder>? encoders))
        {
            _helpers[node] = encoders = [];
            _log.PackNodeJoined(node.Path.Address.Endpoint());
        }
        RemoteEncoder encoder = new(message.Stream, reason => self.Tell(new Lost(node, reason)));
        encoders.Add(encoder);
        _served.Pool.Add(encoder);
    }

    private void CloseAll(Address address, string reason)
    {
        foreach (IActorRef node in _helpers.Keys.Where(node => node.Path.Address.Equals(address)).ToList()) Close(node, reason);
    }

    /// <summary>Closes all connections of a node: its link ends with any of them, and it offers itself anew.</summary>
    private void Close(IActorRef node, string reason)
    {
        if (!_helpers.Remove(node, out List<RemoteEncoder>? encoders)) return;
        foreach (RemoteEncoder encoder in encoders) _served!.Pool.Remove(encoder);
        _log.PackNodeLost(node.Path.Address.Endpoint(), reason);
    }
}
