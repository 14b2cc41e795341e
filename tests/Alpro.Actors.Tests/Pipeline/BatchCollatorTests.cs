using System.Threading.Channels;
using Akka.Actor;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using Alpro.Actors.Pipeline;
using Alpro.Data.Batches;
using Alpro.Data.Sampling;

namespace Alpro.Actors.Tests.Pipeline;

/// <summary>How clips become batches, and batches go out.</summary>
public sealed class BatchCollatorTests : TestKit
{
    private const int BatchSize = 2, Steps = 3;

    private readonly SamplingPlan _plan = new([100], BatchSize, seed: 7);
    private readonly ClipLedger _ledger = new();
    private readonly Channel<ClipBatch> _batches = Channel.CreateBounded<ClipBatch>(1);
    private readonly TestProbe _coordinator;
    private readonly IActorRef _collator;

    public BatchCollatorTests()
    {
        var job = new PipelineJob(_plan, TestClips.Settings, FirstStep: 0, EndStep: Steps, new(1, 0), _ledger, _batches.Writer);
        _coordinator = CreateTestProbe();
        _collator = _coordinator.ChildActorOf(Props.Create(() => new BatchCollator(job)));
    }

    private void Give(long step, int slot) => _collator.Tell(new BatchCollator.ClipDecoded(TestClips.Of(_plan.Request(step, slot))));

    private void GiveStep(long step)
    {
        for (int slot = 0; slot < BatchSize; slot++) Give(step, slot);
    }

    private void ExpectFreed(long step) => Assert.Equal(step, _coordinator.ExpectMsg<ClipCoordinator.WindowFreed>().Step);

    private async Task<string[]> ReadAsync(long step)
    {
        using ClipBatch batch = await _batches.Reader.ReadAsync();
        Assert.Equal(step, batch.Step);
        return [.. batch.Keys];
    }

    private string[] Planned(long step) => [.. Enumerable.Range(0, BatchSize).Select(slot => $"row {_plan.Request(step, slot).Row}")];

    [Fact]
    public async Task Batches_go_out_in_the_order_of_their_steps_and_clips_in_their_places_whatever_order_they_arrive_in()
    {
        GiveStep(1);
        Give(0, slot: 1);
        Give(0, slot: 0);
        ExpectFreed(0);
        Assert.Equal(Planned(0), await ReadAsync(0));
        ExpectFreed(1);
        Assert.Equal(Planned(1), await ReadAsync(1));
    }

    [Fact]
    public async Task Full_channel_holds_the_batch_while_later_clips_find_their_places()
    {
        GiveStep(0);
        ExpectFreed(0);
        GiveStep(1);
        GiveStep(2);
        Give(2, slot: 0);                                            // it was taken in: this one is counted as the second
        await AwaitConditionAsync(() => Task.FromResult(_ledger.Totals(0).Duplicates == 1));
        Assert.Equal(BatchSize, _ledger.Totals(0).Delivered);
        await ReadAsync(0);
        ExpectFreed(1);
        await ReadAsync(1);
        ExpectFreed(2);
        await ReadAsync(2);
        await _batches.Reader.Completion;                            // that was the last step
    }

    [Fact]
    public async Task Clip_that_arrives_twice_is_dropped_and_counted()
    {
        Give(0, slot: 0);
        Give(0, slot: 0);
        Give(0, slot: 1);
        ExpectFreed(0);
        Assert.Equal(Planned(0), await ReadAsync(0));
        Assert.Equal((2L, 1L), (_ledger.Totals(0).Delivered, _ledger.Totals(0).Duplicates));
    }

    [Fact]
    public async Task Clip_that_arrives_after_its_batch_has_gone_is_dropped_and_counted()
    {
        GiveStep(0);
        ExpectFreed(0);
        await ReadAsync(0);
        Give(0, slot: 1);
        GiveStep(1);
        ExpectFreed(1);
        Assert.Equal(Planned(1), await ReadAsync(1));
        Assert.Equal(1, _ledger.Totals(0).Duplicates);
    }

    [Fact]
    public void Channel_that_was_closed_ends_no_actor_and_moves_no_window()
    {
        _batches.Writer.Complete(new IOException("injected"));
        GiveStep(0);
        GiveStep(1);
        _coordinator.Watch(_collator);
        Sys.Stop(_collator);
        _coordinator.ExpectTerminated(_collator);                    // the first that it hears
        Assert.Equal(0, _ledger.Totals(0).Delivered);
    }
}
