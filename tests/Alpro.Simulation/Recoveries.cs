using Alpro.Actors;
using Alpro.Actors.Distributed.Membership;

namespace Alpro.Simulation;

/// <summary>
/// How long it takes from a strike until its effect is over, in the terms in which <c>scripts/chaos</c> says it of real nodes.
/// </summary>
internal sealed class Recoveries
{
    private sealed class Loss(SimulatedNode node, Strike strike, TimeSpan at)
    {
        public SimulatedNode Node { get; } = node;

        public TimeSpan At { get; } = at;

        public string Name { get; } = $"{ClusterNode.RoleName(node.Role)} {strike.ToString().ToLowerInvariant()}";

        /// <summary>Whether it is known that the node is lost.</summary>
        public bool IsNoticed { get; set; }

        /// <summary>The trainers that asked it for clips.</summary>
        public HashSet<SimulatedNode> Owed { get; } = [];
    }

    private readonly List<Loss> _losses = [];
    private readonly List<(string What, TimeSpan Took)> _all = [];
    private SimulatedNode? _keeper;

    /// <summary>All so far.</summary>
    public IReadOnlyList<(string What, TimeSpan Took)> All => _all;

    /// <summary>The median, the worst and the number of each kind.</summary>
    public static IEnumerable<string> Describe(IEnumerable<(string What, TimeSpan Took)> recoveries) =>
        from recovery in recoveries
        group recovery.Took.TotalSeconds by recovery.What into times
        orderby times.Key
        let order = times.Order().ToArray()
        select $"{times.Key}: median {order[order.Length / 2]:0.00} s, worst {order[^1]:0.00} s, {order.Length} cases";

    /// <summary>A node was struck.</summary>
    public void OnStrike(SimulatedNode node, Strike strike, TimeSpan now)
    {
        if (strike is not (Strike.Kill or Strike.Freeze or Strike.Lost)) return;
        _losses.RemoveAll(loss => loss.Node.Host == node.Host);      // nobody missed it
        if (node.Role != NodeRole.Coordinator || node == _keeper) _losses.Add(new(node, strike, now));
    }

    /// <summary>A node that stood still goes on: before it was missed, there is nothing to recover from.</summary>
    public void OnThawed(SimulatedNode node) => _losses.RemoveAll(loss => loss.Node == node && !loss.IsNoticed);

    /// <summary>The first rank has written a step down.</summary>
    public void OnStep(TimeSpan now) =>
        MakeGood(static loss => loss.Node.Role == NodeRole.Trainer && loss.IsNoticed, "next step of the others done", now);

    /// <summary>A node has said something.</summary>
    /// <param name="from">The node.</param>
    /// <param name="name">The event's name.</param>
    /// <param name="fields">Its fields.</param>
    /// <param name="now">When.</param>
    public void OnSaid(SimulatedNode from, string name, IReadOnlyList<KeyValuePair<string, object?>> fields, TimeSpan now)
    {
        switch (name)
        {
            case nameof(ActorEvents.DecodeNodeLost):
                OnDecoderLost(from, (string)Field("Node"), (int)Field("Clips"), now);
                break;
            case nameof(ActorEvents.ClipMadeByAnother):
                MakeGood(loss => loss.Owed.Contains(from), "first of its clips made by another", now);
                break;
            case nameof(ActorEvents.KeeperStarted):
                _keeper = from;
                MakeGood(static loss => loss.Node.Role == NodeRole.Coordinator, "its place taken", now);
                break;
            case nameof(ActorEvents.GroupFormed):
                foreach (Loss loss in _losses)
                {
                    loss.Owed.Clear();                               // the new streams give out their clips afresh
                    loss.IsNoticed |= loss.Node.Role == NodeRole.Trainer;
                }
                break;
        }

        object Field(string field) => fields.First(one => one.Key == field).Value!;
    }

    private void OnDecoderLost(SimulatedNode from, string address, int clips, TimeSpan now)
    {
        if (_losses.Find(loss => loss.Node.Role == NodeRole.Decoder && loss.Node.Address.Endpoint() == address) is not { } loss) return;
        if (clips > 0) loss.Owed.Add(from);
        if (loss.IsNoticed) return;                                  // by another trainer
        loss.IsNoticed = true;
        _all.Add(($"{loss.Name}, noticed", now - loss.At));
    }

    private void MakeGood(Predicate<Loss> which, string what, TimeSpan now)
    {
        foreach (Loss loss in _losses.FindAll(which))
        {
            _all.Add(($"{loss.Name}, {what}", now - loss.At));
            _losses.Remove(loss);
        }
    }
}
