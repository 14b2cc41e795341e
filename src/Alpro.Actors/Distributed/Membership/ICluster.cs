using Akka.Actor;
using Akka.Cluster;

namespace Alpro.Actors.Distributed.Membership;

/// <summary>The cluster as one of its nodes sees it, and what the node says there.</summary>
internal interface ICluster
{
    /// <summary>The node's own address.</summary>
    Address SelfAddress { get; }

    /// <summary>Members and who of them cannot be reached, as far as the node knows; it may be older than the last event.</summary>
    ClusterEvent.CurrentClusterState State { get; }

    /// <summary>Tells an actor of what changes.</summary>
    /// <param name="subscriber">The actor.</param>
    /// <param name="initial">Whether it is told first how things stand by the same events, or by a state.</param>
    /// <param name="events">Kinds of <see cref="ClusterEvent"/>.</param>
    void Subscribe(IActorRef subscriber, ClusterEvent.SubscriptionInitialStateMode initial, params Type[] events);

    /// <summary>Tells the actor of nothing more.</summary>
    void Unsubscribe(IActorRef subscriber);

    /// <summary>Gives a node up: it is taken out of the cluster. One that gives itself up ends.</summary>
    void Down(Address node);
}

/// <summary>The cluster that the process is a member of.</summary>
internal sealed class AkkaCluster(ActorSystem system) : ICluster
{
    private readonly Akka.Cluster.Cluster _cluster = Akka.Cluster.Cluster.Get(system);

    /// <inheritdoc/>
    public Address SelfAddress => _cluster.SelfAddress;

    /// <inheritdoc/>
    public ClusterEvent.CurrentClusterState State => _cluster.State;

    /// <inheritdoc/>
    public void Subscribe(IActorRef subscriber, ClusterEvent.SubscriptionInitialStateMode initial, params Type[] events) =>
        _cluster.Subscribe(subscriber, initial, events);

    /// <inheritdoc/>
    public void Unsubscribe(IActorRef subscriber) => _cluster.Unsubscribe(subscriber);

    /// <inheritdoc/>
    public void Down(Address node) => _cluster.Down(node);
}
