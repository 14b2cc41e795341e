using Akka.Actor;
using Akka.Cluster;
using Alpro.Actors.Insight;
using Alpro.Training.Records;

namespace Alpro.Actors.Distributed.Membership;

/// <summary>Writes into a <see cref="NodeRoster"/> who comes to the cluster and who goes, as the cluster tells it.</summary>
internal sealed class NodeWatch : ReceiveActor
{
    private readonly NodeRoster _roster;
    private readonly TimeProvider _time;

    public NodeWatch(NodeRoster roster, TimeProvider time)
    {
        (_roster, _time) = (roster, time);
        Receive<ClusterEvent.UnreachableMember>(message => Set(message.Member, "unreachable"));
        Receive<ClusterEvent.MemberRemoved>(message => Set(message.Member,
            message.PreviousStatus == MemberStatus.Down ? NodeStatus.Lost : NodeStatus.Left));
        Receive<ClusterEvent.ReachableMember>(message => Set(message.Member, StateOf(message.Member)));
        Receive<ClusterEvent.IMemberEvent>(message => Set(message.Member, StateOf(message.Member)));
    }

    /// <inheritdoc/>
    protected override void PreStart() => Cluster.Get(Context.System).Subscribe(Self,
        ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.IMemberEvent),
        typeof(ClusterEvent.IReachabilityEvent));

    /// <inheritdoc/>
    protected override void PostStop() => Cluster.Get(Context.System).Unsubscribe(Self);

    private static string StateOf(Member member) => member.Status.ToString().ToLowerInvariant();

    private void Set(Member member, string state) =>
        _roster.Set(ClusterNode.RoleOf(member), member.Address.Endpoint(), state, _time.GetUtcNow());
}
