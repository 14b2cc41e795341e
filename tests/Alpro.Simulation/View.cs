using System.Collections.Immutable;
using Akka.Actor;
using Akka.Cluster;
using Alpro.Actors.Distributed.Membership;

namespace Alpro.Simulation;

/// <summary>What is known of a member. It only goes on, as in Akka's gossip.</summary>
internal readonly record struct Fact(SimulatedNode Node, MemberStatus Status, int UpNumber = int.MaxValue)
{
    /// <summary>How far the member has come.</summary>
    public int Rank => RankOf(Status);

    /// <summary>How far a member of a status has come.</summary>
    public static int RankOf(MemberStatus status) => status switch
    {
        MemberStatus.Joining => 0,
        MemberStatus.Up => 1,
        MemberStatus.Leaving => 2,
        MemberStatus.Exiting => 3,
        MemberStatus.Down => 4,
        _ => 5,
    };
}

/// <summary>The cluster as one simulated node sees it.</summary>
internal sealed class View(World world, SimulatedNode own) : ICluster
{
    private readonly Dictionary<SimulatedNode, Fact> _facts = [];
    private readonly Dictionary<SimulatedNode, Member> _members = [];
    private readonly HashSet<SimulatedNode> _unreachable = [];
    private readonly List<(IActorRef Actor, Type[] Events)> _subscribers = [];
    private ClusterEvent.CurrentClusterState? _state;

    /// <inheritdoc/>
    public Address SelfAddress => own.Address;

    /// <summary>What is known, of those that are gone too.</summary>
    public IReadOnlyCollection<Fact> Facts => _facts.Values;

    /// <summary>The members.</summary>
    public IReadOnlyDictionary<SimulatedNode, Member> Members => _members;

    /// <summary>Those that cannot be reached, as far as is known.</summary>
    public IReadOnlySet<SimulatedNode> Unreachable => _unreachable;

    /// <inheritdoc/>
    public ClusterEvent.CurrentClusterState State => _state ??= new([.. _members.Values],
        [.. _unreachable.Select(node => _members[node])], [], null!, ImmutableDictionary<string, Address>.Empty);

    /// <summary>Whether this node has given another up: nothing goes between them any more.</summary>
    public bool HasGivenUp(SimulatedNode node) => _facts.TryGetValue(node, out Fact fact) && fact.Status == MemberStatus.Removed;

    /// <summary>Whether a node is a member that takes part, as far as is known here.</summary>
    public bool IsUp(SimulatedNode node) => _members.TryGetValue(node, out Member? member)
        && member.Status is MemberStatus.Up or MemberStatus.Leaving;

    /// <summary>Which member it was to come up; the oldest has the least.</summary>
    public int UpNumberOf(SimulatedNode node) => _facts[node].UpNumber;

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
        if (_members.Keys.FirstOrDefault(member => member.Address.Equals(node)) is { } down)
            world.Membership.Spread(own, _facts[down] with { Status = MemberStatus.Down });
    }

    /// <summary>Takes a fact in.</summary>
    /// <returns>Whether it was news.</returns>
    public bool Learn(Fact fact)
    {
        SimulatedNode node = fact.Node;
        bool isKnown = _facts.TryGetValue(node, out Fact known);
        if (isKnown && known.Rank >= fact.Rank) return false;
        _facts[node] = fact;
        _state = null;
        world.Log.Add(own, fact.Status.ToString(), node.Name);
        _members.TryGetValue(node, out Member? before);
        if (fact.Status == MemberStatus.Removed)
        {
            if (before is null) return true;                         // it came and went meanwhile
            _members.Remove(node);
            _unreachable.Remove(node);
            MemberStatus previous = before.Status == MemberStatus.Exiting ? MemberStatus.Exiting : MemberStatus.Down;
            Publish(new ClusterEvent.MemberRemoved(node.MemberAs(MemberStatus.Removed, fact.UpNumber), previous));
            world.Membership.OnRemoved(own, node);
        }
        else
        {
            Member member = _members[node] = node.MemberAs(fact.Status, fact.UpNumber);
            Publish(EventOf(member));
            if (node == own) world.OnOwnStatus(own, fact.Status);
        }
        if (own.Role == NodeRole.Coordinator) world.OnCoordinatorsChanged(own);
        return true;
    }

    /// <summary>A member cannot be reached, or can be again.</summary>
    public void Reach(SimulatedNode node, bool reachable)
    {
        if (!_members.TryGetValue(node, out Member? member) || !(reachable ? _unreachable.Remove(node) : _unreachable.Add(node))) return;
        _state = null;
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
        MemberStatus.Up => new ClusterEvent.MemberUp(member),
        MemberStatus.Leaving => new ClusterEvent.MemberLeft(member),
        MemberStatus.Exiting => new ClusterEvent.MemberExited(member),
        _ => new ClusterEvent.MemberDowned(member),
    };
}
