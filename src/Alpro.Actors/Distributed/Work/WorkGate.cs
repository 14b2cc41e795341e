using System.Net;
using System.Net.Sockets;
using Akka.Actor;
using Akka.Cluster;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Distributed.Transport;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Distributed.Work;

/// <summary>
/// Lets the workers of nodes into what is being made, at <c>/user/work</c> of the process that makes it. Each has a connection of its own,
/// over which it is asked for one piece at a time. A node that does not answer, or leaves, is closed; what its workers had in hand goes to
/// others.
/// </summary>
internal sealed class WorkGate : ReceiveActor
{
    /// <summary>Name of the gate under <c>/user</c>.</summary>
    public const string Name = "work";

    /// <summary>Sent by the process that makes something: workers may join.</summary>
    public sealed record Serve(Handout Handout);

    /// <summary>Sent by the process that makes something: all its pieces are done.</summary>
    public sealed record Ended(Handout Handout);

    /// <summary>Sent by a <see cref="WorkLink"/>, again and again until it is answered.</summary>
    /// <param name="Workers">Pieces that the node does at once.</param>
    public sealed record Offer(int Workers) : IWireMessage;

    private sealed record Proven(string Token, Stream Stream);

    private sealed record Agreed(IActorRef Node, Stream Stream, Handout Handout, string Differences);

    private sealed record Lost(IActorRef Node, string Reason);

    private const int MostWorkers = 256;

    private static readonly TimeSpan _toAgree = TimeSpan.FromMinutes(10);      // the node may have to index the corpus first

    private readonly ClusterNode _node;
    private readonly Socket _socket;
    private readonly CancellationTokenSource _stop = new();
    private readonly ILogger _log = Context.System.Log();
    private readonly Dictionary<string, IActorRef> _invited = [];
    private readonly Dictionary<IActorRef, List<Action>> _helpers = [];           // what gives their workers up
    private readonly HashSet<(Address, string)> _refused = [];
    private Handout? _served;

    /// <summary>A gate that listens on the node's data port.</summary>
    /// <param name="node">The node.</param>
    /// <param name="socket">A socket on that port; it is the gate's.</param>
    public WorkGate(ClusterNode node, Socket socket)
    {
        (_node, _socket) = (node, socket);
        Receive<Serve>(message => _served = message.Handout);
        Receive<Ended>(message =>
        {
            if (message.Handout.Elsewhere() is > 0 and var pieces) _log.WorkDoneElsewhere(message.Handout.What, pieces);
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
        string[] tokens = [.. Enumerable.Range(0, Math.Clamp(offer.Workers, 1, MostWorkers)).Select(_ => DataPlane.NewToken())];
        foreach (string token in tokens) _invited[token] = Sender;
        Sender.Tell(new WorkLink.Welcome(_node.Host, ((IPEndPoint)_socket.LocalEndPoint!).Port, tokens));
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
            return new(node, stream, served, await served.AgreeAsync(stream, late.Token));
        }
    }

    private void OnAgreed(Agreed message)
    {
        (IActorRef node, IActorRef self) = (message.Node, Self);
        if (message.Differences.Length > 0 || !ReferenceEquals(_served, message.Handout))
        {
            message.Stream.Dispose();
            if (message.Differences.Length > 0 && _refused.Add((node.Path.Address, message.Differences)))
                _log.WorkerRefused(node.Path.Address.Endpoint(), message.Differences);
            return;
        }
        if (!_helpers.TryGetValue(node, out List<Action>? workers))
        {
            _helpers[node] = workers = [];
            _log.WorkNodeJoined(node.Path.Address.Endpoint(), message.Handout.What);
        }
        workers.Add(_served.Join(message.Stream, reason => self.Tell(new Lost(node, reason))));
    }

    private void CloseAll(Address address, string reason)
    {
        foreach (IActorRef node in _helpers.Keys.Where(node => node.Path.Address.Equals(address)).ToList()) Close(node, reason);
    }

    /// <summary>Closes all connections of a node: its link ends with any of them, and it offers itself anew.</summary>
    private void Close(IActorRef node, string reason)
    {
        if (!_helpers.Remove(node, out List<Action>? workers)) return;
        foreach (Action giveUp in workers) giveUp();
        _log.WorkNodeLost(node.Path.Address.Endpoint(), reason);
    }
}
