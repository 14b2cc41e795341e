using System.Collections.Immutable;
using System.Reflection;
using Akka.Actor;
using Akka.Cluster;
using Akka.Configuration;
using Akka.TestKit.Xunit2;
using Akka.Util;
using Alpro.Actors.Distributed.Decoding;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Tests.Pipeline;

namespace Alpro.Actors.Tests.Distributed.Decoding;

/// <summary>When a decode node's work is done. The node itself stands for one that carries the run.</summary>
public sealed class DecodeSupervisorTests : TestKit
{
    private readonly TaskCompletionSource _ended = new();
    private readonly Akka.Cluster.Cluster _cluster;
    private readonly IActorRef _supervisor;
    private readonly Member _carrier;

    public DecodeSupervisorTests() : base(ConfigurationFactory.ParseString($$"""
        akka.actor.provider = cluster
        akka.remote.dot-netty.tcp { hostname = "127.0.0.1", port = 0 }
        akka.cluster.roles = ["{{ClusterNode.RoleName(NodeRole.Trainer)}}"]
        """))
    {
        _cluster = Akka.Cluster.Cluster.Get(Sys);
        _cluster.Join(_cluster.SelfAddress);
        AwaitCondition(() => _cluster.State.Members.Any(member => member.Status == MemberStatus.Up));
        _carrier = Assert.Single(_cluster.State.Members);
        var work = new DecodeSupervisor.Work(() => new TestClips.Source(static _ => { }), TestClips.Settings,
            new Dictionary<string, string>(), TestClips.Running, Certificates: null);
        Action ended = _ended.SetResult;
        Action<Exception> failed = _ended.SetException;
        ICluster cluster = new AkkaCluster(Sys);
        _supervisor = Sys.ActorOf(Props.Create(() => new DecodeSupervisor(work, cluster, ended, failed)));
    }

    private Member Exiting => _carrier.Copy(MemberStatus.Leaving).Copy(MemberStatus.Exiting);

    [Fact]
    public async Task Run_has_ended_as_soon_as_the_last_node_is_known_to_have_left_whatever_the_extension_still_tells()
    {
        _supervisor.Tell(new ClusterEvent.MemberRemoved(Exiting.Copy(MemberStatus.Removed), MemberStatus.Exiting));
        await _ended.Task.WaitAsync(TimeSpan.FromSeconds(5));
        Assert.Contains(_cluster.State.Members, member => member.Status == MemberStatus.Up);
    }

    [Fact]
    public async Task Node_that_was_given_up_may_be_started_again_and_is_waited_for()
    {
        Member down = _carrier.Copy(MemberStatus.Down);
        _supervisor.Tell(new ClusterEvent.MemberDowned(down));
        _supervisor.Tell(new ClusterEvent.MemberRemoved(down.Copy(MemberStatus.Removed), MemberStatus.Down));
        await _supervisor.Ask<ActorIdentity>(new Identify(1));       // what was told before has been taken in
        Assert.False(_ended.Task.IsCompleted);
        _supervisor.Tell(new ClusterEvent.MemberUp(_carrier));
        _supervisor.Tell(new ClusterEvent.MemberRemoved(Exiting.Copy(MemberStatus.Removed), MemberStatus.Exiting));
        await _ended.Task.WaitAsync(TimeSpan.FromSeconds(5));
    }

    /// <summary>A member of a cluster that is not there; Akka makes them for itself alone.</summary>
    private static Member Up(NodeRole role, int port)
    {
        MethodInfo create = typeof(Member).GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)
            .First(method => method.Name == "Create" && method.GetParameters().Any(part => part.ParameterType == typeof(MemberStatus)));
        object[] parts =
        [
            new UniqueAddress(new Address("akka.tcp", "alpro", "127.0.0.1", port), port), port, MemberStatus.Up,
            ImmutableHashSet.Create(ClusterNode.RoleName(role)), AppVersion.Zero,
        ];
        return (Member)create.Invoke(null, [.. create.GetParameters()
            .Select(wanted => parts.First(part => wanted.ParameterType.IsInstanceOfType(part)))])!;
    }

    [Fact]
    public void Node_serves_its_own_trainers_and_is_assigned_anew_when_members_come_and_go()
    {
        Member[] nodes = [.. Enumerable.Range(1, 12).Select(i => Up(NodeRole.Decoder, i))],
            trainers = [.. Enumerable.Range(101, 12).Select(i => Up(NodeRole.Trainer, i))];
        foreach (Member node in nodes) _supervisor.Tell(new ClusterEvent.MemberUp(node));
        foreach (Member trainer in trainers[..3]) _supervisor.Tell(new ClusterEvent.MemberUp(trainer));
        AssertServed(trainers[..3]);
        foreach (Member trainer in trainers[3..]) _supervisor.Tell(new ClusterEvent.MemberUp(trainer));
        AssertServed(trainers);
        foreach (Member trainer in trainers[6..])
            _supervisor.Tell(new ClusterEvent.MemberRemoved(trainer.Copy(MemberStatus.Down).Copy(MemberStatus.Removed), MemberStatus.Down));
        AssertServed(trainers[..6]);

        void AssertServed(Member[] there)
        {
            IEnumerable<string> names = there.Append(_carrier).Select(member => member.Address.HostPort());
            int served = ServedTrainers.Of(_cluster.SelfAddress.HostPort(), [.. nodes.Select(node => node.Address.HostPort())],
                [.. names]).Count;
            AwaitAssert(() => Assert.Equal(served + 1, Children()), TimeSpan.FromSeconds(20));       // its links, and the pool
        }
    }

    private int Children() => ((ActorRefWithCell)_supervisor).Underlying is IActorContext context ? context.GetChildren().Count() : 0;
}
