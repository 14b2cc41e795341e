using System.Collections.Immutable;
using System.Numerics;
using System.Runtime.CompilerServices;
using Akka.Actor;
using Akka.Cluster;
using Akka.Util;
using Alpro.Actors.Distributed.Membership;

namespace Alpro.Simulation;

/// <summary>A process of the simulated cluster: its actors, its connections, and what became of it.</summary>
internal sealed class SimulatedNode
{
    /// <summary>Told to the parent of a node's actors: have one more, or one less.</summary>
    private sealed record Have(string Name, Props? Props);

    private readonly World _world;
    private readonly List<Action> _held = [];
    private readonly Dictionary<(MemberStatus, int), Member> _as = [];
    private ulong _clips, _loads;
    private IActorRef _root = ActorRefs.Nobody;

    /// <summary>A node.</summary>
    /// <param name="world">The simulation.</param>
    /// <param name="number">Its number among all that were ever started.</param>
    /// <param name="host">Its host; one that is started again has the host of the one before.</param>
    /// <param name="role">What it does.</param>
    public SimulatedNode(World world, int number, int host, NodeRole role)
    {
        (_world, Number, Host, Role) = (world, number, host, role);
        Address = new("akka", World.SystemName, $"n{host:D4}", 4053);
        UniqueAddress = new(Address, number + 1);
        Roles = role is NodeRole.Coordinator or NodeRole.Trainer ? [ClusterNode.RoleName(role), VoterMajority.Voter]
            : [ClusterNode.RoleName(role)];
        Bit = BigInteger.One << number;
        (View, Daemon) = (new(world, this), new(world, this));
    }

    public int Number { get; }

    public int Host { get; }

    public NodeRole Role { get; }

    /// <summary>Its name, which says what it does.</summary>
    public string Name => $"{ClusterNode.RoleName(Role)[0]}{Number}";

    public Address Address { get; }

    public UniqueAddress UniqueAddress { get; }

    public ImmutableHashSet<string> Roles { get; }

    /// <summary>The node in sets of nodes.</summary>
    public BigInteger Bit { get; }

    public View View { get; }

    public ClusterDaemon Daemon { get; }

    /// <summary>Whether the process has ended.</summary>
    public bool IsDead { get; private set; }

    /// <summary>Whether the process ends.</summary>
    public bool IsEnding { get; private set; }

    /// <summary>Whether the process stands still.</summary>
    public bool IsFrozen { get; private set; }

    /// <summary>When its network card has sent all that it was given.</summary>
    public TimeSpan CardFree { get; set; }

    /// <summary>Bytes that it sent by the data plane.</summary>
    public long DataSent { get; set; }

    public Traffic Sent { get; } = new();

    public Traffic Received { get; } = new();

    /// <summary>Its ends of connections of the data plane.</summary>
    public List<DataConnection.End> Connections { get; } = [];

    /// <summary>Actors of other nodes that its own watch.</summary>
    public List<(SimulatedNode Node, RemoteActor Actor, IInternalActorRef Watcher)> Watched { get; } = [];

    /// <summary>Told of connections that show a token; null while it does not listen.</summary>
    public Action<string, Stream>? Listener { get; set; }

    /// <summary>Its trainer, if it has one.</summary>
    public SimulatedTrainer? Trainer { get; set; }

    /// <summary>Whether it has come up and does its work.</summary>
    public bool HasActors { get; set; }

    /// <summary>Starts its actors' parent.</summary>
    public void Start() => _root = _world.System.ActorOf(Props.Create(() => new Top(_world, this)), Name);

    /// <summary>Starts an actor at the top.</summary>
    public void Start(string name, Props props) => _root.Tell(new Have(name, props), ActorRefs.NoSender);

    /// <summary>Stops an actor at the top.</summary>
    public void Stop(string name) => _root.Tell(new Have(name, null), ActorRefs.NoSender);

    /// <summary>One of its top actors.</summary>
    public IActorRef? Child(string name)
    {
        IActorRef child = ((ActorRefWithCell)_root).GetSingleChild(name);
        return child.IsNobody() ? null : child;
    }

    /// <summary>What a decoder takes for its next clip.</summary>
    public TimeSpan NextClip()
    {
        ulong clip = _clips++;
        if (_world.Chance.Uniform(Question.Hang, (ulong)Number, clip) < _world.Settings.Faults.Hang) return TimeSpan.FromHours(12);
        return _world.Settings.ClipTime * (0.5 - Math.Log(1 - _world.Chance.Uniform(Question.Decode, (ulong)Number, clip)) / 2);
    }

    /// <summary>Whether the decoder that makes a clip now dies of it.</summary>
    public bool DiesOfClip() => _world.Chance.Uniform(Question.Death, (ulong)Number, _loads++) < _world.Settings.Faults.Death;

    /// <summary>Does something when the node goes on.</summary>
    public void Hold(Action action) => _held.Add(action);

    /// <summary>The process stands still.</summary>
    public void Freeze() => IsFrozen = true;

    /// <summary>The process goes on: what came meanwhile is there at once.</summary>
    public void Thaw()
    {
        IsFrozen = false;
        Action[] held = [.. _held];
        _held.Clear();
        foreach (Action action in held) _world.Time.After(TimeSpan.Zero, action);
    }

    /// <summary>The process ends at once.</summary>
    /// <param name="told">Whether the system of its host is there to close its connections.</param>
    public void Die(bool told)
    {
        if (IsDead) return;
        foreach (DataConnection.End end in Connections.ToArray()) end.Break(told);
        (IsDead, IsEnding, IsFrozen) = (true, true, false);
        _held.Clear();
        _world.System.Stop(_root);
    }

    /// <summary>The process ends its actors, and then itself.</summary>
    public void End()
    {
        if (IsEnding) return;
        IsEnding = true;
        _world.System.Stop(_root);
    }

    /// <summary>The node as a member; those who see it share the object.</summary>
    public Member MemberAs(MemberStatus status, int upNumber)
    {
        if (_as.TryGetValue((status, upNumber), out Member? member)) return member;
        Member joining = Create(null, UniqueAddress, Roles, AppVersion.Zero);
        Member up = upNumber == int.MaxValue ? joining : joining.CopyUp(upNumber);
        return _as[(status, upNumber)] = status switch
        {
            MemberStatus.Joining => joining,
            MemberStatus.WeaklyUp => joining.Copy(MemberStatus.WeaklyUp),
            MemberStatus.Up => up,
            MemberStatus.Leaving => up.Copy(MemberStatus.Leaving),
            MemberStatus.Exiting => up.Copy(MemberStatus.Leaving).Copy(MemberStatus.Exiting),
            MemberStatus.Down => up.Copy(MemberStatus.Down),
            _ => up.Copy(MemberStatus.Down).Copy(MemberStatus.Removed),
        };
    }

    [UnsafeAccessor(UnsafeAccessorKind.StaticMethod, Name = "Create")]
    private static extern Member Create(Member? none, UniqueAddress address, ImmutableHashSet<string> roles, AppVersion version);

    /// <summary>The parent of a node's actors. That one of these fails is nothing that the code is made for.</summary>
    private sealed class Top : ReceiveActor
    {
        private readonly World _world;
        private readonly SimulatedNode _node;

        public Top(World world, SimulatedNode node)
        {
            (_world, _node) = (world, node);
            Receive<Have>(have =>
            {
                if (have.Props is { } props) Context.ActorOf(props, have.Name);
                else Context.Stop(Context.Child(have.Name));
            });
        }

        protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(error =>
        {
            _world.Fail($"{_node.Name}: {Sender.Path.Name} failed: {error}");
            return Directive.Stop;
        }, loggingEnabled: false);
    }
}
