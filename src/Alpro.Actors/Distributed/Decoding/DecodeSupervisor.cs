using Akka.Actor;
using Akka.Cluster;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Hosting;
using Alpro.Actors.Pipeline;
using Alpro.Data.Clips;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Distributed.Decoding;

/// <summary>
/// The top of a decode node: keeps a <see cref="DecoderNodeLink"/> to every node of the cluster that trains. When the last of these and of
/// the coordinators has left in order, the run has ended. One that is given up may be started again, and is waited for.
/// </summary>
internal sealed class DecodeSupervisor : ReceiveActor
{
    /// <summary>What a decode node works with.</summary>
    /// <param name="Open">Opens a source of clips, one for each decoder.</param>
    /// <param name="Clips">How the clips are made.</param>
    /// <param name="Data">What decides a clip, as <see cref="RunData.Describe"/> says it.</param>
    /// <param name="Settings">How many decoders there are, and how many may die.</param>
    /// <param name="Certificates">The node's certificates; null on the machine's own network alone.</param>
    public sealed record Work(Func<IClipSource> Open, ClipSettings Clips, IReadOnlyDictionary<string, string> Data,
        ActorSettings Settings, NodeCertificates? Certificates)
    {
        /// <summary>Given every connection before clips go over it: a slow network is put in here.</summary>
        public Func<Stream, Stream> Wire { get; init; } = static stream => stream;
    }

    private readonly Work _work;
    private readonly Akka.Cluster.Cluster _cluster = Akka.Cluster.Cluster.Get(Context.System);
    private readonly Action _ended;
    private readonly Action<Exception> _failed;
    private readonly ILogger _log = Context.System.Log();
    private readonly Dictionary<Address, IActorRef> _links = [];

    /// <summary>
    /// The nodes that carry the run. They are counted here, because what the cluster extension tells of its state may be older than an
    /// event.
    /// </summary>
    private readonly HashSet<UniqueAddress> _carriers = [];

    /// <summary>The supervisor of this node's links.</summary>
    /// <param name="work">What it works with.</param>
    /// <param name="ended">Told when the run has ended.</param>
    /// <param name="failed">Told when it is of no use: its data are other than the run's, or its decoders keep dying.</param>
    public DecodeSupervisor(Work work, Action ended, Action<Exception> failed)
    {
        (_work, _ended, _failed) = (work, ended, failed);
        Receive<ClusterEvent.IMemberEvent>(OnMember);
        Receive<Terminated>(message =>
        {
            if (_links.FirstOrDefault(link => link.Value.Equals(message.ActorRef)) is { Value: not null } lost) StartLink(lost.Key);
        });
        Receive<DecoderNodeLink.Refused>(message =>
            failed(new UsageException($"this node's clips would not be those of the run: {message.Reason}")));
    }

    /// <inheritdoc/>
    protected override void PreStart() =>
        _cluster.Subscribe(Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.IMemberEvent));

    /// <inheritdoc/>
    protected override void PostStop() => _cluster.Unsubscribe(Self);

    /// <summary>Whether a node trains, or may.</summary>
    private static bool Trains(Member member) =>
        member.HasRole(ClusterNode.RoleName(NodeRole.Coordinator)) || member.HasRole(ClusterNode.RoleName(NodeRole.Trainer));

    /// <summary>Whether a node carries the run, or packs: without any of these there is nothing to do.</summary>
    private static bool Carries(Member member) => Trains(member) || member.HasRole(ClusterNode.RoleName(NodeRole.Packer));

    /// <inheritdoc/>
    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(error =>
    {
        if (error is DecodersDyingException) _failed(error);
        else _log.LinkLost(error.Message);
        return Directive.Stop;
    }, loggingEnabled: false);

    private void OnMember(ClusterEvent.IMemberEvent message)
    {
        Member member = message.Member;
        if (!Carries(member)) return;
        if (member.Status is MemberStatus.Down or MemberStatus.Removed) _carriers.Remove(member.UniqueAddress);
        else _carriers.Add(member.UniqueAddress);
        if (message is ClusterEvent.MemberUp && Trains(member)) StartLink(member.Address);
        if (message is not ClusterEvent.MemberRemoved removed) return;
        if (_links.Remove(member.Address, out IActorRef? link)) Context.Stop(Context.Unwatch(link));
        if (removed.PreviousStatus == MemberStatus.Exiting && _carriers.Count == 0) _ended();
    }

    private void StartLink(Address trainer)
    {
        Work work = _work;
        _links[trainer] = Context.Watch(Context.ActorOf(Props.Create(() => new DecoderNodeLink(trainer, work))));
    }
}
