using System.Numerics;
using Akka.Cluster;
using Alpro.Actors.Distributed.Membership;

namespace Alpro.Simulation;

/// <summary>
/// What Akka.Cluster does on a node, after ClusterCoreDaemon and ClusterHeartbeatSender of Akka.NET 1.5. What the node knows is a
/// <see cref="Gossip"/>. It sends that to others, and notes there whom it does not hear. The leader moves members on, and takes them out,
/// when all whom it reaches have seen the same. Whom to give up is not decided here but by <see cref="VoterMajority"/>.
/// </summary>
internal sealed class ClusterDaemon(World world, SimulatedNode own)
{
    /// <summary>How often a node gossips, looks whom it hears, and leads if it is the leader: hocon/cluster.conf.</summary>
    private static readonly TimeSpan _tick = TimeSpan.FromMilliseconds(500);

    private static readonly TimeSpan _joinAgain = TimeSpan.FromSeconds(2), _joining = TimeSpan.FromSeconds(1);

    /// <summary>A node that was not heard at so many ticks in a row is lost: after 3.5 to 4 s. Measured were 3.6 to 4.1 s.</summary>
    private const int TicksUntilLost = 7;

    /// <summary>Members to which a node sends heartbeats: monitored-by-nr-of-members.</summary>
    private const int Monitors = 9;

    /// <summary>When a leader that cannot act lets nodes in all the same: allow-weakly-up-members, 7 s.</summary>
    private const int TicksUntilWeaklyUp = 14;

    /// <summary>How long a node that was given up waits until the others that were have seen it.</summary>
    private const int TicksUntilDown = 4;

    /// <summary>Nodes to which one that is about to end gossips.</summary>
    private const int LastGossips = 5;

    /// <summary>Bytes of a heartbeat and of its answer.</summary>
    private const int HeartbeatSize = 55;

    /// <summary>How often a node prefers to gossip to one that has not seen the same; less, from so many members on.</summary>
    private const double Preferred = 0.8;

    private const int ManyMembers = 400;

    /// <summary>Ticks at which a node was not heard; 0 for one that was lost and has been heard once.</summary>
    private readonly Dictionary<SimulatedNode, int> _silent = [];

    private Gossip? _gossip;
    private Gossip? _watchedBy;                                      // what the list of those who are watched was made of
    private SimulatedNode[] _watched = [];
    private BigInteger _confirmed;                                   // those that leave and have said that they are done
    private int _waited, _downTicks;
    private bool _shutDown;
    private ulong _draws;

    private MemberStatus? Status => _gossip?.Members.Find(own)?.Status;

    /// <summary>Whether other nodes may join the cluster here.</summary>
    private bool Accepts => !_shutDown && !own.IsEnding && Status is not (null or MemberStatus.Down or MemberStatus.Exiting);

    /// <summary>The process has started.</summary>
    public void Start() => After(TimeSpan.Zero, _tick, Tick);

    /// <summary>The cluster is there, and this node is in it.</summary>
    public void Form(Gossip gossip) => Adopt(gossip);

    /// <summary>A new process looks for the cluster and joins it.</summary>
    public void Join()
    {
        if (_gossip is not null) return;
        SimulatedNode[] seeds = [.. world.Alive.Where(seed => seed.Roles.Contains(VoterMajority.Voter) && seed.Daemon.Accepts)];
        if (seeds.Length == 0 && own.Host == 0)
        {
            Adopt(new(MemberList.None.With(new Fact(own, MemberStatus.Up, 1)), own.Bit, Reachability.Whole, VectorClock.Zero.Next(own)));
            return;
        }
        SimulatedNode[] reached = [.. seeds.Where(seed => !seed.IsFrozen && world.Network.Connected(own, seed))];
        if (reached.Length > 0)
        {
            SimulatedNode seed = reached[(int)(Draw() % (ulong)reached.Length)];
            world.Network.Send(own, seed, () => seed.Daemon.OnJoin(own));
        }
        After(_joinAgain, _joinAgain + _joining, Join);
    }

    /// <summary>The node is to leave in order.</summary>
    public void Leave()
    {
        if (_gossip?.Members.Find(own) is not { Status: MemberStatus.Joining or MemberStatus.WeaklyUp or MemberStatus.Up } fact) return;
        Change(_gossip with { Members = _gossip.Members.With(fact with { Status = MemberStatus.Leaving }) });
        SendGossip();
    }

    /// <summary>A node is given up.</summary>
    public void Down(SimulatedNode node)
    {
        if (_shutDown || _gossip?.Members.Find(node) is not { Status: not MemberStatus.Down } fact) return;
        Change(_gossip with { Members = _gossip.Members.With(fact with { Status = MemberStatus.Down }) });
        if (node == own) GossipToSome();
        else GossipTo(node);
    }

    /// <summary>The node stood still: to itself, everybody else may have been silent.</summary>
    public void OnThawed()
    {
        if (_gossip is null || world.Chance.Uniform(Question.Detection, (ulong)own.Number, ++_draws) < 0.5) return;
        foreach (SimulatedNode node in _watched) _silent[node] = TicksUntilLost;
        Find(_watched.Aggregate(BigInteger.Zero, static (all, node) => all | node.Bit) & _gossip.Members.All, BigInteger.Zero);
    }

    /// <summary>The node has left, and is about to end.</summary>
    public void OnExiting()
    {
        if (_shutDown || _gossip is null) return;
        GossipToSome();
        BigInteger others = _gossip.Members.All & ~own.Bit;
        for (int time = 0; time < 2; time++)
        {
            if (LeaderOf(others) is not { } leader) break;
            Send(leader, "ExitingConfirmed", HeartbeatSize, () => leader.Daemon._confirmed |= own.Bit);
            others &= ~leader.Bit;
        }
        _shutDown = true;
    }

    private void OnJoin(SimulatedNode node)
    {
        if (!Accepts || _gossip is not { } gossip) return;
        if (gossip.Members.Facts.FirstOrDefault(fact => fact.Node.Host == node.Host) is { Node: not null } known && known.Node != node)
        {
            // One that was started again: the cluster gives up who had the address before. The new one asks again.
            if (known.Status == MemberStatus.Down) return;
            Find(known.Node.Bit, BigInteger.Zero);
            Down(known.Node);
            return;
        }
        if (gossip.Members.Find(node) is null)
            Change(gossip with { Members = gossip.Members.With(new Fact(node, MemberStatus.Joining)) });
        Gossip welcome = _gossip;
        Send(node, "ClusterWelcome", welcome.Size, () => node.Daemon.OnWelcome(own, welcome));
    }

    private void OnWelcome(SimulatedNode from, Gossip gossip)
    {
        if (_gossip is not null) return;
        Adopt(gossip with { Seen = gossip.Seen | own.Bit });
        GossipTo(from);
    }

    private void Tick()
    {
        After(_tick, _tick, Tick);
        if (_gossip is null || _shutDown) return;
        SendGossip();
        if (!_gossip.Members.Down.IsZero || BigInteger.PopCount(_gossip.Seen) < _gossip.Members.Count / 2)
        {
            After(_tick / 3, _tick / 3, SendGossip);
            After(_tick * 2 / 3, _tick * 2 / 3, SendGossip);
        }
        Watch();
        Lead();
    }

    /// <summary>Adds to those whom this node does not reach, and takes others away.</summary>
    private void Find(BigInteger lost, BigInteger back)
    {
        BigInteger before = _gossip!.Reachability.LostBy(own), now = (before | lost) & ~back;
        if (now != before) Change(_gossip with { Reachability = _gossip.Reachability.With(own, now) });
    }

    /// <summary>Sends heartbeats, and looks who has answered.</summary>
    private void Watch()
    {
        if (_watchedBy?.Members != _gossip!.Members || _watchedBy.Reachability != _gossip.Reachability)
            (_watched, _watchedBy) = (ToWatch(_gossip), _gossip);
        (BigInteger lost, BigInteger back, BigInteger known) = (BigInteger.Zero, BigInteger.Zero, _gossip.Reachability.LostBy(own));
        int answers = 0;
        foreach (SimulatedNode node in _watched)
        {
            bool isLost = !(known & node.Bit).IsZero;
            int silent = _silent.GetValueOrDefault(node);
            if (node.IsDead || node.IsFrozen || node.Daemon._shutDown || !world.Linked(own, node))
            {
                _silent[node] = silent + 1;
                if (silent + 1 >= TicksUntilLost) lost |= node.Bit;
                continue;
            }
            answers++;
            node.Received.Count("Heartbeat", HeartbeatSize + Network.ControlOverhead);
            node.Sent.Count("HeartbeatRsp", HeartbeatSize + Network.ControlOverhead);
            if (isLost && silent > 0) _silent[node] = 0;             // it is heard twice, before it counts
            else if (_silent.Remove(node) && isLost) back |= node.Bit;
        }
        own.Sent.Count("Heartbeat", HeartbeatSize + Network.ControlOverhead, _watched.Length);
        own.Received.Count("HeartbeatRsp", HeartbeatSize + Network.ControlOverhead, answers);
        Find(lost, back);
    }

    /// <summary>
    /// Those that follow in a ring of all: nine whom others reach, those that are lost between them, and whom this node does not reach.
    /// </summary>
    private SimulatedNode[] ToWatch(Gossip gossip)
    {
        BigInteger all = gossip.Members.All & ~own.Bit, before = all & (own.Bit - 1);
        List<SimulatedNode> watched = [];
        int reached = 0;
        foreach (SimulatedNode node in world.In(all & ~before).Concat(world.In(before)))
        {
            if (reached == Monitors) break;
            bool isLost = !(gossip.Reachability.Lost & node.Bit).IsZero;
            if (isLost && watched.Count >= Monitors) continue;
            watched.Add(node);
            if (!isLost) reached++;
        }
        watched.AddRange(world.In(gossip.Reachability.LostBy(own)).Except(watched).ToArray());
        foreach (SimulatedNode node in _silent.Keys.Except(watched).ToArray()) _silent.Remove(node);
        return [.. watched];
    }

    /// <summary>What the leader does, if this node is it.</summary>
    private void Lead()
    {
        Gossip gossip = _gossip!;
        if (LeaderOf(gossip.Members.All) == own)
        {
            if (HasConverged(gossip))
            {
                _waited = 0;
                MoveOn(gossip);
            }
            else if (++_waited >= TicksUntilWeaklyUp)
            {
                BigInteger lost = gossip.Reachability.LostByOthers(gossip.Members.Down);
                Fact[] waiting = [.. gossip.Members.Facts.Where(fact => fact.Status == MemberStatus.Joining
                    && (lost & fact.Node.Bit).IsZero).Select(static fact => fact with { Status = MemberStatus.WeaklyUp })];
                if (waiting.Length > 0) Change(gossip with { Members = gossip.Members.With(waiting) });
            }
        }
        _confirmed &= _gossip!.Members.All;
        EndIfDown();
    }

    /// <summary>The reached member with the least address that takes part; where none does, any.</summary>
    private SimulatedNode? LeaderOf(BigInteger members)
    {
        BigInteger reached = members & (~(_gossip!.Members.Down | _gossip.Reachability.Lost) | own.Bit);
        return world.In(reached & _gossip.Members.TakingPart).MinBy(static node => node.Host)
            ?? world.In(reached).MinBy(static node => node.Host);
    }

    /// <summary>Whether all that take part are reached, or given up, and have seen this.</summary>
    private bool HasConverged(Gossip gossip)
    {
        MemberList members = gossip.Members;
        BigInteger lost = gossip.Reachability.LostByOthers(members.Down) & ~own.Bit & ~_confirmed;
        return (lost & ~(members.Down | members.Exiting)).IsZero && (members.TakingPart & ~gossip.Seen & ~_confirmed).IsZero;
    }

    private void MoveOn(Gossip gossip)
    {
        MemberList members = gossip.Members;
        BigInteger removed = ((gossip.Reachability.Lost & (members.Down | members.Exiting)) | (_confirmed & members.Exiting)) & ~own.Bit;
        Fact[] moved = [.. members.Facts.Where(static fact => fact.Status is MemberStatus.Joining or MemberStatus.WeaklyUp
            or MemberStatus.Leaving).OrderBy(static fact => fact.Node.Host)];
        if (removed.IsZero && moved.Length == 0) return;
        int up = members.Facts.Max(static fact => fact.UpNumber == int.MaxValue ? 0 : fact.UpNumber);
        for (int i = 0; i < moved.Length; i++)
            moved[i] = moved[i].Status == MemberStatus.Leaving ? moved[i] with { Status = MemberStatus.Exiting }
                : moved[i] with { Status = MemberStatus.Up, UpNumber = ++up };
        if (moved.Length > 0) members = members.With(moved);
        _confirmed &= ~removed;
        Change(gossip with
        {
            Members = removed.IsZero ? members : members.Without(removed),
            Reachability = removed.IsZero ? gossip.Reachability : gossip.Reachability.Without(removed),
            Version = gossip.Version.Without(removed),
        });
    }

    /// <summary>One that was given up ends when the others that were have seen it, so that they end too.</summary>
    private void EndIfDown()
    {
        if (Status != MemberStatus.Down || _shutDown) return;
        if (!(_gossip!.Members.Down & ~_gossip.Reachability.Lost & ~_gossip.Seen).IsZero && _downTicks++ < TicksUntilDown) return;
        GossipToSome();
        _shutDown = true;
        world.OnDown(own);
    }

    /// <summary>This node has changed something, which nobody else has seen.</summary>
    private void Change(Gossip gossip) => Adopt(gossip with { Seen = own.Bit, Version = gossip.Version.Next(own) });

    private void Adopt(Gossip gossip)
    {
        _gossip = gossip;
        own.View.Show(gossip);
    }

    private void OnGossip(SimulatedNode from, Gossip remote)
    {
        if (_gossip is not { } local || _shutDown || local.Members.Find(from) is null || remote.Members.Find(own) is null
            || !(local.Reachability.LostBy(own) & from.Bit).IsZero) return;
        (bool isNewer, bool isOlder) = (remote.Version.Exceeds(local.Version), local.Version.Exceeds(remote.Version));
        Gossip later = (isNewer, isOlder) switch
        {
            (true, true) => remote.Merge(local),
            (true, false) => remote,
            (false, true) => local,
            _ => remote with { Seen = remote.Seen | local.Seen },
        };
        MemberStatus? before = Status;
        Adopt(later with { Seen = later.Seen | own.Bit });
        if (before != MemberStatus.Down) EndIfDown();
        if (isOlder || (remote.Seen & own.Bit).IsZero) GossipTo(from);
    }

    private void OnStatus(SimulatedNode from, VectorClock version)
    {
        if (_gossip is not { } gossip || _shutDown || gossip.Members.Find(from) is null
            || !(gossip.Reachability.LostBy(own) & from.Bit).IsZero) return;
        if (gossip.Version.Exceeds(version)) GossipTo(from);
        else if (version.Exceeds(gossip.Version)) StatusTo(from);
    }

    /// <summary>Tells another what this node knows; one that has not seen it is preferred.</summary>
    private void SendGossip()
    {
        if (_gossip is null || _shutDown) return;
        BigInteger targets = Targets, unseen = targets & ~_gossip.Seen;
        double reduced = Math.Clamp((_gossip.Members.Count - ManyMembers) / (2.0 * ManyMembers), 0, 1);
        bool prefers = world.Chance.Uniform(Question.Gossip, (ulong)own.Number, ++_draws) < Preferred * (1 - 0.9 * reduced);
        if (prefers && !unseen.IsZero) GossipTo(OneOf(unseen));
        else if (!targets.IsZero && OneOf(targets) is var other)
        {
            if ((unseen & other.Bit).IsZero) StatusTo(other);
            else GossipTo(other);
        }
    }

    private void GossipToSome()
    {
        BigInteger targets = Targets;
        for (int time = 0; time < LastGossips && !targets.IsZero; time++)
        {
            SimulatedNode other = OneOf(targets);
            GossipTo(other);
            targets &= ~other.Bit;
        }
    }

    /// <summary>Members to which gossip may go.</summary>
    private BigInteger Targets => _gossip!.Members.All & ~own.Bit & ~_gossip.Reachability.LostBy(own);

    private void GossipTo(SimulatedNode node)
    {
        if ((Targets & node.Bit).IsZero) return;
        Gossip gossip = _gossip!;
        Send(node, "GossipEnvelope", gossip.Size, () => node.Daemon.OnGossip(own, gossip));
    }

    private void StatusTo(SimulatedNode node)
    {
        VectorClock version = _gossip!.Version;
        Send(node, "GossipStatus", _gossip.StatusSize, () => node.Daemon.OnStatus(own, version));
    }

    private void Send(SimulatedNode to, string what, int bytes, Action deliver) =>
        world.Network.SendControl(own, to, bytes, what, deliver);

    private SimulatedNode OneOf(BigInteger nodes) => world.In(nodes).ElementAt((int)(Draw() % (ulong)BigInteger.PopCount(nodes)));

    private ulong Draw() => world.Chance.Of(Question.Gossip, (ulong)own.Number, ++_draws);

    private void After(TimeSpan least, TimeSpan most, Action action)
    {
        world.Time.After(least == most ? least : world.Chance.Between(least, most, Question.Gossip, (ulong)own.Number, ++_draws), Do);

        void Do()
        {
            if (own.IsDead) return;
            if (own.IsFrozen) own.Hold(Do);
            else world.Time.RunAs(own, action);
        }
    }
}
