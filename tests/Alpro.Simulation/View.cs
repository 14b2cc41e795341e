using System.Collections.Immutable;
using System.Numerics;
using Akka.Actor;
using Akka.Cluster;
using Alpro.Actors.Distributed.Membership;

namespace Alpro.Simulation;

/// <summary>The cluster as one simulated node sees it.</summary>
internal sealed class View(World world, SimulatedNode own) : ICluster
{
    private readonly Dictionary<SimulatedNode, Member> _members = [];
    private readonly HashSet<SimulatedNode> _unreachable = [], _givenUp = [];
    private readonly List<(IActorRef Actor, Type[] Events)> _subscribers = [];
    private MemberList _shown = MemberList.None;
    private Reachability _reachability = Reachability.Whole;
    private ClusterEvent.CurrentClusterState? _state;

    /// <inheritdoc/>
    public Address SelfAddress => own.Address;

    /// <summary>The members.</summary>
    public IReadOnlyDictionary<SimulatedNode, Member> Members => _members;

    /// <inheritdoc/>
    public ClusterEvent.CurrentClusterState State => _state ??= new([.. _members.Values],
        [.. _unreachable.Select(node => _members[node])], [], null!, ImmutableDictionary<string, Address>.Empty);

    /// <summary>Whether this node has given another up: nothing goes between them any more.</summary>
    public bool HasGivenUp(SimulatedNode node) => _givenUp.Contains(node);

    /// <summary>Whether a node is a member that takes part, as far as is known here.</summary>
    public bool IsUp(SimulatedNode node) => _members.TryGetValue(node, out Member? member)
        && member.Status is MemberStatus.Up or MemberStatus.Leaving;

    /// <summary>Which member it was to come up; the oldest has the least.</summary>
    public int UpNumberOf(SimulatedNode node) => _shown.Find(node)!.Value.UpNumber;

    /// <inheritdoc/>
    public void Subscribe(IActorRef subscriber, ClusterEvent.SubscriptionInitialStateMode initial, params Type[] events)
    {
        _subscribers.Add((subscriber, events));
        if (initial == ClusterEvent.SubscriptionInitialStateMode.InitialStateAsSnapshot)
        {
            subscriber.Tell(State, ActorRefs.NoSender);
            return;
        }
        foreach (Member member in _members.Values) Tell(subscriber, events, EventOf(member));
        foreach (SimulatedNode node in _unreachable) Tell(subscriber, events, new ClusterEvent.UnreachableMember(_members[node]));
    }

    /// <inheritdoc/>
    public void Unsubscribe(IActorRef subscriber) => _subscribers.RemoveAll(one => one.Actor.Equals(subscriber));

    /// <inheritdoc/>
    public void Down(Address node)
    {
        if (world.AllAt(node).FirstOrDefault(_members.ContainsKey) is { } down) own.Daemon.Down(down);
    }

    /// <summary>Tells what is otherwise in a later gossip.</summary>
    public void Show(Gossip gossip)
    {
        (MemberList members, Reachability reachability) = (_shown, _reachability);
        if (members == gossip.Members && reachability == gossip.Reachability) return;
        (_shown, _reachability) = (gossip.Members, gossip.Reachability);
        bool changed = false;
        foreach ((Fact? before, Fact? now) in members.Changes(gossip.Members))
        {
            changed = true;
            if (now is { } fact) Show(fact);
            else Remove(before!.Value);
        }
        if (changed && own.Role == NodeRole.Coordinator) world.OnCoordinatorsChanged(own);
        BigInteger lost = gossip.Reachability.Lost & ~own.Bit, was = reachability.Lost & ~own.Bit & gossip.Members.All;
        if (lost == was) return;
        foreach (SimulatedNode node in world.In(lost & ~was)) Reach(node, reachable: false);
        foreach (SimulatedNode node in world.In(was & ~lost)) Reach(node, reachable: true);
    }

    private void Show(Fact fact)
    {
        _state = null;
        world.Log.Add(own, fact.Status.ToString(), fact.Node.Name, fact.UpNumber == int.MaxValue ? 0 : fact.UpNumber);
        Publish(EventOf(_members[fact.Node] = fact.Node.MemberAs(fact.Status, fact.UpNumber)));
        if (fact.Node == own) world.OnOwnStatus(own, fact.Status);
    }

    private void Remove(Fact fact)
    {
        SimulatedNode node = fact.Node;
        _state = null;
        world.Log.Add(own, "Removed", node.Name);
        _members.Remove(node);
        _unreachable.Remove(node);
        _givenUp.Add(node);
        Publish(new ClusterEvent.MemberRemoved(node.MemberAs(MemberStatus.Removed, fact.UpNumber), fact.Status));
        // From now on, neither hears the other.
        foreach ((_, RemoteActor actor, IInternalActorRef watcher) in own.Watched.Where(watched => watched.Node == node))
            actor.TellEnded(watcher, addressTerminated: true);
        own.Watched.RemoveAll(watched => watched.Node == node);
    }

    private void Reach(SimulatedNode node, bool reachable)
    {
        if (!(reachable ? _unreachable.Remove(node) : _unreachable.Add(node))) return;
        _state = null;
        Member member = _members[node];
        world.Log.Add(own, reachable ? "reachable" : "unreachable", node.Name);
        Publish(reachable ? new ClusterEvent.ReachableMember(member) : new ClusterEvent.UnreachableMember(member));
    }

    private void Publish(ClusterEvent.IClusterDomainEvent what)
    {
        foreach ((IActorRef actor, Type[] events) in _subscribers.ToArray()) Tell(actor, events, what);
    }

    private static void Tell(IActorRef actor, Type[] events, ClusterEvent.IClusterDomainEvent what)
    {
        foreach (Type kind in events)
            if (kind.IsInstanceOfType(what))
            {
                actor.Tell(what, ActorRefs.NoSender);
                return;
            }
    }

    private static ClusterEvent.IClusterDomainEvent EventOf(Member member) => member.Status switch
    {
        MemberStatus.Joining => new ClusterEvent.MemberJoined(member),
        MemberStatus.WeaklyUp => new ClusterEvent.MemberWeaklyUp(member),
        MemberStatus.Up => new ClusterEvent.MemberUp(member),
        MemberStatus.Leaving => new ClusterEvent.MemberLeft(member),
        MemberStatus.Exiting => new ClusterEvent.MemberExited(member),
        _ => new ClusterEvent.MemberDowned(member),
    };
}
