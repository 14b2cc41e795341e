using Alpro.Training.Records;

namespace Alpro.Actors.Insight;

/// <summary>The nodes of a cluster, those that have gone too, as one of them has seen them; for any thread.</summary>
internal sealed class NodeRoster
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<(string Role, string Node), NodeStatus> _nodes = [];

    /// <summary>A node is in a state from now on; of one that has been out of reach before it was lost, the time stays.</summary>
    public void Set(string role, string node, string state, DateTimeOffset now)
    {
        lock (_lock)
        {
            NodeStatus? before = _nodes.GetValueOrDefault((role, node));
            if (before?.State == state) return;
            bool stillAway = before is not null && IsAway(before.State) && IsAway(state);
            _nodes[(role, node)] = new(node, role, 0, 0, 0) { State = state, Since = stillAway ? before!.Since : now };
        }
    }

    /// <summary>All nodes, with what those do that work for a run; and whoever works for it and is none of them.</summary>
    public IReadOnlyList<NodeStatus> With(IReadOnlyList<NodeStatus> working)
    {
        lock (_lock)
        {
            var nodes = new List<NodeStatus>();
            foreach (NodeStatus node in _nodes.Values)
            {
                bool works = node.State != NodeStatus.Lost && node.State != NodeStatus.Left;
                NodeStatus? work = works ? working.FirstOrDefault(one => (one.Role, one.Node) == (node.Role, node.Node)) : null;
                nodes.Add(work is null ? node : work with { State = node.State, Since = node.Since });
            }
            nodes.AddRange(working.Where(one => !_nodes.ContainsKey((one.Role, one.Node))));
            return nodes;
        }
    }

    private static bool IsAway(string state) => state is "unreachable" or "down" or NodeStatus.Lost;
}
