using Alpro.Actors.Distributed.Decoding;

namespace Alpro.Actors.Tests.Distributed.Decoding;

/// <summary>Which decode nodes serve which trainers, for clusters of all shapes.</summary>
public sealed class ServedTrainersTests
{
    private const int Least = ServedTrainers.Links;

    private static string[] Names(string kind, int count, int seed) =>
        [.. Enumerable.Range(0, count).Select(i => $"{kind}-{seed}-{i}:4060")];

    private static HashSet<(string Node, string Trainer)> Links(IReadOnlyCollection<string> nodes, IReadOnlyCollection<string> trainers) =>
        [.. nodes.SelectMany(node => ServedTrainers.Of(node, nodes, trainers).Select(trainer => (node, trainer)))];

    public static TheoryData<int, int> Clusters { get; } = new()
    {
        { 1, 1 }, { 3, 2 }, { 4, 4 }, { 9, 4 }, { 16, 8 }, { 17, 8 }, { 64, 8 }, { 32, 32 }, { 48, 32 }, { 8, 32 }, { 7, 20 }, { 100, 1 },
        { 1, 30 },
    };

    [Theory]
    [MemberData(nameof(Clusters))]
    public void Every_member_has_links_and_all_together_have_few(int nodes, int trainers)
    {
        string[] node = Names("node", nodes, 1), trainer = Names("trainer", trainers, 1);
        HashSet<(string Node, string Trainer)> links = Links(node, trainer);
        Assert.InRange(links.Count, 1, Least * (nodes + trainers));
        Assert.All(node, one => Assert.True(links.Count(link => link.Node == one) >= Math.Min(Least, trainers)));
        Assert.All(trainer, one => Assert.True(links.Count(link => link.Trainer == one) >= Math.Min(Least, nodes)));
    }

    [Fact]
    public void Order_in_which_members_are_known_decides_nothing()
    {
        string[] nodes = Names("node", 12, 2), trainers = Names("trainer", 9, 2);
        Assert.Equal(Links(nodes, trainers), Links([.. nodes.Reverse()], [.. trainers.Reverse()]));
    }

    [Theory]
    [MemberData(nameof(Clusters))]
    public void Member_that_comes_or_goes_moves_the_links_in_its_own_place_and_no_other(int nodes, int trainers)
    {
        string[] node = Names("node", nodes + 1, 3), trainer = Names("trainer", trainers + 1, 3);
        HashSet<(string Node, string Trainer)> all = Links(node, trainer);
        AssertMoved(all, Links(node[1..], trainer), link => link.Node == node[0]);
        AssertMoved(all, Links(node, trainer[1..]), link => link.Trainer == trainer[0]);

        // With it come its own links, and the others give up one at most for each of these.
        static void AssertMoved(HashSet<(string, string)> with, HashSet<(string, string)> without,
            Func<(string Node, string Trainer), bool> own)
        {
            Assert.Subset(without, with.Where(link => !own(link)).ToHashSet());
            Assert.InRange(without.Except(with).Count(), 0, with.Count(own));
        }
    }

    /// <summary>
    /// Trainers of a run step together, and a pool gives to others what one does not ask for. So the load is balanced if every trainer can
    /// have its share at the same time.
    /// </summary>
    [Theory]
    [MemberData(nameof(Clusters))]
    public void All_trainers_can_have_nine_tenths_of_an_even_share_at_once(int nodes, int trainers)
    {
        for (int seed = 0; seed < 10; seed++)
        {
            string[] node = Names("node", nodes, seed), trainer = Names("trainer", trainers, seed);
            HashSet<(string, string)> links = Links(node, trainer);
            // A node makes 10 T parts of a clip while a trainer needs 9 N of them.
            int wanted = 9 * nodes;
            Assert.Equal(wanted * trainers, Flow(nodes, trainers, 10 * trainers, wanted, (n, t) => links.Contains((node[n], trainer[t]))));
        }
    }

    /// <summary>What can flow from all nodes to all trainers: paths with room are looked for until there is none.</summary>
    private static int Flow(int nodes, int trainers, int made, int wanted, Func<int, int, bool> linked)
    {
        int[,] flows = new int[nodes, trainers];
        int[] left = [.. Enumerable.Repeat(made, nodes)], missing = [.. Enumerable.Repeat(wanted, trainers)];
        bool[][] open = [.. Enumerable.Range(0, nodes).Select(n => Enumerable.Range(0, trainers).Select(t => linked(n, t)).ToArray())];
        while (true)
        {
            // Backwards from a trainer that misses something to a node that has something left.
            int[] nodeTo = [.. Enumerable.Repeat(-1, nodes)], trainerTo = [.. Enumerable.Repeat(-1, trainers)];
            var queue = new Queue<int>(Enumerable.Range(0, trainers).Where(t => missing[t] > 0));
            foreach (int t in queue) trainerTo[t] = int.MaxValue;
            int source = -1;
            while (source < 0 && queue.TryDequeue(out int trainer))
                for (int node = 0; node < nodes && source < 0; node++)
                {
                    if (!open[node][trainer] || nodeTo[node] >= 0) continue;
                    nodeTo[node] = trainer;
                    if (left[node] > 0) source = node;
                    for (int other = 0; other < trainers; other++)
                        if (flows[node, other] > 0 && trainerTo[other] < 0)
                        {
                            trainerTo[other] = node;
                            queue.Enqueue(other);
                        }
                }
            if (source < 0) return nodes * made - left.Sum();
            int room = left[source];
            for (int n = source; ; n = trainerTo[nodeTo[n]])
            {
                if (trainerTo[nodeTo[n]] == int.MaxValue)
                {
                    room = Math.Min(room, missing[nodeTo[n]]);
                    break;
                }
                room = Math.Min(room, flows[trainerTo[nodeTo[n]], nodeTo[n]]);
            }
            left[source] -= room;
            for (int n = source; ; n = trainerTo[nodeTo[n]])
            {
                flows[n, nodeTo[n]] += room;
                if (trainerTo[nodeTo[n]] == int.MaxValue)
                {
                    missing[nodeTo[n]] -= room;
                    break;
                }
                flows[trainerTo[nodeTo[n]], nodeTo[n]] -= room;
            }
        }
    }
}
