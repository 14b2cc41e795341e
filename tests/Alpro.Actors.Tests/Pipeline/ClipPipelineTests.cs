using System.Threading.Channels;
using Akka.Actor;
using Akka.Configuration;
using Akka.TestKit.Xunit2;
using Alpro.Actors.Pipeline;
using Alpro.Data.Batches;
using Alpro.Data.Clips;
using Alpro.Data.Sampling;

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
            var clip = new Clip(request, _clips.Frames, _clips.Size, _clips.TextLength) { Key = $"row {request.Row}" };
            SeededRandom random = new(request.Seed);
            foreach (ref byte pixel in clip.Pixels_THWC) pixel = (byte)random.NextUInt64();
            return clip;
        }

        public void Dispose() { }
    }

    private ActorSettings Settings(int decoders) => ActorSettings.From(ConfigurationFactory.ParseString(File.ReadAllText(Path.Combine(Locations.Root, "hocon", "alpro.conf")))) with
    {
        Decoders = decoders,
        MaxDecoderDeathsPerMinute = 10_000,
    };

    private (IActorRef Pipeline, ChannelReader<ClipBatch> Batches) Start(IClipPlan plan, long steps, ActorSettings settings, Action<ClipRequest> before, double maxRejected = 0.2, long first = 0)
    {
        Channel<ClipBatch> batches = Channel.CreateBounded<ClipBatch>(2);
        var bounds = new ClipCoordinator.Bounds(maxRejected, 100);
        Props coordinator = Props.Create(() => new ClipCoordinator(plan, _clips, first, steps, bounds, settings, _ledger, batches.Writer, TimeProvider.System));
        Func<IClipSource> open = () => new FakeSource(before);
        return (Sys.ActorOf(Props.Create(() => new ClipPipeline(coordinator, open, settings, batches.Writer, TimeProvider.System))), batches.Reader);
    }

    private static async Task<List<string>> ReadAsync(ChannelReader<ClipBatch> batches)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var read = new List<string>();
        await foreach (ClipBatch batch in batches.ReadAllAsync(deadline.Token))
            using (batch) read.Add($"{batch.Step}: {string.Join(",", batch.Keys)} {Convert.ToHexString(System.IO.Hashing.XxHash64.Hash(batch.Pixels_BTHWC))}");
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
        (IActorRef pipeline, ChannelReader<ClipBatch> batches) = Start(_plan, Steps, Settings(3) with { AttemptsPerClip = int.MaxValue }, static _ => { });
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
        LedgerTotals totals;
        using (var list = new RejectionList(file, append: false, warn: static _ => { }))
        {
            var ledger = new ClipLedger(list.Add);
            Channel<ClipBatch> batches = Channel.CreateBounded<ClipBatch>(2);
            ActorSettings settings = Settings(2);
            Props coordinator = Props.Create(() => new ClipCoordinator(plan, _clips, 0, plan.StepsPerEpoch, new(0.15, 10_000), settings, ledger, batches.Writer, TimeProvider.System));
            Func<IClipSource> open = () => new FakeSource(static request =>
            {
                if (request.Row % 10 == 3) throw new UnreadableClipException(RejectReason.Corrupt, $"row{request.Row}.mp4", "injected, with a \"quote\"");
            });
            Sys.ActorOf(Props.Create(() => new ClipPipeline(coordinator, open, settings, batches.Writer, TimeProvider.System)));
            Assert.Equal(2_500, (await ReadAsync(batches.Reader)).Count);
            totals = ledger.Totals(plan.TailBefore(plan.StepsPerEpoch));
        }
        Assert.Equal(10_000, totals.Delivered);
        Assert.True(totals.Rejected >= 1_000);
        Assert.Equal(0, totals.InHand);
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
        ClipLedger ledger = _ledger;
        SamplingPlan plan = _plan;
        Props coordinator = Props.Create(() => new ClipCoordinator(plan, _clips, 0, 10, new(0.1, 10), settings, ledger, batches.Writer, TimeProvider.System));
        Func<IClipSource> open = () => throw new IOException("no such device");
        Sys.ActorOf(Props.Create(() => new ClipPipeline(coordinator, open, settings, batches.Writer, TimeProvider.System)));
        var failure = await Assert.ThrowsAsync<DecodersDyingException>(() => ReadAsync(batches.Reader));
        Assert.Contains("no such device", failure.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Decoders_do_not_run_beyond_the_window_of_a_reader_that_does_not_read()
    {
        ActorSettings settings = Settings(4) with { Window = 3 };
        long furthest = 0;
        (_, ChannelReader<ClipBatch> batches) = Start(_plan, Steps, settings, request => Interlocked.Exchange(ref furthest, Math.Max(furthest, request.Step)));
        await AwaitConditionAsync(() => Task.FromResult(_ledger.Planned == (2 + 3) * BatchSize), TimeSpan.FromSeconds(20));
        await Task.Delay(200);
        Assert.Equal((2 + 3) * BatchSize, _ledger.Planned);
        Assert.True(furthest < 2 + 3);
        Assert.Equal(Steps, (await ReadAsync(batches)).Count);
    }

    [Fact]
    public async Task In_evaluation_an_unreadable_row_stays_out_of_its_batch()
    {
        var rows = new RowsInOrder([0, 1, 2, 3, 4, 5, 6], batchSize: 3, seed: 0);
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
    public async Task Stream_that_starts_at_a_later_step_gives_the_batches_from_there()
    {
        List<string> all = await UndisturbedAsync();
        Assert.Equal(all[25..], await ReadAsync(Start(_plan, Steps, Settings(3), static _ => { }, first: 25).Batches));
    }
}
