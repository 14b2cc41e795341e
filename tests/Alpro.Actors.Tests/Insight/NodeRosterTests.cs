using Alpro.Actors.Insight;
using Alpro.Training.Records;

namespace Alpro.Actors.Tests.Insight;

public sealed class NodeRosterTests
{
    private static readonly DateTimeOffset _now = DateTimeOffset.UnixEpoch;

    private readonly NodeRoster _roster = new();

    [Fact]
    public void Node_that_works_has_its_load_and_one_that_is_no_member_is_there_too()
    {
        _roster.Set("trainer", "a:1", NodeStatus.Up, _now);
        _roster.Set("decoder", "b:1", NodeStatus.Up, _now);
        IReadOnlyList<NodeStatus> nodes = _roster.With([new("a:1", "trainer", 0, 40, 0.9), new("here", "decoder", 2, 30, 0.8)]);
        Assert.Equal([("b:1", 0), ("a:1", 40), ("here", 30)], nodes.Select(node => (node.Node, node.ClipsPerSecond)));
    }

    [Fact]
    public void Node_that_is_lost_stays_with_the_time_from_which_on_it_was_out_of_reach()
    {
        _roster.Set("decoder", "b:1", NodeStatus.Up, _now);
        foreach ((string state, int second) in new[] { ("unreachable", 5), ("down", 7), (NodeStatus.Lost, 8) })
            _roster.Set("decoder", "b:1", state, _now.AddSeconds(second));
        NodeStatus lost = Assert.Single(_roster.With([new("b:1", "decoder", 2, 30, 0.8)]));
        Assert.Equal<(string, DateTimeOffset?, double)>((NodeStatus.Lost, _now.AddSeconds(5), 0),
            (lost.State, lost.Since, lost.ClipsPerSecond));
        _roster.Set("decoder", "b:1", NodeStatus.Up, _now.AddSeconds(60));
        NodeStatus up = _roster.With([])[0];
        Assert.Equal<(string, DateTimeOffset?)>((NodeStatus.Up, _now.AddSeconds(60)), (up.State, up.Since));
    }
}
