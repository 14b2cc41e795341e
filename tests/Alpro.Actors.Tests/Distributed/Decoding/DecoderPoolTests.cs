using Akka.Actor;
using Akka.Configuration;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using Alpro.Actors.Distributed.Decoding;
using Alpro.Actors.Insight;
using Alpro.Actors.Pipeline;
using Alpro.Actors.Tests.Pipeline;
using Alpro.Data.Clips;
using Alpro.Data.Media;
using Alpro.Data.Sampling;
using Alpro.Model.Checkpoints;

namespace Alpro.Actors.Tests.Distributed.Decoding;

/// <summary>One set of decoders for many links; the links are probes, and so are the outlets, who get all clips.</summary>
public sealed class DecoderPoolTests : TestKit
{
    private readonly TestProbe _parent, _outlet;
    private readonly SemaphoreSlim _allowed = new(0);
    private Action<ClipRequest> _before = static _ => { };
    private int _opened;

    public DecoderPoolTests() : base(ConfigurationFactory.ParseString("decode-dispatcher { type = PinnedDispatcher }"))
    {
        (_parent, _outlet) = (CreateTestProbe(), CreateTestProbe());
    }

    protected override void Dispose(bool disposing)
    {
        _allowed.Release(1000);                                      // nobody is left in the middle of a clip
        base.Dispose(disposing);
    }

    /// <summary>A pool whose clips are made when they are allowed.</summary>
    private IActorRef Start(int decoders)
    {
        Func<IClipSource> open = () =>
        {
            Interlocked.Increment(ref _opened);
            return new TestClips.Source(request =>
            {
                _allowed.Wait();
                _before(request);
            });
        };
        ActorSettings settings = TestClips.Running with { Decoders = decoders, MaxDecoderDeathsPerMinute = 2 };
        return _parent.ChildActorOf(Props.Create(() => new DecoderPool(open, settings, TimeProvider.System)),
            SupervisorStrategy.StoppingStrategy);
    }

    private TestProbe Join(IActorRef pool)
    {
        TestProbe link = CreateTestProbe();
        link.IgnoreMessages(static message => message is DecoderPool.Worked);
        pool.Tell(new DecoderPool.Join(_outlet, new DecodeMeter()), link);
        return link;
    }

    /// <summary>A clip of a link, which its row names.</summary>
    private static ClipRequest Clip(int link, long step = 0, int slot = 0) => TestClips.Request(link) with { Step = step, Slot = slot };

    private static void Ask(IActorRef pool, TestProbe link, int number, int clips, long step = 0)
    {
        for (int slot = 0; slot < clips; slot++) pool.Tell(new DecoderPool.Make(Clip(number, step, slot)), link);
    }

    private ClipRequest Made()
    {
        using Clip clip = _outlet.ExpectMsg<BatchCollator.ClipDecoded>().Clip;
        return clip.Request;
    }

    /// <summary>Lets clips be made and sent, one after another.</summary>
    private ClipRequest[] MakeAndSend(IActorRef pool, int clips, params TestProbe[] links) =>
    [
        .. Enumerable.Range(0, clips).Select(_ =>
        {
            _allowed.Release();
            ClipRequest made = Made();
            pool.Tell(DecoderPool.Sent.Instance, links[made.Row]);
            return made;
        }),
    ];

    [Fact]
    public void Two_links_that_ask_have_half_each()
    {
        IActorRef pool = Start(decoders: 1);
        TestProbe[] links = [Join(pool), Join(pool)];
        Ask(pool, links[0], 0, 20);
        Ask(pool, links[1], 1, 20);
        Assert.InRange(MakeAndSend(pool, 21, links).Count(made => made.Row == 0), 10, 11);
    }

    [Fact]
    public void Link_that_asks_for_nothing_leaves_everything_to_the_other()
    {
        IActorRef pool = Start(decoders: 2);
        TestProbe[] links = [Join(pool), Join(pool)];
        Ask(pool, links[0], 0, 2);
        MakeAndSend(pool, 2, links);
        Ask(pool, links[1], 1, 8);
        Assert.All(MakeAndSend(pool, 8, links), made => Assert.Equal(1, made.Row));
    }

    [Fact]
    public void Trainer_that_is_behind_goes_first_and_so_does_the_earliest_of_its_clips()
    {
        IActorRef pool = Start(decoders: 1);
        TestProbe[] links = [Join(pool), Join(pool)];
        Ask(pool, links[0], 0, 1, step: 7);                          // the decoder has it before there is another
        AwaitAssert(() => Assert.Equal(1, Volatile.Read(ref _opened)));
        Ask(pool, links[0], 0, 3, step: 8);
        Ask(pool, links[1], 1, 3, step: 6);
        Ask(pool, links[1], 1, 1, step: 5);
        Assert.Equal([7, 5, 6, 6, 6, 8, 8, 8], MakeAndSend(pool, 8, links).Select(made => made.Step));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(32)]
    public void Decoders_and_clips_in_hand_are_as_many_however_many_trainers_there_are(int trainers)
    {
        IActorRef pool = Start(decoders: 2);
        TestProbe[] links = [.. Enumerable.Range(0, trainers).Select(_ => Join(pool))];
        for (int link = 0; link < trainers; link++) Ask(pool, links[link], link, 16);
        _allowed.Release(500);                                       // and nothing is sent
        int most = 4 * 2;                                            // four for each decoder, of which one link may have half
        for (int made = 0; made < (trainers == 1 ? most / 2 : most); made++) Made();
        _outlet.ExpectNoMsg(100);
        Assert.Equal(2, _opened);
    }

    [Fact]
    public void Link_whose_trainer_takes_nothing_leaves_all_decoders_to_the_others()
    {
        IActorRef pool = Start(decoders: 2);
        TestProbe[] links = [Join(pool), Join(pool)];
        Ask(pool, links[0], 0, 50);
        _allowed.Release(4);
        for (int made = 0; made < 4; made++) Assert.Equal(0, Made().Row);      // never sent
        Ask(pool, links[1], 1, 20);
        AwaitAssert(() => Assert.Equal(0, _allowed.CurrentCount));
        Assert.All(MakeAndSend(pool, 20, links), made => Assert.Equal(1, made.Row));
    }

    [Fact]
    public void Link_that_ends_gives_its_room_to_the_others_and_what_it_asked_for_is_not_made()
    {
        IActorRef pool = Start(decoders: 1);
        TestProbe[] links = [Join(pool), Join(pool)];
        Ask(pool, links[0], 0, 10);
        _allowed.Release(2);
        for (int made = 0; made < 2; made++) Made();
        Sys.Stop(links[0]);
        ExpectTerminatedOf(links[0]);
        Ask(pool, links[1], 1, 6);
        Assert.All(MakeAndSend(pool, 6, links), made => Assert.Equal(1, made.Row));
    }

    private void ExpectTerminatedOf(TestProbe link)
    {
        Watch(link);
        ExpectTerminated(link);
    }

    [Fact]
    public void Decoder_that_dies_is_replaced_and_its_clip_told_of_to_the_link_that_asked()
    {
        _before = static request =>
        {
            if (request.Row == 0) throw new InvalidOperationException("injected");
        };
        IActorRef pool = Start(decoders: 1);
        TestProbe[] links = [Join(pool), Join(pool)];
        Ask(pool, links[0], 0, 1);
        _allowed.Release();
        Assert.Equal(Clip(0), links[0].ExpectMsg<DecoderPool.DecoderDied>().Request);
        Ask(pool, links[1], 1, 1);
        MakeAndSend(pool, 1, links);
        Assert.Equal(2, _opened);
    }

    [Fact]
    public void Clip_that_cannot_be_made_is_told_of_and_takes_no_room()
    {
        _before = static request => throw new UnreadableClipException(RejectReason.Corrupt, "a.mp4", "injected");
        IActorRef pool = Start(decoders: 1);
        TestProbe link = Join(pool);
        Ask(pool, link, 0, 10);
        _allowed.Release(10);
        for (int slot = 0; slot < 10; slot++)
            Assert.Equal(Clip(0, slot: slot), link.ExpectMsg<ClipCoordinator.ClipRejected>().Rejection.Request);
    }

    [Fact]
    public void Decoders_that_keep_dying_end_the_pool()
    {
        _before = static _ => throw new InvalidOperationException("injected");
        IActorRef pool = Start(decoders: 1);
        _parent.Watch(pool);
        TestProbe link = Join(pool);
        Ask(pool, link, 0, 3);
        _allowed.Release(3);
        _parent.ExpectTerminated(pool);
    }

    [Fact]
    public void Every_second_each_link_is_told_what_was_done_for_it()
    {
        IActorRef pool = Start(decoders: 2);
        TestProbe[] links = [CreateTestProbe(), CreateTestProbe()];
        foreach (TestProbe link in links) pool.Tell(new DecoderPool.Join(_outlet, new DecodeMeter()), link);
        Ask(pool, links[0], 0, 3);
        MakeAndSend(pool, 3, links);
        Assert.Equal(3, links[0].FishForMessage<DecoderPool.Worked>(worked => worked.Load.Clips > 0).Load.Clips);
        Assert.Equal(0, links[1].ExpectMsg<DecoderPool.Worked>().Load.Clips);
    }
}
