using System.Threading.Channels;
using Akka.Actor;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using Alpro.Actors.Pipeline;
using Alpro.Data.Batches;
using Alpro.Data.Sampling;

namespace Alpro.Actors.Tests.Pipeline;

/// <summary>Who is given a clip, and when, by a clock that passes when a test lets it.</summary>
public sealed class ClipCoordinatorTests() : TestKit("akka.scheduler.implementation = \"Akka.TestKit.TestScheduler, Akka.TestKit\"")
{
    private static readonly TimeSpan _soon = TimeSpan.FromSeconds(20), _pause = TimeSpan.FromSeconds(1);

    [Fact]
    public void Clip_does_not_pass_through_many_decoders_that_are_lost_together()
    {
        var ledger = new ClipLedger();
        Channel<ClipBatch> batches = Channel.CreateUnbounded<ClipBatch>();
        var job = new PipelineJob(new SamplingPlan([1], batchSize: 1, seed: 1), TestClips.Settings, 0, 1, new(1, 100), ledger,
            batches.Writer);
        ActorSettings settings = TestClips.Running with { AttemptsPerClip = 10 };
        TimeProvider time = TimeProvider.System;
        IActorRef coordinator = Sys.ActorOf(Props.Create(() => new ClipCoordinator(job, settings, time)));
        TestProbe[] decoders = [.. Enumerable.Range(0, 3).Select(_ => CreateTestProbe())];
        foreach (TestProbe decoder in decoders) coordinator.Tell(ClipCoordinator.RequestClip.Instance, decoder.Ref);
        for (int lost = 0; lost < 2; lost++)
        {
            decoders[lost].ExpectMsg<ClipDecoder.Decode>(_soon);     // the second as soon as the first is lost
            Sys.Stop(decoders[lost].Ref);
        }
        Assert.True(SpinWait.SpinUntil(() => ledger.Totals(0).Redelivered == 2, _soon));
        coordinator.Tell(new Identify(0), TestActor);
        ExpectMsg<ActorIdentity>(_soon);                             // it has done with the second loss
        decoders[2].ExpectNoMsg(TimeSpan.Zero);                      // it may be about to be lost too
        ((TestScheduler)Sys.Scheduler).Advance(_pause);
        decoders[2].ExpectMsg<ClipDecoder.Decode>(_soon);
    }
}
