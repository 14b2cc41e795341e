using Akka.Actor;
using Akka.Actor.Internal;
using Akka.Actor.Setup;
using Akka.Dispatch.SysMsg;
using Akka.Event;
using Akka.Serialization;
using Alpro.Actors.Distributed.Transport;

namespace Alpro.Simulation;

/// <summary>The simulation that an actor system belongs to.</summary>
internal sealed class WorldSetup(World world) : Setup
{
    public World World { get; } = world;
}

/// <summary>
/// Akka's provider of local actors, which also knows the roots of the simulated nodes: a path that begins with a node's address leads over
/// the network.
/// </summary>
internal sealed class SimulationProvider(string name, Settings settings, EventStream events) : IActorRefProvider
{
    private readonly LocalActorRefProvider _local = new(name, settings, events);
    private readonly World _world = settings.Setup.Get<WorldSetup>().Value.World;

    public IInternalActorRef RootGuardian => _local.RootGuardian;
    public LocalActorRef Guardian => _local.Guardian;
    public LocalActorRef SystemGuardian => _local.SystemGuardian;
    public IActorRef DeadLetters => _local.DeadLetters;
    public IActorRef IgnoreRef => _local.IgnoreRef;
    public ActorPath RootPath => _local.RootPath;
    public Settings Settings => _local.Settings;
    public Deployer Deployer => _local.Deployer;
    public IInternalActorRef TempContainer => _local.TempContainer;
    public Task TerminationTask => _local.TerminationTask;
    public Address DefaultAddress => _local.DefaultAddress;
    public Information SerializationInformation => _local.SerializationInformation;
    public IActorRef RootGuardianAt(Address address) =>
        address == RootPath.Address ? RootGuardian : new RemoteRoot(_world, address, this);
    public void Init(ActorSystemImpl system) => _local.Init(system);
    public ActorPath TempPath() => _local.TempPath();
    public void RegisterTempActor(IInternalActorRef actorRef, ActorPath path) => _local.RegisterTempActor(actorRef, path);
    public void UnregisterTempActor(ActorPath path) => _local.UnregisterTempActor(path);
    public FutureActorRef<T> CreateFutureRef<T>(TaskCompletionSource<T> tcs) => _local.CreateFutureRef(tcs);
    public IInternalActorRef ActorOf(ActorSystemImpl system, Props props, IInternalActorRef supervisor, ActorPath path, bool systemService,
        Deploy deploy, bool lookupDeploy, bool async) =>
        _local.ActorOf(system, props, supervisor, path, systemService, deploy, lookupDeploy, async);
    public IActorRef ResolveActorRef(string path) => _local.ResolveActorRef(path);
    public IActorRef ResolveActorRef(ActorPath actorPath) => _local.ResolveActorRef(actorPath);
    public Address GetExternalAddressFor(Address address) => _local.GetExternalAddressFor(address);
}

/// <summary>The root of the actors at an address: what is selected below it is looked up over there, on arrival.</summary>
internal sealed class RemoteRoot(World world, Address address, IActorRefProvider provider) : MinimalActorRef
{
    public override ActorPath Path { get; } = new RootActorPath(address);
    public override IActorRefProvider Provider => provider;

    protected override void TellInternal(object message, IActorRef sender)
    {
        var selected = (ActorSelectionMessage)message;
        string name = ((SelectChildName)selected.Elements[^1]).Name;
        SimulatedNode from = world.NodeOf(sender);
        if (world.At(address) is not { } to) return;
        world.Network.SendControl(from, to, RemoteActor.Wire(selected.Message), selected.Message.GetType().Name, () =>
        {
            if (to.Child(name) is { } actor) actor.Tell(selected.Message, world.Remote(sender, from));
        });
    }
}

/// <summary>An actor of another node, as this one knows it.</summary>
internal sealed class RemoteActor : MinimalActorRef
{
    private readonly World _world;
    private readonly SimulatedNode _node;
    private readonly IInternalActorRef _actor;

    public RemoteActor(World world, SimulatedNode node, IInternalActorRef actor, IActorRefProvider provider)
    {
        (_world, _node, _actor, Provider) = (world, node, actor, provider);
        Path = (new RootActorPath(node.Address) / "user" / actor.Path.Elements.Skip(2)).WithUid(actor.Path.Uid);
    }

    public override ActorPath Path { get; }
    public override IActorRefProvider Provider { get; }

    /// <summary>What may cross, and nothing else.</summary>
    public static object Wire(object message) => message as IWireMessage
        ?? throw new InvalidOperationException($"{message.GetType()} is no message between nodes");

    protected override void TellInternal(object message, IActorRef sender)
    {
        SimulatedNode from = _world.NodeOf(sender);
        _world.Network.SendControl(from, _node, Wire(message), message.GetType().Name,
            () => _actor.Tell(message, _world.Remote(sender, from)));
    }

    public override void SendSystemMessage(ISystemMessage message)
    {
        if (message is not Watch watch) return;
        SimulatedNode from = _world.NodeOf(watch.Watcher);
        if (from.View.HasGivenUp(_node))
        {
            _world.Time.After(TimeSpan.Zero, () => TellEnded(watch.Watcher, addressTerminated: true));
            return;
        }
        from.Watched.Add((_node, this, watch.Watcher));
        _world.Network.Send(from, _node, () => _actor.SendSystemMessage(new Watch(_actor, new Watcher(this, from, watch.Watcher))));
    }

    /// <summary>Tells over the network that the actor has ended.</summary>
    private sealed class Watcher(RemoteActor watched, SimulatedNode from, IInternalActorRef watcher) : MinimalActorRef
    {
        public override ActorPath Path { get; } = watched.Path / "watcher";
        public override IActorRefProvider Provider => watched.Provider;

        protected override void TellInternal(object message, IActorRef sender)
        {
        }

        public override void SendSystemMessage(ISystemMessage message)
        {
            if (message is DeathWatchNotification)
                watched._world.Network.Send(watched._node, from, () => watched.TellEnded(watcher, addressTerminated: false));
        }
    }

    /// <summary>Tells a watcher here that the actor has ended, or that its node is given up.</summary>
    public void TellEnded(IInternalActorRef watcher, bool addressTerminated)
    {
        _world.Log.Add(_world.NodeOf(watcher), "ended", Path.ToStringWithoutAddress(), _node.Number);
        watcher.SendSystemMessage(new DeathWatchNotification(this, true, addressTerminated));
    }
}
