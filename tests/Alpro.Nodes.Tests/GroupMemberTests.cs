using Akka.Actor;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using Alpro.Actors.Distributed.Groups;
using Alpro.Actors.Distributed.Membership;
using Alpro.Chaos;

namespace Alpro.Nodes.Tests;

public sealed class GroupMemberTests() : TestKit(
    "akka { actor.provider = cluster, remote.dot-netty.tcp { hostname = 127.0.0.1, port = 0 } }")
{
    [Theory]
    [InlineData("127.0.0.1", 2)]
    [InlineData("localhost", 1)]
    public void Trainer_is_told_how_many_of_its_group_are_on_its_host(string otherHost, int here)
    {
        int[] ports = FreePorts.Some(2);
        TestProbe[] parents = [CreateTestProbe(), CreateTestProbe()];
        for (int rank = 0; rank < 2; rank++)
        {
            int port = ports[rank];
            var node = new ClusterNode
            {
                Role = NodeRole.Trainer,
                Name = "alpro",
                Host = "127.0.0.1",
                Port = 0,
                DataPort = 0,
                RingPort = port,
                Seeds = [],
            };
            ICluster cluster = new AkkaCluster(Sys);
            IRingPort listens = new RingPort(node, static _ => { });
            IActorRef member = parents[rank].ChildActorOf(Props.Create(() => new GroupMember(cluster, listens)));
            member.Tell(new GroupMember.Free(0));
            member.Tell(new GroupMember.Form(1, rank, [$"127.0.0.1:{ports[0]}", $"{otherHost}:{ports[1]}"], FromCheckpoint: false,
                ["a:4070", "b:4070"]));
        }
        foreach (TestProbe parent in parents)
        {
            var formed = parent.ExpectMsg<GroupMember.Formed>(TimeSpan.FromSeconds(20));
            Assert.Equal(here, formed.Here);
            Assert.Equal(["a:4070", "b:4070"], formed.Nodes);
            formed.Group.Dispose();
        }
    }
}
