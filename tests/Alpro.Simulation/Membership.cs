using Akka.Cluster;
using Alpro.Actors.Distributed.Membership;

namespace Alpro.Simulation;

/// <summary>
/// What Akka.Cluster does, as far as its members notice: nodes join, are found to be unreachable and reachable again, and leave; what one
/// knows comes to the others with gossip. Whom to give up is not decided here but by the nodes (<see cref="VoterMajority"/>).
/// </summary>
internal sealed class Membership(World world)
{
    /// <summary>How often the leader looks, and how often a node gossips.</summary>
    public static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(500);

    /// <summary>What the failure detector takes, by hocon/cluster.conf: measured between 3.6 and 4.1 s.</summary>
    private static readonly TimeSpan _soonestLost = TimeSpan.FromSeconds(3.4), _latestLost = TimeSpan.FromSeconds(4.4);

    /// <summary>What it takes to find that somebody is there again.</summary>
    private static readonly TimeSpan _soonestBack = TimeSpan.FromSeconds(0.3), _latestBack = TimeSpan.FromSeconds(1.3);

    private static readonly TimeSpan _joinAgain = TimeSpan.FromSeconds(2), _joining = TimeSpan.FromSeconds(1);

    /// <summary>Nodes that watch each other.</summary>
    private const int Monitors = 9;

    private int _ups;
    private ulong _draws;

    /// <summary>A node learns something, and then those that it can reach.</summary>
    public void Spread(SimulatedNode from, Fact fact)
    {
        if (!from.View.Learn(fact)) return;
        foreach (SimulatedNode to in world.Alive)
            if (to != from) After(TimeSpan.Zero, 2 * LookEvery, to, () => Tell(from, to, fact));
    }

    /// <summary>All nodes are members from the beginning.</summary>
    public void Form()
    {
        Fact[] facts = [.. world.Nodes.Select(node => new Fact(node, MemberStatus.Up, ++_ups))];
        foreach (SimulatedNode node in world.Nodes)
            foreach (Fact fact in facts) node.View.Learn(fact);
    }

    /// <summary>A new process looks for the cluster and joins it.</summary>
    public void Join(SimulatedNode node)
    {
        if (node.IsDead || node.View.Members.Count > 0) return;
        SimulatedNode[] members = [.. world.Alive.Where(other => other != node && !other.IsEnding && other.View.IsUp(other))];
        if (members.FirstOrDefault(other => !other.IsFrozen && world.Network.Connected(node, other)) is { } seed)
        {
            // One that was started again: the cluster gives up who had the address before.
            if (seed.View.Members.Keys.FirstOrDefault(other => other.Host == node.Host) is { } before)
            {
                if (seed.View.Members[before].Status != MemberStatus.Down) seed.View.Down(before.Address);
            }
            else
            {
                foreach (Fact fact in seed.View.Facts.ToArray())
                    if (fact.Status != MemberStatus.Removed) node.View.Learn(fact);
                node.View.Learn(new(node, MemberStatus.Joining));
                Spread(seed, new(node, MemberStatus.Joining));
                return;
            }
        }
        else if (members.Length == 0 && node.Host == 0)
        {
            node.View.Learn(new(node, MemberStatus.Up, ++_ups));
            return;
        }
        After(_joinAgain, _joinAgain + _joining, node, () => Join(node));
    }

    /// <summary>What can be reached may have changed for these nodes.</summary>
    public void OnChanged(params IReadOnlyCollection<SimulatedNode> subjects)
    {
        foreach (SimulatedNode viewer in world.Alive)
            foreach (SimulatedNode subject in subjects)
                if (viewer != subject)
                {
                    After(_soonestBack, _latestBack, viewer, () => Look(viewer, subject, lost: false));
                    After(_soonestLost, _latestLost, viewer, () => Look(viewer, subject, lost: true));
                }
    }

    /// <summary>Nodes that were cut off tell each other what became of the members meanwhile.</summary>
    public void OnHealed(IReadOnlyCollection<SimulatedNode> one, IReadOnlyCollection<SimulatedNode> others)
    {
        foreach ((var here, var there) in new[] { (one, others), (others, one) })
            foreach (SimulatedNode node in here)
                if (there.FirstOrDefault(other => !other.IsDead && world.Linked(node, other)) is { } other)
                    After(TimeSpan.Zero, 2 * LookEvery, node, () =>
                    {
                        foreach (Fact fact in other.View.Facts.ToArray()) Tell(other, node, fact);
                    });
    }

    /// <summary>A node stood still: to itself, everybody else was silent.</summary>
    public void OnThawed(SimulatedNode node)
    {
        if (world.Chance.Uniform(Question.Detection, (ulong)node.Number, ++_draws) < 0.5)
            foreach (SimulatedNode other in node.View.Members.Keys.Where(other => other != node).ToArray()) node.View.Reach(other, false);
        foreach (SimulatedNode other in node.View.Members.Keys.Where(other => other != node).ToArray())
        {
            After(_soonestBack, _latestBack, node, () => Look(node, other, lost: false));
            After(_soonestLost, _latestLost, node, () => Look(node, other, lost: true));
        }
    }

    /// <summary>A node has taken another out: from then on, neither hears the other.</summary>
    public void OnRemoved(SimulatedNode node, SimulatedNode removed)
    {
        foreach ((SimulatedNode there, RemoteActor actor, Akka.Actor.IInternalActorRef watcher) in node.Watched)
            if (there == removed) actor.TellEnded(watcher, addressTerminated: true);
        node.Watched.RemoveAll(watched => watched.Node == removed);
        if (!removed.IsDead) After(_soonestLost, _latestLost, removed, () => Look(removed, node, lost: true));
    }

    /// <summary>Each node tells another, whom chance picks, what it knows: so everybody comes to know everything.</summary>
    public void Gossip()
    {
        foreach (SimulatedNode node in world.Alive.ToArray())
        {
            ulong draw = world.Chance.Of(Question.Gossip, (ulong)node.Number, ++_draws);
            SimulatedNode other = world.Alive[(int)(draw % (ulong)world.Alive.Count)];
            if (node.IsFrozen || other.IsFrozen || !node.View.Members.ContainsKey(other)) continue;
            foreach (Fact fact in node.View.Facts.ToArray()) Tell(node, other, fact);
        }
    }

    /// <summary>The leaders move members on, if all that they see can be reached.</summary>
    public void Lead()
    {
        foreach (SimulatedNode node in world.Alive)
        {
            IReadOnlyDictionary<SimulatedNode, Member> members = node.View.Members;
            if (node.IsFrozen || members.Values.All(static member => member.Status == MemberStatus.Up)) continue;
            if (LeaderFor(node.View) != node) continue;
            if (node.View.Unreachable.Any(other => members[other].Status is not (MemberStatus.Down or MemberStatus.Exiting))) continue;
            foreach ((SimulatedNode member, Member known) in members.ToArray())
                switch (known.Status)
                {
                    case MemberStatus.Joining: Spread(node, new(member, MemberStatus.Up, ++_ups)); break;
                    case MemberStatus.Leaving: Spread(node, new(member, MemberStatus.Exiting, node.View.UpNumberOf(member))); break;
                    case MemberStatus.Exiting or MemberStatus.Down:
                        Spread(node, new(member, MemberStatus.Removed, node.View.UpNumberOf(member)));
                        break;
                }
        }
    }

    /// <summary>Where none is up, those that join lead, as Akka has it.</summary>
    private static SimulatedNode? LeaderFor(View view)
    {
        SimulatedNode[] reached = [.. view.Members.Keys.Where(node => !view.Unreachable.Contains(node))];
        return reached.Where(view.IsUp).MinBy(node => node.Host)
            ?? reached.Where(node => view.Members[node].Status == MemberStatus.Joining).MinBy(node => node.Host);
    }

    /// <summary>What one knows comes to another, if it can.</summary>
    private void Tell(SimulatedNode from, SimulatedNode to, Fact fact)
    {
        // One that has not joined hears nothing, and nobody that he himself was taken out: the others do not speak to him any more.
        if (!world.Linked(from, to) || to.View.Members.Count == 0 || (fact.Node == to && fact.Status == MemberStatus.Removed)) return;
        to.View.Learn(fact);
    }

    private void Look(SimulatedNode viewer, SimulatedNode subject, bool lost)
    {
        if (IsLost(viewer, subject) == lost) viewer.View.Reach(subject, !lost);
    }

    /// <summary>Whether a node that watches the subject, and that the viewer hears of, does not reach it.</summary>
    private bool IsLost(SimulatedNode viewer, SimulatedNode subject)
    {
        if (Misses(viewer)) return true;
        int watching = 0;
        for (int i = 1; i < world.Nodes.Count && watching < Monitors; i++)
        {
            SimulatedNode observer = world.Nodes[(subject.Number + i) % world.Nodes.Count];
            if (observer.IsDead || !viewer.View.IsUp(observer)) continue;
            watching++;
            if (observer != viewer && !observer.IsFrozen && world.Linked(viewer, observer) && !viewer.View.Unreachable.Contains(observer)
                && Misses(observer)) return true;
        }
        return false;

        bool Misses(SimulatedNode observer) => subject.IsDead || subject.IsFrozen || !world.Linked(observer, subject);
    }

    private void After(TimeSpan least, TimeSpan most, SimulatedNode node, Action action)
    {
        world.Time.After(world.Chance.Between(least, most, Question.Gossip, (ulong)node.Number, ++_draws), Do);

        void Do()
        {
            if (node.IsDead) return;
            if (node.IsFrozen) node.Hold(Do);
            else world.Time.RunAs(node, action);
        }
    }
}
