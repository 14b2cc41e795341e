using System.Net;
using System.Net.Sockets;
using Akka.Actor;
using Akka.Cluster;
using Akka.Serialization;
using Alpro.Actors;
using Alpro.Actors.Distributed.Decoding;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Hosting;
using Alpro.Chaos;
using Alpro.Tests.Support.Events;

namespace Alpro.Nodes.Tests;

/// <summary>Who becomes a member: whoever shows a certificate of the cluster's authority, and nobody else.</summary>
public sealed class ControlPlaneTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly int _port = FreePorts.One();

    public void Dispose() => _folder.Dispose();

    private async Task<(RunHost Node, EventCollector Log)> StartAsync(NodeRole role, string? authority, string? hocon = null)
    {
        NodeCertificates? certificates = null;
        if (authority is not null)
        {
            string folder = Assert.Single(NodeCertificates.Create(_folder.File(authority), ["127.0.0.1"], TimeProvider.System));
            certificates = NodeCertificates.Load(folder);
        }
        var log = new EventCollector();
        RunHost node = await RunHost.StartAsync(hocon ?? QuickCluster.File, join: settings => ClusterNode.From(role, settings) with
        {
            Port = role == NodeRole.Coordinator ? _port : 0,
            DataPort = 0,
            Seeds = [$"127.0.0.1:{_port}"],
            Certificates = certificates,
        }, log: log);
        return (node, log);
    }

    private static async Task<bool> BecomesMemberAsync(RunHost node, TimeSpan within)
    {
        var up = new TaskCompletionSource();
        Akka.Cluster.Cluster.Get(node.System).RegisterOnMemberUp(() => up.TrySetResult());
        return await Task.WhenAny(up.Task, Task.Delay(within)) == up.Task;
    }

    private static int Members(RunHost node) => Akka.Cluster.Cluster.Get(node.System).State.Members.Count;

    [Fact]
    public async Task Node_of_another_cluster_that_calls_at_the_same_port_is_not_heard()
    {
        string other = _folder.File("other.conf");
        File.WriteAllText(other, File.ReadAllText(RunningSettings.ConfFile("cluster.conf")).Replace("name = alpro", "name = other",
            StringComparison.Ordinal));
        (RunHost coordinator, _) = await StartAsync(NodeRole.Coordinator, null);
        await using var first = coordinator;
        Assert.True(await BecomesMemberAsync(coordinator, TimeSpan.FromSeconds(30)));
        (RunHost stranger, _) = await StartAsync(NodeRole.Decoder, null, other);
        await using var second = stranger;
        (RunHost friend, _) = await StartAsync(NodeRole.Decoder, null);
        await using var third = friend;
        Assert.True(await BecomesMemberAsync(friend, TimeSpan.FromSeconds(30)));
        Assert.False(await BecomesMemberAsync(stranger, TimeSpan.FromSeconds(2)));
        Assert.Equal(2, Members(coordinator));
    }

    [Fact]
    public async Task Node_of_the_same_authority_joins_and_one_of_another_or_of_none_does_not()
    {
        (RunHost coordinator, EventCollector log) = await StartAsync(NodeRole.Coordinator, "ours");
        await using var first = coordinator;
        Assert.True(await BecomesMemberAsync(coordinator, TimeSpan.FromSeconds(30)));
        (RunHost stranger, _) = await StartAsync(NodeRole.Decoder, "theirs");
        await using var second = stranger;
        (RunHost open, _) = await StartAsync(NodeRole.Decoder, null);
        await using var third = open;
        (RunHost friend, _) = await StartAsync(NodeRole.Decoder, "ours");
        await using var fourth = friend;
        Assert.True(await BecomesMemberAsync(friend, TimeSpan.FromSeconds(30)));
        Assert.False(await BecomesMemberAsync(stranger, TimeSpan.FromSeconds(3)));
        Assert.False(await BecomesMemberAsync(open, TimeSpan.Zero));
        Assert.Equal(2, Members(coordinator));
        Assert.Contains(log.Of(nameof(ActorEvents.ControlConnectionRefused)),
            refusal => refusal.Message.Contains("no certificate of this cluster's authority", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Garbage_on_the_port_is_refused_said_once_and_disturbs_nobody()
    {
        (RunHost coordinator, EventCollector log) = await StartAsync(NodeRole.Coordinator, null);
        await using var first = coordinator;
        Assert.True(await BecomesMemberAsync(coordinator, TimeSpan.FromSeconds(30)));
        byte[] garbage = new byte[1 << 16];
        Array.Fill(garbage, (byte)0x7F);                             // read as a length: two thousand million bytes
        long before = GC.GetTotalAllocatedBytes();
        for (int i = 0; i < 8; i++)
        {
            using var socket = new TcpClient();
            await socket.ConnectAsync("127.0.0.1", _port);
            NetworkStream stream = socket.GetStream();
            await stream.WriteAsync(garbage);
            try
            {
                using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(20));
                Assert.Equal(0, await stream.ReadAsync(new byte[1], deadline.Token));
            }
            catch (IOException)
            {
                // Closed with bytes of ours unread: the same refusal.
            }
        }
        Assert.InRange(GC.GetTotalAllocatedBytes() - before, 0, 64 << 20);
        await WaitAsync(() => log.Of(nameof(ActorEvents.ControlFrameRefused)).Count >= 8);
        Assert.Equal(8, log.Of(nameof(ActorEvents.ControlFrameRefused)).Count);
        (RunHost friend, _) = await StartAsync(NodeRole.Decoder, null);
        await using var second = friend;
        Assert.True(await BecomesMemberAsync(friend, TimeSpan.FromSeconds(30)));
    }

    /// <summary>Sends its messages under a manifest that no version knows.</summary>
    private sealed class ForgingSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
    {
        public override int Identifier => 1001;

        public override string Manifest(object o) => "grant-0";

        public override byte[] ToBinary(object obj) => "{}"u8.ToArray();

        public override object FromBinary(byte[] bytes, string manifest) => throw new NotSupportedException();
    }

    [Fact]
    public async Task Message_with_an_unknown_manifest_is_refused_and_said_once()
    {
        (RunHost coordinator, EventCollector log) = await StartAsync(NodeRole.Coordinator, null);
        await using var first = coordinator;
        string hocon = _folder.File("forging.conf"),
            forging = $"{typeof(ForgingSerializer).FullName}, {typeof(ForgingSerializer).Assembly.GetName().Name}";
        File.WriteAllText(hocon, QuickCluster.Settings.Replace("Alpro.Actors.Distributed.MessageSerializer, Alpro.Actors", forging,
            StringComparison.Ordinal));
        (RunHost forger, _) = await StartAsync(NodeRole.Decoder, null, hocon);
        await using var second = forger;
        Assert.True(await BecomesMemberAsync(forger, TimeSpan.FromSeconds(30)));
        forger.System.ActorSelection($"akka.tcp://alpro@127.0.0.1:{_port}/user/{TrainerGate.Name}")
            .Tell(new TrainerGate.Offer(1, new Dictionary<string, string>()));
        await WaitAsync(() => log.Events.Any(Refusal));
        Assert.Single(log.Events, Refusal);
        Assert.Equal(2, Members(coordinator));

        static bool Refusal(CollectedEvent logged) => logged.Message.Contains("grant-0", StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Peer_that_goes_away_or_stands_still_while_it_is_called_ends_nobody_else(bool standsStill)
    {
        (RunHost coordinator, EventCollector log) = await StartAsync(NodeRole.Coordinator, "ours");
        await using var first = coordinator;
        Assert.True(await BecomesMemberAsync(coordinator, TimeSpan.FromSeconds(30)));
        using var peer = new TcpListener(IPAddress.Loopback, 0);
        peer.Start();
        int port = ((IPEndPoint)peer.LocalEndpoint).Port;
        coordinator.System.ActorSelection(new RootActorPath(
            Akka.Cluster.Cluster.Get(coordinator.System).SelfAddress.WithPort(port)) / "user" / TrainerGate.Name).Tell("hello");
        using (TcpClient called = await peer.AcceptTcpClientAsync())
            if (standsStill) await WaitAsync(() => log.Events.Any(logged => logged.Message.Contains($":{port}", StringComparison.Ordinal)));

        (RunHost friend, _) = await StartAsync(NodeRole.Decoder, "ours");
        await using var second = friend;
        Assert.True(await BecomesMemberAsync(friend, TimeSpan.FromSeconds(30)));
        Assert.Null(CoordinatedShutdown.Get(coordinator.System).ShutdownReason);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Heartbeats_go_on_while_every_thread_of_the_pool_is_blocked(bool tls)
    {
        (RunHost coordinator, EventCollector log) = await StartAsync(NodeRole.Coordinator, tls ? "ours" : null);
        await using var first = coordinator;
        (RunHost friend, EventCollector friendsLog) = await StartAsync(NodeRole.Decoder, tls ? "ours" : null);
        await using var second = friend;
        Assert.True(await BecomesMemberAsync(friend, TimeSpan.FromSeconds(30)));
        await WaitAsync(() => Members(coordinator) == 2 && Members(friend) == 2);

        using var release = new ManualResetEventSlim();
        using var ended = new CountdownEvent(1000);                  // more than the pool makes threads meanwhile
        int begun = 0;
        for (int i = 0; i < ended.InitialCount; i++)
            ThreadPool.UnsafeQueueUserWorkItem(_ =>
            {
                Interlocked.Increment(ref begun);
                release.Wait();
                ended.Signal();
            }, null);
        release.Wait(TimeSpan.FromSeconds(5));                       // twice what the failure detector bears
        int blocked = Volatile.Read(ref begun);
        release.Set();
        ended.Wait();
        Assert.InRange(blocked, 1, ended.InitialCount - 1);          // or the pool was not full
        Assert.DoesNotContain(log.Events.Concat(friendsLog.Events),
            logged => logged.Message.Contains("UNREACHABLE", StringComparison.Ordinal));
        Assert.Equal((2, 2), (Members(coordinator), Members(friend)));
    }

    private static async Task WaitAsync(Func<bool> condition)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!condition()) await Task.Delay(20, deadline.Token);
    }

    [Theory]
    [InlineData("203.0.113.7", "without certificates")]
    [InlineData("0.0.0.0", "expected a name or address")]
    public async Task Node_without_certificates_does_not_listen_beyond_its_machine(string host, string reason)
    {
        var refusal = await Assert.ThrowsAsync<UsageException>(() => RunHost.StartAsync(RunningSettings.ConfFile("cluster.conf"),
            join: settings => ClusterNode.From(NodeRole.Decoder, settings) with { Host = host }));
        Assert.StartsWith($"alpro.cluster.host = {host}: ", refusal.Message, StringComparison.Ordinal);
        Assert.Contains(reason, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Node_listens_on_all_addresses_with_certificates_and_on_the_one_that_it_is_told()
    {
        using var folder = new TemporaryFolder();
        NodeCertificates.Create(folder.File("certs"), ["somewhere.invalid"], TimeProvider.System);
        using NodeCertificates own = NodeCertificates.Load(Path.Combine(folder.File("certs"), "somewhere.invalid"));
        ClusterNode open = Node(null) with { Certificates = own }, told = open with { Bind = "127.0.0.1" },
            alone = Node("127.0.0.1") with { Host = "localhost" };
        // The public name need not be known here, nor be an address of this machine.
        Assert.Contains(Bound(open), new[] { IPAddress.IPv6Any, IPAddress.Any });
        Assert.Equal(IPAddress.Loopback, Bound(told));
        Assert.Equal(IPAddress.Loopback, Bound(alone));
        Assert.Equal("somewhere.invalid", open.Host);

        var refusal = Assert.Throws<UsageException>(() => (Node("0.0.0.0") with { Host = "127.0.0.1" }).ToHocon());
        Assert.StartsWith("alpro.cluster.bind = 0.0.0.0: without certificates", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("expected a name or address",
            Assert.Throws<UsageException>(() => (open with { Host = "0.0.0.0" }).ToHocon()).Message, StringComparison.Ordinal);
        Assert.Contains("an address of this machine",
            Assert.Throws<UsageException>(() => open with { Bind = "203.0.113.7" } is var far ? Bound(far) : null).Message,
            StringComparison.Ordinal);

        static ClusterNode Node(string? bind) => new()
        {
            Role = NodeRole.Trainer, Name = "alpro", Host = "somewhere.invalid", Bind = bind, Port = 0, DataPort = 0, RingPort = 0,
            Seeds = [],
        };

        static IPAddress Bound(ClusterNode node)
        {
            using Socket socket = node.Listen(0, "--data-port");
            IPAddress address = ((IPEndPoint)socket.LocalEndPoint!).Address;
            return address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        }
    }

    [Fact]
    public async Task Port_that_another_has_is_named()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        int port = ((IPEndPoint)other.LocalEndpoint).Port;
        var control = await Assert.ThrowsAsync<UsageException>(
            () => RunHost.StartAsync(RunningSettings.ConfFile("cluster.conf"),
            join: settings => ClusterNode.From(NodeRole.Decoder, settings) with { Port = port }));
        Assert.StartsWith($"127.0.0.1:{port}: ", control.Message, StringComparison.Ordinal);
        Assert.Contains("--port", control.Message, StringComparison.Ordinal);
        var data = await Assert.ThrowsAsync<UsageException>(
            () => RunHost.StartAsync(RunningSettings.ConfFile("cluster.conf"),
            join: settings => ClusterNode.From(NodeRole.Trainer, settings) with { Port = 0, DataPort = port }));
        Assert.Contains("--data-port", data.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Running_settings_without_a_cluster_are_named()
    {
        var refusal = await Assert.ThrowsAsync<UsageException>(
            () => RunHost.StartAsync(join: settings => ClusterNode.From(NodeRole.Decoder, settings)));
        Assert.Contains("hocon/cluster.conf", refusal.Message, StringComparison.Ordinal);
    }
}
