using Akka.Actor;
using Akka.Cluster;
using Alpro.Actors.Distributed.Membership;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Distributed.Work;

/// <summary>Keeps a <see cref="WorkLink"/> from a node to every process of the cluster that it helps.</summary>
internal sealed class WorkSupervisor : ReceiveActor
{
    /// <summary>What a node helps with.</summary>
    /// <param name="Whom">The role of those that it helps.</param>
    /// <param name="ServeAsync">Does pieces over a connection, until that is closed.</param>
    /// <param name="Workers">Pieces that it does at once.</param>
    public sealed record Help(NodeRole Whom, Func<Stream, CancellationToken, Task> ServeAsync, int Workers)
    {
        /// <summary>Told when the last of those that it helps has left in order.</summary>
        public Action Ended { get; init; } = static () => { };
    }

    private readonly Akka.Cluster.Cluster _cluster = Akka.Cluster.Cluster.Get(Context.System);
    private readonly ILogger _log = Context.System.Log();
    private readonly Dictionary<Address, IActorRef> _links = [];
    private readonly HashSet<string> _disagreed = [];
    private readonly Func<Address, Props> _link;

    /// <summary>The supervisor of this node's links.</summary>
    /// <param name="help">What the node helps with.</param>
    /// <param name="certificates">The node's certificates.</param>
    public WorkSupervisor(Help help, NodeCertificates? certificates)
    {
        Action<string> disagreed = reason =>
        {
            bool isNew;
            lock (_disagreed) isNew = _disagreed.Add(reason);
            if (isNew) _log.HelpRefused(reason);
        };
        _link = helped => Props.Create(() => new WorkLink(helped, help, certificates, disagreed));
        Receive<ClusterEvent.IMemberEvent>(message =>
        {
            Member member = message.Member;
            if (!member.HasRole(ClusterNode.RoleName(help.Whom))) return;
            if (message is ClusterEvent.MemberUp) Start(member.Address);
            if (message is not ClusterEvent.MemberRemoved removed) return;
            if (_links.Remove(member.Address, out IActorRef? link)) Context.Stop(Context.Unwatch(link));
            if (removed.PreviousStatus == MemberStatus.Exiting && _links.Count == 0) help.Ended();
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
        _log.WorkLinkLost(error.Message);
        return Directive.Stop;
    }, loggingEnabled: false);

    private void Start(Address helped) => _links[helped] = Context.Watch(Context.ActorOf(_link(helped)));
}
