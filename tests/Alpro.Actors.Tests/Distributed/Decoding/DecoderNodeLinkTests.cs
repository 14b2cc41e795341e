using System.Net;
using System.Net.Sockets;
using Akka.Actor;
using Akka.Configuration;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using Alpro.Actors.Distributed.Decoding;
using Alpro.Actors.Distributed.Transport;
using Alpro.Actors.Pipeline;
using Alpro.Actors.Tests.Pipeline;
using Alpro.Data.Clips;
using Alpro.Data.Media;
using Alpro.Data.Sampling;
using Alpro.Model.Checkpoints;

namespace Alpro.Actors.Tests.Distributed.Decoding;

/// <summary>The decode node's end of a link; the training node is probes.</summary>
public sealed class DecoderNodeLinkTests : TestKit
{
    private readonly Socket _listener = SocketPair.Listen();
    private readonly TestProbe _supervisor, _gate, _trainer;
    private readonly IActorRef _link;
    private NetworkStream? _stream;
    private Action<ClipRequest> _before = static _ => { };

    private sealed class Forward : ReceiveActor
    {
        public Forward(IActorRef probe) => ReceiveAny(probe.Forward);
    }

    public DecoderNodeLinkTests() : base(ConfigurationFactory.ParseString("decode-dispatcher { type = PinnedDispatcher }"))
    {
        (_supervisor, _gate, _trainer) = (CreateTestProbe(), CreateTestProbe(), CreateTestProbe());
        IActorRef gate = _gate.Ref;
        Sys.ActorOf(Props.Create(() => new Forward(gate)), TrainerGate.Name);
        ActorSettings settings = TestClips.Running with { Decoders = 1, MaxDecoderDeathsPerMinute = 2 };
        Func<IClipSource> open = () => new TestClips.Source(request => _before(request));
        var work = new DecodeSupervisor.Work(open, TestClips.Settings, new Dictionary<string, string>(), settings, Certificates: null);
        Address here = ((ExtendedActorSystem)Sys).Provider.DefaultAddress;
        IActorRef pool = Sys.ActorOf(Props.Create(() => new DecoderPool(open, settings, TimeProvider.System)));
        _link = _supervisor.ChildActorOf(Props.Create(() => new DecoderNodeLink(here, work, pool)), SupervisorStrategy.StoppingStrategy);
        _supervisor.Watch(_link);
    }

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _stream?.Dispose();
        _listener.Dispose();
    }

    /// <summary>Answers the link's offer, and lets it connect.</summary>
    private NetworkStream Joined()
    {
        Assert.Equal(1, _gate.ExpectMsg<TrainerGate.Offer>().Decoders);
        string token = DataPlane.NewToken();
        _gate.Reply(new DecoderNodeLink.Welcome("127.0.0.1", ((IPEndPoint)_listener.LocalEndPoint!).Port, token));
        _stream = new(_listener.Accept(), ownsSocket: true);
        byte[] shown = new byte[DataPlane.TokenLength];
        _stream.ReadExactly(shown);
        Assert.Equal(token, Convert.ToHexString(shown));
        return _stream;
    }

    private void Grant(long row) => _link.Tell(new DecoderNodeLink.Grant(TestClips.Request(row)), _trainer);

    private void ExpectSent(long row)
    {
        using Clip clip = new ClipReceiver(_stream!, new(TestClips.Settings), new(Tokens: 10, Answers: 0)).Receive(static _ => true)!;
        Assert.Equal(TestClips.Request(row), clip.Request);
    }

    [Fact]
    public void Clips_that_are_granted_are_made_and_sent()
    {
        Joined();
        Grant(1);
        Grant(2);
        ExpectSent(1);
        ExpectSent(2);
    }

    [Fact]
    public void Offer_that_is_refused_is_the_supervisors_to_hear()
    {
        _gate.ExpectMsg<TrainerGate.Offer>();
        _gate.Reply(new DecoderNodeLink.Refused("injected"));
        Assert.Equal("injected", _supervisor.ExpectMsg<DecoderNodeLink.Refused>().Reason);
    }

    [Fact]
    public void Clip_that_cannot_be_made_is_reported_and_the_next_is_made()
    {
        _before = static request =>
        {
            if (request.Row == 1) throw new UnreadableClipException(RejectReason.Corrupt, "a.mp4", "injected");
        };
        Joined();
        Grant(1);
        Rejection rejection = _trainer.ExpectMsg<TrainerLink.Unreadable>().Rejection;
        Assert.Equal((TestClips.Request(1), RejectReason.Corrupt, "a.mp4"), (rejection.Request, rejection.Reason, rejection.Path));
        Grant(2);
        ExpectSent(2);
    }

    [Fact]
    public void Decoder_that_dies_is_told_of_with_its_clip_and_replaced()
    {
        _before = static request =>
        {
            if (request.Row == 1) throw new InvalidOperationException("injected");
        };
        Joined();
        Grant(1);
        Assert.Equal(TestClips.Request(1), _trainer.ExpectMsg<TrainerLink.DecoderDied>().Request);
        Grant(2);
        ExpectSent(2);
    }

    [Fact]
    public void Clip_that_is_granted_before_the_connection_is_there_is_made()
    {
        _gate.ExpectMsg<TrainerGate.Offer>();
        _gate.Reply(new DecoderNodeLink.Welcome("127.0.0.1", ((IPEndPoint)_listener.LocalEndPoint!).Port, DataPlane.NewToken()));
        Grant(1);
        _stream = new(_listener.Accept(), ownsSocket: true);
        _stream.ReadExactly(new byte[DataPlane.TokenLength]);
        ExpectSent(1);
    }

    [Fact]
    public void Link_that_retires_makes_what_was_granted_and_ends_with_its_other_end()
    {
        Joined();
        Grant(1);
        ExpectSent(1);
        _link.Tell(DecoderNodeLink.Retire.Instance);
        _trainer.ExpectMsg<TrainerLink.Retire>();
        Grant(2);
        ExpectSent(2);
        Sys.Stop(_trainer);
        _supervisor.ExpectTerminated(_link);
    }

    [Fact]
    public void Link_that_retires_before_anybody_has_answered_ends()
    {
        _link.Tell(DecoderNodeLink.Retire.Instance);
        _supervisor.ExpectTerminated(_link);
    }

    [Fact]
    public void Training_node_that_closes_the_connection_ends_the_link()
    {
        Joined().Dispose();
        _supervisor.ExpectTerminated(_link);
    }

    [Fact]
    public void Training_node_that_ends_its_side_ends_the_link()
    {
        Joined();
        Grant(1);
        ExpectSent(1);
        Sys.Stop(_trainer);
        _supervisor.ExpectTerminated(_link);
    }

    [Fact]
    public void Training_node_that_does_not_listen_ends_the_link()
    {
        _gate.ExpectMsg<TrainerGate.Offer>();
        int port = ((IPEndPoint)_listener.LocalEndPoint!).Port;
        _listener.Dispose();
        _gate.Reply(new DecoderNodeLink.Welcome("127.0.0.1", port, DataPlane.NewToken()));
        _supervisor.ExpectTerminated(_link);
    }
}
