using Akka.Actor;
using Akka.Cluster;
using Alpro.Actors.Distributed.Membership;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Distributed.Packing;

/// <summary>Keeps a <see cref="PackLink"/> from a decode node to every process of the cluster that packs.</summary>
internal sealed class PackSupervisor : ReceiveActor
{
    private readonly Akka.Cluster.Cluster _cluster = Akka.Cluster.Cluster.Get(Context.System);
    private readonly ILogger _log = Context.System.Log();
    private readonly Dictionary<Address, IActorRef> _links = [];
    private readonly HashSet<string> _disagreed = [];
    private readonly Func<Address, Props> _link;

    /// <summary>The supervisor of this node's links.</summary>
    /// <param name="source">What the node packs from.</param>
    /// <param name="encoders">Clips that it encodes at once.</param>
    /// <param name="certificates">The node's certificates.</param>
    public PackSupervisor(PackSource source, int encoders, NodeCertificates? certificates)
    {
        Action<string> disagreed = reason =>
        {
            bool isNew;
            lock (_disagreed) isNew = _disagreed.Add(reason);
            if (isNew) _log.PackingRefused(reason);
        };
        _link = packer => Props.Create(() => new PackLink(packer, source, encoders, certificates, disagreed));
        Receive<ClusterEvent.IMemberEvent>(message =>
        {
            Member member = message.Member;
            if (!member.HasRole(ClusterNode.RoleName(NodeRole.Packer))) return;
            if (message is ClusterEvent.MemberUp) Start(member.Address);
            if (message is ClusterEvent.MemberRemoved && _links.Remove(member.Address, out IActorRef? link))
                Context.Stop(Context.Unwatch(link));
        });
        Receive<Terminated>(message =>
        {
            if (_links.FirstOrDefault(link => link.Value.Equals(message.ActorRef)) is { Value: not null } ended) Start(ended.Key);
        });
    }

    /// <inheritdoc/>
    protected override void PreStart() =>
        _cluster.Subscribe(Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.IMemberEvent));

    /// <inheritdoc/>
    protected override void PostStop() => _cluster.Unsubscribe(Self);

    /// <inheritdoc/>
    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(error =>
    {
        _log.PackLinkLost(error.Message);
        return Directive.Stop;
    }, loggingEnabled: false);

    private void Start(Address packer) => _links[packer] = Context.Watch(Context.ActorOf(_link(packer)));
}
