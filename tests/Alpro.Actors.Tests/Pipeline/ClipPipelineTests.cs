using System.Threading.Channels;
using Akka.Actor;
using Akka.Configuration;
using Akka.TestKit.Xunit2;
using Alpro.Actors.Pipeline;
using Alpro.Data.Batches;
using Alpro.Data.Clips;
using Alpro.Data.Media;
using Alpro.Data.Sampling;
using Alpro.Tests.Support.Events;

namespace Alpro.Actors.Tests.Pipeline;

/// <summary>The stream as a whole, with failures injected into its decoders.</summary>
public sealed class ClipPipelineTests() : TestKit(ConfigurationFactory.ParseString("decode-dispatcher { type = PinnedDispatcher }"))
{
    private const int Steps = 40, BatchSize = 4;

    private static readonly ClipSettings _clips = new() { Frames = 1, DecodeSize = 8, Size = 8, TextLength = 4 };
    private readonly SamplingPlan _plan = new([100], BatchSize, seed: 7);
    private readonly ClipLedger _ledger = new();

    /// <summary>Makes clips whose pixels follow from the request alone; a failure may be injected before each.</summary>
    private sealed class FakeSource(Action<ClipRequest> before) : IClipSource
    {
        public Clip Load(ClipRequest request)
        {
            before(request);
            var clip = new Clip(request, new(_clips)) { Key = $"row {request.Row}" };
            SeededRandom random = new(request.Seed);
            foreach (ref byte pixel in clip.Pixels_THWC) pixel = (byte)random.NextUInt64();
            return clip;
        }

        public void Dispose() { }
    }

    private ActorSettings Settings(int decoders) =>
        ActorSettings.From(ConfigurationFactory.ParseString(File.ReadAllText(Path.Combine(Locations.Root, "hocon", "alpro.conf")))) with
    {
        Decoders = decoders,
        MaxDecoderDeathsPerMinute = 10_000,
    };

    private (IActorRef Pipeline, ChannelReader<ClipBatch> Batches) Start(
        IClipPlan plan, long steps, ActorSettings settings, Action<ClipRequest> before, double maxRejected = 0.2, long first = 0,
        TimeProvider? time = null)
    {
        time ??= TimeProvider.System;
        Channel<ClipBatch> batches = Channel.CreateBounded<ClipBatch>(2);
        var job = new PipelineJob(plan, _clips, first, steps, new(maxRejected, 100), _ledger, batches.Writer);
        Func<IClipSource> open = () => new FakeSource(before);
        return (Sys.ActorOf(Props.Create(() => new ClipPipeline(job, open, settings, time))), batches.Reader);
    }

    private static async Task<List<string>> ReadAsync(ChannelReader<ClipBatch> batches)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var read = new List<string>();
        await foreach (ClipBatch batch in batches.ReadAllAsync(deadline.Token))
            using (batch)
                read.Add($"{batch.Step}: {string.Join(",", batch.Keys)} "
                    + $"{Convert.ToHexString(System.IO.Hashing.XxHash64.Hash(batch.Pixels_BTHWC))}");
        return read;
    }

    private async Task<List<string>> UndisturbedAsync() => await ReadAsync(Start(_plan, Steps, Settings(1), static _ => { }).Batches);

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public async Task Number_of_decoders_changes_no_batch(int decoders)
    {
        List<string> one = await UndisturbedAsync();
        Assert.Equal(Steps, one.Count);
        Assert.Equal(one, await ReadAsync(Start(_plan, Steps, Settings(decoders), static _ => { }).Batches));
    }

    [Fact]
    public async Task Decoders_that_die_at_random_change_no_batch_and_lose_no_clip()
    {
        List<string> undisturbed = await UndisturbedAsync();
        int calls = 0;
        var ledger = _ledger.Totals(0);
        // The deaths say nothing of the clips: however many meet the same one, it is no reason to reject it.
        List<string> disturbed = await ReadAsync(Start(_plan, Steps, Settings(3) with { AttemptsPerClip = int.MaxValue }, _ =>
        {
            if (Interlocked.Increment(ref calls) % 7 == 0) throw new AccessViolationException("injected");
        }).Batches);
        Assert.Equal(undisturbed, disturbed);
        LedgerTotals totals = _ledger.Totals(0);
        Assert.Equal(0, totals.InHand);
        Assert.Equal(ledger.Delivered + Steps * BatchSize, totals.Delivered);
        Assert.True(totals.Redelivered > 10);
    }

    [Fact]
    public async Task Killed_decoders_change_no_batch()
    {
        List<string> undisturbed = await UndisturbedAsync();
        (IActorRef pipeline, ChannelReader<ClipBatch> batches) = Start(_plan, Steps, Settings(3) with { AttemptsPerClip = int.MaxValue },
            static _ => { });
        using var stop = new CancellationTokenSource();
        Task killing = Task.Run(async () =>
        {
            for (int victim = 0; !stop.IsCancellationRequested; victim++)
            {
                Sys.ActorSelection($"{pipeline.Path}/decoder-{victim}").Tell(Kill.Instance);
                await Task.Delay(2, CancellationToken.None);
            }
        });
        List<string> disturbed = await ReadAsync(batches);
        stop.Cancel();
        await killing;
        Assert.Equal(undisturbed, disturbed);
        Assert.Equal(0, _ledger.Totals(0).InHand);
    }

    [Fact]
    public async Task A_decoder_that_dies_while_it_waits_is_given_no_clip()
    {
        List<string> undisturbed = await UndisturbedAsync();
        (IActorRef pipeline, ChannelReader<ClipBatch> batches) = Start(_plan, Steps, Settings(3), static _ => { });
        await Task.Delay(500);                                       // nobody reads: the window is full, and all three wait
        for (int victim = 0; victim < 3; victim++) Sys.ActorSelection($"{pipeline.Path}/decoder-{victim}").Tell(Kill.Instance);
        await Task.Delay(500);                                       // known to be dead before there is work again
        Assert.Equal(undisturbed, await ReadAsync(batches));
    }

    [Fact]
    public async Task Unreadable_clips_are_counted_and_replaced_and_shift_no_other()
    {
        List<string> undisturbed = await UndisturbedAsync();
        long delivered = _ledger.Totals(0).Delivered;
        List<string> disturbed = await ReadAsync(Start(_plan, Steps, Settings(2), static request =>
        {
            if (request.Row % 10 == 3) throw new UnreadableClipException(RejectReason.Corrupt, $"row {request.Row}", "injected");
        }).Batches);
        LedgerTotals totals = _ledger.Totals(0);
        Assert.Equal(Steps, disturbed.Count);
        Assert.True(totals.Rejected > 0);
        Assert.Equal(totals.Rejected, totals.Reasons[RejectReason.Corrupt]);
        Assert.Equal(0, totals.InHand);
        Assert.Equal(Steps * BatchSize, totals.Delivered - delivered);
        for (int step = 0; step < Steps; step++)
        {
            string[] planned = Keys(undisturbed[step]), got = Keys(disturbed[step]);
            for (int slot = 0; slot < BatchSize; slot++)
                if (!planned[slot].EndsWith('3')) Assert.Equal(planned[slot], got[slot]);
                else Assert.NotEqual(planned[slot], got[slot]);
        }

        static string[] Keys(string line) => line[(line.IndexOf(": ", StringComparison.Ordinal) + 2)..line.LastIndexOf(' ')].Split(',');
    }

    [Fact]
    public async Task Thousand_corrupt_files_among_ten_thousand_are_each_listed_and_the_accounts_add_up()
    {
        using var folder = new TemporaryFolder();
        string file = folder.File("unreadable.csv");
        var plan = new SamplingPlan([10_000], BatchSize, seed: 9);
        using var log = new EventCollector();
        LedgerTotals totals;
        using (var list = new RejectionList(file, ["films"], append: false, log))
        {
            var ledger = new ClipLedger(list.Add);
            Channel<ClipBatch> batches = Channel.CreateBounded<ClipBatch>(2);
            ActorSettings settings = Settings(2);
            var job = new PipelineJob(plan, _clips, 0, plan.StepsPerEpoch, new(0.15, 10_000), ledger, batches.Writer);
            Func<IClipSource> open = () => new FakeSource(static request =>
            {
                if (request.Row % 10 == 3)
                    throw new UnreadableClipException(RejectReason.Corrupt, $"row{request.Row}.mp4", "injected, with a \"quote\"");
            });
            Sys.ActorOf(Props.Create(() => new ClipPipeline(job, open, settings, TimeProvider.System)));
            Assert.Equal(2_500, (await ReadAsync(batches.Reader)).Count);
            totals = ledger.Totals(plan.TailBefore(plan.StepsPerEpoch));
        }
        Assert.Equal(10_000, totals.Delivered);
        Assert.True(totals.Rejected >= 1_000);
        Assert.Equal(0, totals.InHand);
        Assert.Equal(nameof(ActorEvents.ClipUnreadable), Assert.Single(log.Events).Name);      // the first alone is named
        string[] rows = [.. File.ReadLines(file).Skip(1)];
        Assert.Equal(totals.Rejected, rows.Length);
        Assert.Equal(1_000, rows.Select(row => row.Split(',')[1]).Distinct().Count(row => row.EndsWith('3')));
        Assert.All(rows, row => Assert.Contains("injected, with a \"\"quote\"\"\"", row, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Too_many_unreadable_clips_end_the_stream_where_the_batch_was_expected()
    {
        var failure = await Assert.ThrowsAsync<TooManyRejectedException>(() => ReadAsync(Start(_plan, Steps, Settings(2), static request =>
            throw new UnreadableClipException(RejectReason.Empty, $"row {request.Row}", "injected"), maxRejected: 0.05).Batches));
        Assert.Contains("maxRejectedFraction = 0.05", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Corpus_that_goes_away_after_many_epochs_ends_the_stream_within_a_window()
    {
        int rejected = 0;
        // The window is an epoch of 100 clips: 5 of them may be unreadable, and four standard deviations more.
        await Assert.ThrowsAsync<TooManyRejectedException>(() => ReadAsync(Start(_plan, 1000, Settings(2), request =>
        {
            if (request.Step < 500) return;
            Interlocked.Increment(ref rejected);
            throw new UnreadableClipException(RejectReason.Missing, $"row {request.Row}", "injected");
        }, maxRejected: 0.05).Batches));
        Assert.InRange(rejected, 14, 20);
    }

    [Fact]
    public async Task Corpus_with_as_many_unreadable_clips_as_are_allowed_is_read_for_ever()
    {
        Assert.Equal(2000, (await ReadAsync(Start(_plan, 2000, Settings(2), static request =>
        {
            if (request.Row % 20 == 3) throw new UnreadableClipException(RejectReason.Corrupt, $"row {request.Row}", "injected");
        }, maxRejected: 0.05).Batches)).Count);
    }

    [Fact]
    public void Accounts_go_on_over_streams_and_what_one_had_in_hand_is_planned_again()
    {
        for (int clip = 0; clip < 10; clip++) _ledger.Plan();
        _ledger.Deliver(6);
        _ledger.Reject(new(new(0, 0, 0, 0, 0, 0), "a.mp4", RejectReason.Corrupt, "injected"));
        Assert.Equal(3, _ledger.Totals(0).InHand);
        _ledger.TakeBack();
        LedgerTotals totals = _ledger.Totals(0);
        Assert.Equal((7, 6, 1, 0), (totals.Planned, totals.Delivered, totals.Rejected, totals.InHand));
    }

    [Fact]
    public async Task Clip_that_kills_every_decoder_is_rejected_after_its_attempts()
    {
        long poison = _plan.Request(3, 1).Row;
        await ReadAsync(Start(_plan, 10, Settings(2), request =>
        {
            if (request.Row == poison) throw new InvalidOperationException("injected");
        }).Batches);
        LedgerTotals totals = _ledger.Totals(0);
        Assert.Equal(1, totals.Reasons[RejectReason.DecoderDied]);
        Assert.Equal(2, totals.Redelivered);
        Assert.Equal(0, totals.InHand);
    }

    [Fact]
    public async Task Decoders_that_cannot_start_end_the_stream_with_the_cause()
    {
        Channel<ClipBatch> batches = Channel.CreateBounded<ClipBatch>(2);
        ActorSettings settings = Settings(2) with { MaxDecoderDeathsPerMinute = 5 };
        var job = new PipelineJob(_plan, _clips, 0, 10, new(0.1, 10), _ledger, batches.Writer);
        Func<IClipSource> open = () => throw new IOException("no such device");
        Sys.ActorOf(Props.Create(() => new ClipPipeline(job, open, settings, TimeProvider.System)));
        var failure = await Assert.ThrowsAsync<DecodersDyingException>(() => ReadAsync(batches.Reader));
        Assert.Contains("no such device", failure.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Decoders_do_not_run_beyond_the_window_of_a_reader_that_does_not_read()
    {
        ActorSettings settings = Settings(4) with { Window = 3 };
        long furthest = 0;
        (_, ChannelReader<ClipBatch> batches) = Start(_plan, Steps, settings,
            request => Interlocked.Exchange(ref furthest, Math.Max(furthest, request.Step)));
        await AwaitConditionAsync(() => Task.FromResult(_ledger.Planned == (2 + 3) * BatchSize), TimeSpan.FromSeconds(20));
        await Task.Delay(200);
        Assert.Equal((2 + 3) * BatchSize, _ledger.Planned);
        Assert.True(furthest < 2 + 3);
        Assert.Equal(Steps, (await ReadAsync(batches)).Count);
    }

    /// <summary>A clock on the wall that is put forward by an hour each time that somebody looks.</summary>
    private sealed class JumpingClock : TimeProvider
    {
        private int _looks;

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow().AddHours(Interlocked.Increment(ref _looks));
    }

    [Fact]
    public async Task Clock_that_is_put_forward_takes_no_clip_from_its_decoder()
    {
        ActorSettings settings = Settings(2) with { LeaseTimeout = TimeSpan.FromSeconds(4) };        // looked at every second
        using var delay = new ManualResetEventSlim();
        List<string> read = await ReadAsync(Start(_plan, 3, settings, request =>
        {
            if (request is { Step: 0, Slot: 0 }) delay.Wait(TimeSpan.FromMilliseconds(2500));
        }, time: new JumpingClock()).Batches);
        Assert.Equal(3, read.Count);
        Assert.Equal(0, _ledger.Totals(0).Redelivered);
    }

    [Fact]
    public async Task In_evaluation_an_unreadable_row_stays_out_of_its_batch()
    {
        var rows = new RowsInOrder([0, 1, 2, 3, 4, 5, 6], batchSize: 3, static row => $"video {row}");
        List<string> read = await ReadAsync(Start(rows, rows.Steps, Settings(2), static request =>
        {
            if (request.Row is 1 or 6) throw new UnreadableClipException(RejectReason.Missing, $"row {request.Row}", "injected");
        }, maxRejected: 1).Batches);
        Assert.Equal(2, read.Count);
        Assert.StartsWith("0: row 0,row 2 ", read[0], StringComparison.Ordinal);
        Assert.StartsWith("1: row 3,row 4,row 5 ", read[1], StringComparison.Ordinal);
        Assert.Equal(2, _ledger.Totals(0).Rejected);
        Assert.Equal(0, _ledger.Totals(0).InHand);
    }

    [Fact]
    public async Task In_evaluation_a_clip_is_the_same_wherever_its_row_stands()
    {
        Assert.Equal(new RowsInOrder([3, 7], batchSize: 2, static row => $"video {row}").Request(0, 1).Seed,
            new RowsInOrder([0], batchSize: 1, static _ => "video 7").Request(0, 0).Seed);
        List<string> one = await ReadAsync(Start(new RowsInOrder([3], 1, static _ => "a"), 1, Settings(1), static _ => { }).Batches);
        List<string> other = await ReadAsync(Start(new RowsInOrder([3], 1, static _ => "b"), 1, Settings(1), static _ => { }).Batches);
        Assert.NotEqual(one, other);
    }

    [Fact]
    public async Task In_evaluation_a_clip_that_comes_after_it_was_given_up_stays_out_and_its_batch_waits_for_the_others()
    {
        var rows = new RowsInOrder([0, 1, 2], batchSize: 3, static row => $"video {row}");
        Channel<ClipBatch> batches = Channel.CreateBounded<ClipBatch>(2);
        var job = new PipelineJob(rows, _clips, 0, rows.Steps, new(1, 0), _ledger, batches.Writer);
        IActorRef collator = Sys.ActorOf(Props.Create(() => new BatchCollator(job)));
        using var source = new FakeSource(static _ => { });
        collator.Tell(new BatchCollator.PlaceEmpty(rows.Request(0, 0)));
        foreach (int place in (int[])[1, 0, 2]) collator.Tell(new BatchCollator.ClipDecoded(source.Load(rows.Request(0, place))));
        collator.Tell(new BatchCollator.PlaceEmpty(rows.Request(0, 1)));       // too late
        Assert.StartsWith("0: row 1,row 2 ", Assert.Single(await ReadAsync(batches.Reader)), StringComparison.Ordinal);
        Assert.Equal((2L, 1L), (_ledger.Totals(0).Delivered, _ledger.Totals(0).Duplicates));
    }

    [Fact]
    public async Task Stream_that_starts_at_a_later_step_gives_the_batches_from_there()
    {
        List<string> all = await UndisturbedAsync();
        Assert.Equal(all[25..], await ReadAsync(Start(_plan, Steps, Settings(3), static _ => { }, first: 25).Batches));
    }
}
