using Akka.Actor;
using Akka.Cluster;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Distributed.Transport;
using Alpro.Actors.Hosting;
using Alpro.Data.Clips;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Distributed.Decoding;

/// <summary>
/// The top of a decode node: has one <see cref="DecoderPool"/>, and keeps a <see cref="DecoderNodeLink"/> to every training node that it
/// serves (<see cref="ServedTrainers"/>). When the last of those that train or coordinate has left in order, the run has ended. One that is
/// given up may be started again, and is waited for, for as long as <see cref="VoterMajority"/> lets this node be.
/// </summary>
internal sealed class DecodeSupervisor : ReceiveActor, IWithTimers
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

        /// <summary>The clock.</summary>
        public TimeProvider Time { get; init; } = TimeProvider.System;

        /// <summary>Connects to where a trainer told the node to bring clips.</summary>
        public Func<DecoderNodeLink.Welcome, CancellationToken, Task<Stream>> Connect { get; init; } = (there, stop) =>
            DataPlane.ConnectAsync(there.Host, there.Port, there.Token, Certificates, stop, DataPlane.Loop);
    }

    private sealed record Assign
    {
        public static readonly Assign Instance = new();
    }

    /// <summary>Members come and go together: whom this node serves is decided when there was no news for so long.</summary>
    private static readonly TimeSpan _settled = TimeSpan.FromMilliseconds(500);

    private readonly Work _work;
    private readonly ICluster _cluster;
    private readonly Action _ended;
    private readonly Action<Exception> _failed;
    private readonly ILogger _log = Context.System.Log();
    private readonly Dictionary<Address, IActorRef> _links = [];

    /// <summary>
    /// The members that are there, or about to leave. They are counted here, because what the cluster extension tells of its state may be
    /// older than an event.
    /// </summary>
    private readonly Dictionary<UniqueAddress, Member> _members = [];

    private readonly IActorRef _pool;

    /// <summary>The supervisor of this node's links.</summary>
    /// <param name="work">What it works with.</param>
    /// <param name="cluster">The cluster that the node is a member of.</param>
    /// <param name="ended">Told when the run has ended.</param>
    /// <param name="failed">Told when it is of no use: its data are other than the run's, or its decoders keep dying.</param>
    public DecodeSupervisor(Work work, ICluster cluster, Action ended, Action<Exception> failed)
    {
        (_work, _cluster, _ended, _failed) = (work, cluster, ended, failed);
        _pool = Context.ActorOf(Props.Create(() => new DecoderPool(work.Open, work.Settings, work.Time)), "pool");
        Receive<ClusterEvent.IMemberEvent>(OnMember);
        Receive<Assign>(_ => OnAssign());
        Receive<Terminated>(message =>
        {
            if (_links.FirstOrDefault(link => link.Value.Equals(message.ActorRef)) is { Value: not null } lost) StartLink(lost.Key);
        });
        Receive<DecoderNodeLink.Refused>(message =>
            failed(new UsageException($"this node's clips would not be those of the run: {message.Reason}")));
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc/>
    protected override void PreStart() =>
        _cluster.Subscribe(Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.IMemberEvent));

    /// <inheritdoc/>
    protected override void PostStop() => _cluster.Unsubscribe(Self);

    /// <inheritdoc/>
    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(error =>
    {
        if (Sender.Equals(_pool)) _failed(error);
        else _log.LinkLost(error.Message);
        return Directive.Stop;
    }, loggingEnabled: false);

    private void OnMember(ClusterEvent.IMemberEvent message)
    {
        Member member = message.Member;
        if (member.Status is MemberStatus.Down or MemberStatus.Removed) _members.Remove(member.UniqueAddress);
        else _members[member.UniqueAddress] = member;
        Timers.StartSingleTimer(nameof(Assign), Assign.Instance, _settled);
        if (message is not ClusterEvent.MemberRemoved removed) return;
        if (_links.Remove(member.Address, out IActorRef? link)) Context.Stop(Context.Unwatch(link));
        // Those who coordinate or train carry the run, and packers are helped: without any there is nothing to do.
        if (removed.PreviousStatus == MemberStatus.Exiting && Carries(member) && !_members.Values.Any(Carries)) _ended();
    }

    private static bool Carries(Member member) => Has(member, NodeRole.Coordinator) || Has(member, NodeRole.Trainer)
        || Has(member, NodeRole.Packer);

    private static bool Has(Member member, NodeRole role) => member.HasRole(ClusterNode.RoleName(role));

    private void OnAssign()
    {
        // Those that are about to leave count too: a trainer ends its step first.
        Member[] members = [.. _members.Values.Where(member => member.Status is not (MemberStatus.Joining or MemberStatus.WeaklyUp))];
        // Where there are trainers, coordinators do not train.
        NodeRole trains = members.Any(member => Has(member, NodeRole.Trainer)) ? NodeRole.Trainer : NodeRole.Coordinator;
        Dictionary<string, Address> trainers = members.Where(member => Has(member, trains)).Select(member => member.Address).Distinct()
            .ToDictionary(address => address.HostPort());
        var served = ServedTrainers.Of(_cluster.SelfAddress.HostPort(), [.. members.Where(member => Has(member, NodeRole.Decoder))
            .Select(member => member.Address.HostPort())], trainers.Keys).Select(trainer => trainers[trainer]).ToHashSet();
        foreach (Address other in _links.Keys.Except(served).ToList())
        {
            _links.Remove(other, out IActorRef? link);
            Context.Unwatch(link).Tell(DecoderNodeLink.Retire.Instance);
        }
        foreach (Address trainer in served.Except(_links.Keys).ToList()) StartLink(trainer);
    }

    private void StartLink(Address trainer)
    {
        (Work work, IActorRef pool) = (_work, _pool);
        _links[trainer] = Context.Watch(Context.ActorOf(Props.Create(() => new DecoderNodeLink(trainer, work, pool))));
    }
}
