using Akka.Actor;
using Alpro.Actors.Distributed;
using Alpro.Actors.Distributed.Decoding;
using Alpro.Actors.Insight;

namespace Alpro.Simulation;

/// <summary>
/// The network between the nodes. Between two nodes messages keep their order; those of different pairs do not. While two nodes are cut off
/// from each other, what one sends the other waits, as it does in TCP, and comes when they are connected again, unless the connection broke
/// meanwhile.
/// </summary>
internal sealed class Network(World world)
{
    /// <summary>What one node sends another.</summary>
    private sealed class Pair
    {
        public TimeSpan Last { get; set; }

        public ulong Sent { get; set; }

        public List<Action>? Waiting { get; set; }
    }

    private static readonly TimeSpan _least = TimeSpan.FromMicroseconds(100), _jitter = TimeSpan.FromMicroseconds(150);

    private readonly Dictionary<(int, int), Pair> _pairs = [];
    private readonly HashSet<(int, int)> _cut = [];

    private readonly Dictionary<(int, int), TimeSpan> _losing = [];

    /// <summary>Until a time, what is sent on the control plane between two nodes gets lost, as when a connection breaks.</summary>
    public void Lose(SimulatedNode one, SimulatedNode other, TimeSpan until) => _losing[Key(one, other)] = until;

    /// <summary>Whether bytes can go from one node to the other.</summary>
    public bool Connected(SimulatedNode one, SimulatedNode other) => !_cut.Contains(Key(one, other));

    /// <summary>Cuts two nodes off from each other, or connects them again.</summary>
    public void Set(SimulatedNode one, SimulatedNode other, bool connected)
    {
        if (!connected) _cut.Add(Key(one, other));
        else if (_cut.Remove(Key(one, other)))
            foreach ((int, int) way in new[] { (one.Number, other.Number), (other.Number, one.Number) })
                if (_pairs.TryGetValue(way, out Pair? pair) && pair.Waiting is { } waiting)
                {
                    pair.Waiting = null;
                    foreach (Action deliver in waiting) world.Time.After(_least, deliver);
                }
    }

    /// <summary>Sends something after all that was sent this way before.</summary>
    /// <param name="from">Who sends it.</param>
    /// <param name="to">Who gets it.</param>
    /// <param name="deliver">Done on arrival, unless the receiver is dead by then.</param>
    public void Send(SimulatedNode from, SimulatedNode to, Action deliver)
    {
        if (from.IsDead) return;
        if (!_pairs.TryGetValue((from.Number, to.Number), out Pair? pair)) _pairs[(from.Number, to.Number)] = pair = new();
        TimeSpan latency = _least + world.Chance.Exponential(_jitter, Question.Latency, (ulong)from.Number, (ulong)to.Number, pair.Sent++);
        TimeSpan at = world.Time.Now + latency;
        if (at <= pair.Last) at = pair.Last + TimeSpan.FromTicks(1);
        pair.Last = at;
        world.Time.After(at - world.Time.Now, Arrive);

        void Arrive()
        {
            if (to.IsDead) return;
            if (!Connected(from, to)) (pair.Waiting ??= []).Add(Arrive);
            else if (to.IsFrozen) to.Hold(Arrive);
            else world.Time.RunAs(to, deliver);
        }
    }

    /// <summary>Sends a message of the control plane, which only goes between nodes that have not given each other up.</summary>
    public void SendControl(SimulatedNode from, SimulatedNode to, object message, string what, Action deliver)
    {
        // What decoders took is measured by the real clock, which must not be seen here.
        object counted = message is TrainerLink.Worked worked ? worked with { Load = DecodeLoad.None } : message;
        SendControl(from, to, world.Serializer.ToBinary(counted).Length, what, () =>
        {
            world.Log.Add(to, what, from.Name);
            deliver();
        });
    }

    /// <summary>Sends so many bytes of the control plane, and what Akka puts round them.</summary>
    public void SendControl(SimulatedNode from, SimulatedNode to, int bytes, string what, Action deliver)
    {
        from.Sent.Count(what, bytes + ControlOverhead);
        to.Received.Count(what, bytes + ControlOverhead);
        if (_losing.TryGetValue(Key(from, to), out TimeSpan until) && world.Time.Now < until)
        {
            world.Log.Add(from, "lost", what, to.Number);
            return;
        }
        Send(from, to, () =>
        {
            if (world.Linked(from, to)) deliver();
        });
    }

    /// <summary>Bytes that Akka puts round a message, about: two paths, a manifest, and its own protocol's frame.</summary>
    public const int ControlOverhead = 200;

    private static (int, int) Key(SimulatedNode one, SimulatedNode other) =>
        one.Number < other.Number ? (one.Number, other.Number) : (other.Number, one.Number);
}

/// <summary>Messages and bytes that a node sent or received.</summary>
internal sealed class Traffic
{
    private readonly SortedDictionary<string, (long Messages, long Bytes)> _kinds = new(StringComparer.Ordinal);

    /// <summary>Messages of all kinds.</summary>
    public long Messages { get; private set; }

    /// <summary>Bytes of all kinds.</summary>
    public long Bytes { get; private set; }

    /// <summary>By kind.</summary>
    public IReadOnlyDictionary<string, (long Messages, long Bytes)> Kinds => _kinds;

    /// <summary>Counts messages of so many bytes each.</summary>
    public void Count(string kind, int bytes, int messages = 1)
    {
        (Messages, Bytes) = (Messages + messages, Bytes + messages * bytes);
        (long before, long all) = _kinds.GetValueOrDefault(kind);
        _kinds[kind] = (before + messages, all + messages * bytes);
    }
}
