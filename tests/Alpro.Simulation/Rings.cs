using Alpro.Actors.Distributed.Groups;
using Alpro.Training.Collectives;
using TorchSharp;

namespace Alpro.Simulation;

/// <summary>
/// The rings of the trainers. A ring forms when all ranks have come in time. It is over for all when one is lost: at once where a process
/// ended, and after a while of silence where a rank stands still or the network parts.
/// </summary>
internal sealed class Rings(World world)
{
    /// <summary>How long a ring may take to form, and how long a neighbour may be silent: RingPort and RingSettings.</summary>
    private static readonly TimeSpan _forming = TimeSpan.FromSeconds(5), _silence = TimeSpan.FromSeconds(5), _sign = _silence / 4;

    /// <summary>How long word of a lost rank takes round the ring.</summary>
    private static readonly TimeSpan _word = TimeSpan.FromMilliseconds(1);

    private readonly SortedDictionary<long, Ring> _rings = [];

    /// <summary>A node's ring port.</summary>
    public sealed class Port(World world, SimulatedNode node) : IRingPort
    {
        public string Endpoint => $"{node.Address.Host}:4253";

        public Task<IWatchedGroup> JoinAsync(RingGroup group, CancellationToken stop) => world.Rings.JoinAsync(node, group);

        public void Dispose()
        {
        }
    }

    /// <summary>A process has ended, and its system has closed its connections.</summary>
    public void OnClosed(SimulatedNode node)
    {
        foreach (Ring ring in _rings.Values.ToArray()) ring.OnClosed(node);
    }

    private Task<IWatchedGroup> JoinAsync(SimulatedNode node, RingGroup group)
    {
        if (!_rings.TryGetValue(group.Generation, out Ring? ring))
        {
            foreach (long over in _rings.Where(static ring => ring.Value.IsOver).Select(static ring => ring.Key).ToArray())
                _rings.Remove(over);
            _rings[group.Generation] = ring = new(world, group.Generation, group.World);
        }
        return ring.JoinAsync(node, group.Rank);
    }

    /// <summary>A ring.</summary>
    internal sealed class Ring(World world, long generation, int ranks)
    {
        private readonly SimulatedNode?[] _nodes = new SimulatedNode?[ranks];
        private readonly TaskCompletionSource<IWatchedGroup>?[] _joining = new TaskCompletionSource<IWatchedGroup>?[ranks];
        private readonly Member?[] _members = new Member?[ranks];
        private readonly TimeSpan[] _heard = new TimeSpan[ranks];
        private readonly Dictionary<long, (long?[] Values, Action<long>?[] Then)> _operations = [];
        private bool _formed;

        public bool IsOver { get; private set; }

        public Task<IWatchedGroup> JoinAsync(SimulatedNode node, int rank)
        {
            var joining = new TaskCompletionSource<IWatchedGroup>();
            if (IsOver)
            {
                joining.SetException(new CollectivesException(rank, generation, "came too late"));
                return joining.Task;
            }
            (_nodes[rank], _joining[rank]) = (node, joining);
            world.Time.After(_forming, () =>
            {
                if (!_formed) Fail(rank, "did not form in time");
            });
            if (_nodes.All(static there => there is not null)) world.Time.After(_word, Form);
            return joining.Task;
        }

        /// <summary>A rank has come to an operation, with a value; when all have, each goes on with the largest.</summary>
        public void Arrive(int rank, long operation, long value, TimeSpan takes, Action<long> then)
        {
            if (IsOver) return;
            if (!_operations.TryGetValue(operation, out var all))
                _operations[operation] = all = (new long?[ranks], new Action<long>?[ranks]);
            (all.Values[rank], all.Then[rank]) = (value, then);
            if (all.Values.Any(static there => there is null)) return;
            _operations.Remove(operation);
            long most = all.Values.Max()!.Value;
            for (int one = 0; one < ranks; one++)
            {
                int here = one;
                // The sums come round: some ranks have them before others.
                TimeSpan later = world.Chance.Exponential(TimeSpan.FromMicroseconds(200), Question.Step, (ulong)generation,
                    (ulong)operation, (ulong)here);
                On(here, takes + later, () =>
                {
                    if (_members[here] is { IsOver: false }) all.Then[here]!(most);
                });
            }
        }

        public void OnClosed(SimulatedNode node)
        {
            if (Array.IndexOf(_nodes, node) is >= 0 and var rank) Fail(rank, "closed its connection");
        }

        /// <summary>The ring is over for all ranks, each of which hears of it soon, or when it goes on.</summary>
        public void Fail(int rank, string what)
        {
            if (IsOver) return;
            IsOver = true;
            world.Log.Add(_nodes[rank], "ring over", what, generation);
            var reason = new CollectivesException(rank, generation, what);
            for (int one = 0; one < ranks; one++)
            {
                int here = one;
                if (_nodes[here] is null) continue;
                On(here, world.Chance.Exponential(_word, Question.Detection, (ulong)generation, (ulong)here), () =>
                {
                    _members[here]?.End(reason);
                    _joining[here]?.TrySetException(reason);
                });
            }
        }

        private void Form()
        {
            if (IsOver || Enumerable.Range(0, ranks).Any(rank => _nodes[rank]!.IsDead
                || !world.Network.Connected(_nodes[rank]!, _nodes[(rank + 1) % ranks]!))) return;
            _formed = true;
            for (int rank = 0; rank < ranks; rank++)
            {
                int here = rank;
                _members[here] = new(this, here, ranks, generation);
                On(here, _word, () => _joining[here]!.TrySetResult(_members[here]!));
                _heard[here] = world.Time.Now;
                world.Time.After(_sign * world.Chance.Uniform(Question.Detection, (ulong)generation, (ulong)here), () => GiveSign(here));
            }
        }

        /// <summary>A rank tells its neighbour now and then that it lives. It is lost when it has not done so for too long.</summary>
        private void GiveSign(int rank)
        {
            if (IsOver) return;
            (SimulatedNode here, SimulatedNode next) = (_nodes[rank]!, _nodes[(rank + 1) % ranks]!);
            if (!here.IsDead && !here.IsFrozen && world.Network.Connected(here, next)) _heard[rank] = world.Time.Now;
            else if (world.Time.Now - _heard[rank] >= _silence) Fail(rank, "is silent");
            world.Time.After(_sign, () => GiveSign(rank));
        }

        private void On(int rank, TimeSpan after, Action action)
        {
            SimulatedNode node = _nodes[rank]!;
            world.Time.After(after, Do);

            void Do()
            {
                if (node.IsDead) return;
                if (node.IsFrozen) node.Hold(Do);
                else world.Time.RunAs(node, action);
            }
        }
    }

    /// <summary>A rank's part of a ring.</summary>
    internal sealed class Member(Ring ring, int rank, int ranks, long generation) : IWatchedGroup
    {
        private readonly GroupEnd _end = new();

        public event Action<CollectivesException> Failed
        {
            add => _end.Add(value);
            remove => _end.Remove(value);
        }

        public int Rank => rank;

        public int World => ranks;

        public long Generation => generation;

        public bool IsOver => _end.Reason is not null;

        /// <summary>See <see cref="Ring.Arrive"/>.</summary>
        public void Arrive(long operation, long value, TimeSpan takes, Action<long> then) =>
            ring.Arrive(rank, operation, value, takes, then);

        public void End(CollectivesException reason)
        {
            if (_end.TrySet(reason)) _end.Tell();
        }

        public void Abort(Exception reason)
        {
            End(reason as CollectivesException ?? new CollectivesException(rank, generation, $"ended the group: {reason.Message}", reason));
            ring.Fail(rank, "ended the group");
        }

        public void ThrowIfOver() => _end.ThrowIfOver();

        public void Dispose()
        {
        }

        public void AllReduce(torch.Tensor tensor) => throw new NotSupportedException();

        public torch.Tensor AllGather(torch.Tensor own) => throw new NotSupportedException();

        public void Broadcast(torch.Tensor tensor, int source) => throw new NotSupportedException();

        public void CountOperation() => throw new NotSupportedException();
    }
}
