using Akka.Actor;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using Alpro.Actors.Distributed.Decoding;
using Alpro.Actors.Distributed.Membership;
using Alpro.Actors.Pipeline;
using Alpro.Actors.Tests.Pipeline;
using Alpro.Data.Clips;
using Alpro.Data.Media;
using Alpro.Data.Sampling;

namespace Alpro.Actors.Tests.Distributed.Decoding;

/// <summary>The training node's end of a link; the decode node, the pipeline and the collator are probes.</summary>
public sealed class TrainerLinkTests : TestKit
{
    private readonly SocketPair _connection = new();
    private readonly ClipLedger _ledger = new();
    private readonly TestProbe _pipeline, _node, _collator;
    private readonly IActorRef _link;
    private readonly ClipSender _sender;

    public TrainerLinkTests() : base("akka { actor.provider = cluster, remote.dot-netty.tcp { hostname = 127.0.0.1, port = 0 } }")
    {
        (_pipeline, _node, _collator) = (CreateTestProbe(), CreateTestProbe(), CreateTestProbe());
        var served = new TrainerGate.Serve(_pipeline, TestClips.Settings, new(Tokens: 10, Answers: 0), new Dictionary<string, string>(),
            _ledger);
        (ICluster cluster, IActorRef node, Stream stream) = (new AkkaCluster(Sys), _node.Ref, _connection.Here);
        _link = Sys.ActorOf(Props.Create(() => new TrainerLink(served, cluster, node, 1, stream)));
        _sender = new(_connection.There, new(TestClips.Settings));
        Watch(_link);
    }

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _connection.Dispose();
    }

    /// <summary>Waits for the stand-in of the clip that the node may have in hand to ask for one.</summary>
    private IActorRef Asking()
    {
        _pipeline.ExpectMsg<ClipCoordinator.RequestClip>();
        return _pipeline.LastSender;
    }

    private IActorRef Grant(ClipRequest request)
    {
        IActorRef decoder = Asking();
        Grant(decoder, request);
        return decoder;
    }

    private void Grant(IActorRef decoder, ClipRequest request)
    {
        decoder.Tell(new ClipDecoder.Decode(request, _collator));
        Assert.Equal(request, _node.ExpectMsg<DecoderNodeLink.Grant>().Request);
    }

    private void Send(ClipRequest request)
    {
        using Clip clip = TestClips.Of(request);
        _sender.Send(clip);
    }

    private void ExpectArrived(ClipRequest request)
    {
        using Clip clip = _collator.ExpectMsg<BatchCollator.ClipDecoded>().Clip;
        Assert.Equal(request, clip.Request);
    }

    [Fact]
    public void Clip_that_was_granted_goes_to_the_collator_and_the_next_is_asked_for()
    {
        Grant(TestClips.Request(1));
        Send(TestClips.Request(1));
        ExpectArrived(TestClips.Request(1));
        Grant(TestClips.Request(2));
    }

    [Fact]
    public async Task Clip_that_arrives_twice_is_dropped_and_counted()
    {
        Grant(TestClips.Request(1));
        Send(TestClips.Request(1));
        Send(TestClips.Request(1));
        ExpectArrived(TestClips.Request(1));
        await AwaitConditionAsync(() => Task.FromResult(_ledger.Totals(0).Duplicates == 1));
        Grant(TestClips.Request(2));
        Send(TestClips.Request(2));
        ExpectArrived(TestClips.Request(2));
    }

    [Fact]
    public async Task Clip_that_arrives_after_its_decoder_was_said_to_be_dead_is_dropped_and_counted()
    {
        IActorRef dead = Grant(TestClips.Request(1));
        _pipeline.Watch(dead);
        _link.Tell(new TrainerLink.DecoderDied(TestClips.Request(1)), _node);
        // its clip goes to another
        _pipeline.FishForMessage(message => message is Terminated { ActorRef: var gone } && gone.Equals(dead));
        Send(TestClips.Request(1));
        await AwaitConditionAsync(() => Task.FromResult(_ledger.Totals(0).Duplicates == 1));
    }

    [Fact]
    public void Decoder_that_died_is_replaced_by_one_that_asks_for_a_clip()
    {
        IActorRef dead = Grant(TestClips.Request(1));
        _link.Tell(new TrainerLink.DecoderDied(TestClips.Request(1)), _node);
        Assert.NotEqual(dead, Grant(TestClips.Request(2)));
    }

    [Fact]
    public void Clip_that_cannot_be_made_is_reported_before_the_next_is_asked_for()
    {
        IActorRef decoder = Grant(TestClips.Request(1));
        var rejection = new Rejection(TestClips.Request(1), "a.mp4", RejectReason.Corrupt, "injected");
        _link.Tell(new TrainerLink.Unreadable(rejection), _node);
        Assert.Equal(rejection, _pipeline.ExpectMsg<ClipCoordinator.ClipRejected>().Rejection);
        Assert.Equal(decoder, Asking());
        _link.Tell(new TrainerLink.Unreadable(rejection), _node);    // again: nobody holds it
        Grant(decoder, TestClips.Request(2));
        _pipeline.ExpectNoMsg(0);
    }

    [Fact]
    public void Connection_that_is_lost_ends_the_link_and_gives_its_clips_back()
    {
        _pipeline.Watch(Grant(TestClips.Request(1)));
        _connection.There.Dispose();
        ExpectTerminated(_link);
        _pipeline.FishForMessage(message => message is Terminated);
    }

    [Fact]
    public void Bytes_that_are_no_clip_end_the_link()
    {
        Grant(TestClips.Request(1));
        _connection.There.Write(new byte[1024]);
        ExpectTerminated(_link);
        _collator.ExpectNoMsg(0);
    }

    [Fact]
    public void Decode_node_that_is_gone_ends_the_link()
    {
        Asking();
        Sys.Stop(_node);
        ExpectTerminated(_link);
    }

    [Fact]
    public async Task Link_that_retires_delivers_what_it_holds_asks_for_no_more_and_ends()
    {
        IActorRef decoder = Grant(TestClips.Request(1));
        _pipeline.Watch(decoder);
        _link.Tell(TrainerLink.Retire.Instance, _node);
        await _link.Ask<ActorIdentity>(new Identify(1));             // it has been taken in
        Send(TestClips.Request(1));
        ExpectArrived(TestClips.Request(1));
        _pipeline.ExpectMsg<ClipCoordinator.LeaveWork>();            // first, or the clip would count as lost
        _pipeline.ExpectTerminated(decoder);
        ExpectTerminated(_link);
    }

    [Fact]
    public void Link_that_retires_with_nothing_in_hand_ends_at_once()
    {
        Asking();
        _link.Tell(TrainerLink.Retire.Instance, _node);
        ExpectTerminated(_link);
        _pipeline.ExpectNoMsg(0);
    }
}
