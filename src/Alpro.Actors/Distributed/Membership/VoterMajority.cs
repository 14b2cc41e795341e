using Akka.Actor;
using Akka.Cluster;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Distributed.Membership;

/// <summary>
/// Decides who goes on when nodes are lost, or the network parts (<c>hocon/cluster.conf</c>). The side that has more than half of the
/// voters goes on, or half of them with the lowest address. It takes the others out of the cluster; the other side ends itself. Every node
/// decides for itself by what it sees, when that has not changed for a while. Voters that were given up count as lost until they are taken
/// out, which happens when all others have seen it. Before, the other side may have given up somebody else.
/// </summary>
internal sealed class VoterMajority : IDowningProvider
{
    /// <summary>Role of the nodes that are counted: coordinators and trainers.</summary>
    internal const string Voter = "voter";

    /// <summary>Called by Akka.</summary>
    public VoterMajority(ActorSystem system, Akka.Cluster.Cluster cluster)
    {
        TimeSpan stable = system.Settings.Config.GetTimeSpan("alpro.cluster.stable-after");
        ICluster own = new AkkaCluster(system);
        DowningActorProps = Props.Create(() => new Resolver(own, stable));
    }

    /// <summary>
    /// None: a coordinator's successor need not wait until it has ended, since groups have numbers that are given out once.
    /// </summary>
    public TimeSpan DownRemovalMargin => TimeSpan.Zero;

    /// <inheritdoc/>
    public Props DowningActorProps { get; }

    /// <summary>
    /// Whether those go on that are left when some nodes are lost. They must have the majority of the voters that are up, or were until
    /// they were given up, as far as is known here. They must also have it if the other side has already moved members that this side
    /// sees joining or leaving: the cluster may have agreed on such a step, and only the other side have carried it out. No second step
    /// can follow without this side.
    /// </summary>
    /// <param name="voters">All coordinators and trainers, those that are lost or given up among them.</param>
    /// <param name="lost">The nodes that cannot be reached from here.</param>
    public static bool GoesOn(IReadOnlyDictionary<UniqueAddress, MemberStatus> voters, IReadOnlySet<UniqueAddress> lost)
    {
        return Majority(voter => voter.Value is MemberStatus.Up or MemberStatus.Leaving or MemberStatus.Down)
            && Majority(voter => voter.Value is MemberStatus.Up or MemberStatus.Down
                || (lost.Contains(voter.Key) && voter.Value is MemberStatus.Leaving or MemberStatus.Joining or MemberStatus.WeaklyUp));

        bool Majority(Func<KeyValuePair<UniqueAddress, MemberStatus>, bool> counts)
        {
            UniqueAddress[] all =
                [.. voters.Where(counts).Select(voter => voter.Key).OrderBy(voter => voter.Address, Member.AddressOrdering)];
            int gone = all.Count(IsGone);
            return gone == 0 || 2 * gone < all.Length || (2 * gone == all.Length && !IsGone(all[0]));
        }

        bool IsGone(UniqueAddress voter) => lost.Contains(voter) || voters[voter] == MemberStatus.Down;
    }

    /// <summary>Looks at what a node sees, and decides.</summary>
    internal sealed class Resolver : ReceiveActor, IWithTimers
    {
        private sealed record Decide
        {
            public static readonly Decide Instance = new();
        }

        private readonly ICluster _cluster;
        private readonly ILogger _log = Context.System.Log();
        private readonly Dictionary<UniqueAddress, Member> _members = [];
        private readonly HashSet<UniqueAddress> _lost = [];
        private readonly HashSet<Member> _givenUp = [];              // since the last voter left in order
        private readonly TimeSpan _stable;

        /// <summary>A resolver that waits until who is lost, or given up, has not changed for so long.</summary>
        public Resolver(ICluster cluster, TimeSpan stable)
        {
            (_cluster, _stable) = (cluster, stable);
            Receive<ClusterEvent.UnreachableMember>(message => OnChanged(_lost.Add(message.Member.UniqueAddress)));
            Receive<ClusterEvent.ReachableMember>(message => OnChanged(_lost.Remove(message.Member.UniqueAddress)));
            Receive<ClusterEvent.MemberRemoved>(message =>
            {
                _members.Remove(message.Member.UniqueAddress);
                if (message.PreviousStatus == MemberStatus.Exiting && message.Member.HasRole(Voter)) _givenUp.Clear();
                OnChanged(_lost.Remove(message.Member.UniqueAddress) || message.PreviousStatus == MemberStatus.Down);
            });
            Receive<ClusterEvent.IMemberEvent>(message =>
            {
                _members[message.Member.UniqueAddress] = message.Member;
                OnChanged(message is ClusterEvent.MemberDowned && _givenUp.Add(message.Member));
            });
            Receive<Decide>(_ => OnDecide());
        }

        /// <inheritdoc/>
        public ITimerScheduler Timers { get; set; } = null!;

        /// <inheritdoc/>
        protected override void PreStart() =>
            _cluster.Subscribe(Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.IMemberEvent),
            typeof(ClusterEvent.IReachabilityEvent));

        /// <inheritdoc/>
        protected override void PostStop() => _cluster.Unsubscribe(Self);

        private void OnChanged(bool changed)
        {
            if (changed) Timers.StartPeriodicTimer(nameof(Decide), Decide.Instance, _stable);
        }

        private void OnDecide()
        {
            // Where nobody trains, those count whom the nodes serve.
            string[] counted = _members.Values.Concat(_givenUp).Any(static member => member.HasRole(Voter)) ? [Voter]
                : [ClusterNode.RoleName(NodeRole.Packer), ClusterNode.RoleName(NodeRole.Indexer)];
            Dictionary<UniqueAddress, MemberStatus> voters = _members.Where(member => counted.Any(member.Value.HasRole))
                .ToDictionary(member => member.Key, member => member.Value.Status);
            // Where all of them were given up, nobody waits for them: started again, they form another cluster.
            UniqueAddress[] gone = [.. _givenUp.Where(member => counted.Any(member.HasRole)).Select(static member => member.UniqueAddress)];
            bool isAlone = gone.Length > 0 && voters.Values.All(static status => status == MemberStatus.Down);
            if (!isAlone && _lost.All(node => _members.GetValueOrDefault(node)?.Status == MemberStatus.Down))
            {
                Timers.Cancel(nameof(Decide));                       // somebody has decided
                return;
            }
            string lost = string.Join(", ", (isAlone ? gone : _lost.AsEnumerable()).Select(node => node.Address.Endpoint()));
            if (!isAlone && GoesOn(voters, _lost))
            {
                _log.NodesTakenOut(lost);
                foreach (UniqueAddress node in _lost) _cluster.Down(node.Address);
            }
            else
            {
                _log.MajorityLost(lost);
                _cluster.Down(_cluster.SelfAddress);
            }
        }
    }
}
