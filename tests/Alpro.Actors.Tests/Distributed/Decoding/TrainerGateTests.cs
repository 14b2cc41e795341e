using System.Net;
using System.Net.Sockets;
using Akka.Actor;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using Alpro.Actors.Distributed.Decoding;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Distributed.Transport;
using Alpro.Actors.Pipeline;
using Alpro.Actors.Tests.Pipeline;

namespace Alpro.Actors.Tests.Distributed.Decoding;

/// <summary>Which decode nodes a training node lets in.</summary>
public sealed class TrainerGateTests : TestKit
{
    private static readonly Dictionary<string, string> _data = new() { ["data.vocabulary"] = "A", ["decoder"] = "7.1" };

    private readonly Socket _socket = SocketPair.Listen();
    private readonly int _port;
    private readonly TestProbe _pipeline, _node;
    private readonly IActorRef _gate;

    public TrainerGateTests() : base("akka { actor.provider = cluster, remote.dot-netty.tcp { hostname = 127.0.0.1, port = 0 } }")
    {
        (_pipeline, _node) = (CreateTestProbe(), CreateTestProbe());
        _port = ((IPEndPoint)_socket.LocalEndPoint!).Port;
        Socket socket = _socket;
        var node = new ClusterNode
        {
            Role = NodeRole.Trainer,
            Name = "alpro",
            Host = "127.0.0.1",
            Port = 0,
            DataPort = _port,
            RingPort = 0,
            Seeds = [],
        };
        (ICluster cluster, IDataPort port) = (new AkkaCluster(Sys), new DataPort(node, socket));
        _gate = Sys.ActorOf(Props.Create(() => new TrainerGate(cluster, port)));
    }

    private void Serve() => _gate.Tell(new TrainerGate.Serve(_pipeline, TestClips.Settings, new(Tokens: 10, Answers: 0), _data,
        new ClipLedger()));

    private string Invited()
    {
        _gate.Tell(new TrainerGate.Offer(1, _data), _node);
        var welcome = _node.ExpectMsg<DecoderNodeLink.Welcome>();
        Assert.Equal(("127.0.0.1", _port), (welcome.Host, welcome.Port));
        return welcome.Token;
    }

    private Task<Stream> ConnectAsync(string token) => DataPlane.ConnectAsync("127.0.0.1", _port, token, null, CancellationToken.None);

    private static async Task AssertClosedAsync(Stream stream)
    {
        await using (stream) Assert.Equal(0, await stream.ReadAsync(new byte[1]));
    }

    [Fact]
    public void Offer_of_a_node_that_would_make_other_clips_is_refused_with_the_differences()
    {
        Serve();
        _gate.Tell(new TrainerGate.Offer(1, new Dictionary<string, string>(_data) { ["data.vocabulary"] = "B" }), _node);
        Assert.Equal("data.vocabulary: the run has A, the node B", _node.ExpectMsg<DecoderNodeLink.Refused>().Reason);
    }

    [Fact]
    public void Offer_is_answered_when_there_is_a_stream_to_join()
    {
        _gate.Tell(new TrainerGate.Offer(1, _data), _node);
        Serve();
        Invited();
        _node.ExpectNoMsg(0);                                        // the first was not answered
    }

    [Fact]
    public async Task Node_that_shows_its_token_joins_with_twice_as_many_clips_as_decoders()
    {
        Serve();
        await using Stream stream = await ConnectAsync(Invited());
        for (int clip = 0; clip < 2; clip++) _pipeline.ExpectMsg<ClipCoordinator.RequestClip>();
    }

    [Fact]
    public async Task Token_is_good_once_and_only_the_last()
    {
        Serve();
        string first = Invited(), second = Invited();
        await AssertClosedAsync(await ConnectAsync(first));
        await using Stream stream = await ConnectAsync(second);
        _pipeline.ExpectMsg<ClipCoordinator.RequestClip>();
        await AssertClosedAsync(await ConnectAsync(second));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task End_of_a_stream_or_the_begin_of_the_next_ends_its_links(bool next)
    {
        Serve();
        Stream stream = await ConnectAsync(Invited());
        _pipeline.ExpectMsg<ClipCoordinator.RequestClip>();
        if (next) Serve();
        else Sys.Stop(_pipeline);
        await AssertClosedAsync(stream);
    }
}
