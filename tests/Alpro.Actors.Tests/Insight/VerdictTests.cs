using Alpro.Actors.Insight;
using Alpro.Training.Records;

namespace Alpro.Actors.Tests.Insight;

/// <summary>What the verdict says of measurements: at its thresholds, where causes meet, and where there is little to go by.</summary>
public sealed class VerdictTests
{
    private static StepRecord Step(long step, double waitMs = 0, long rejected = 0, params RankTimes[] ranks) => new()
    {
        Step = step,
        Epoch = 0,
        Corpus = 0,
        Clips = "",
        Loss = 1,
        Terms = new Dictionary<string, TermRecord>(),
        LearningRate = 0,
        GradientNorm = 0,
        StepMs = 100,
        WaitMs = waitMs,
        Rejected = rejected,
        Ranks = ranks.Length == 0 ? null : ranks,
    };

    private static Measurements Window(
        int steps = 20, double waitMs = 0, Func<long, long>? rejected = null, RankTimes[]? ranks = null) => new()
    {
        Seconds = steps * 0.1,
        Steps = [.. Enumerable.Range(0, steps).Select(step => Step(step, waitMs, rejected?.Invoke(step) ?? 0, ranks ?? []))],
        BatchSize = 4,
        Window = 4,
        Cores = 8,
        Decoders = [Node(Measurements.Here, steps * 0.1, 2)],
    };

    /// <summary>A node whose decoders are busy for a share of the time, of which they run a share.</summary>
    private static NodeLoad Node(string name, double seconds, int decoders, double busy = 1, double running = 1, double sending = 0,
        long clips = 80) => new(name, decoders,
            new(clips, busy * decoders * seconds, running * busy * decoders * seconds, 0, sending * seconds));

    private static FindingKind Of(Measurements window) => Verdict.Of(window).Kind;

    [Theory]
    [InlineData(0, FindingKind.Healthy)]
    [InlineData(9.9, FindingKind.Healthy)]
    [InlineData(10, FindingKind.TooFewDecoders)]
    [InlineData(100, FindingKind.TooFewDecoders)]
    public void Waiting_is_worth_a_word_from_a_tenth_of_the_step_on(double waitMs, FindingKind kind) =>
        Assert.Equal(kind, Of(Window(waitMs: waitMs)));

    [Fact]
    public void Batch_that_was_there_is_not_waited_for()
    {
        Measurements window = Window(waitMs: 50);
        Assert.Equal(FindingKind.Healthy, Of(window with { Steps = [.. window.Steps.Select(step => step with { QueueDepth = 1 })] }));
    }

    [Fact]
    public void Node_that_does_little_is_slow_for_nobody() => Assert.Equal(FindingKind.WindowTooSmall,
        Of(Window(waitMs: 50) with { Decoders = [Node("a:1", 2, 2, busy: 0.1), Node("b:1", 2, 2, busy: 0.1, clips: 20)] }));

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    public void Of_few_steps_nothing_is_said(int steps) => Assert.Equal(FindingKind.TooEarly, Of(Window(steps, waitMs: 90)));

    [Fact]
    public void Sentence_has_the_evidence_and_the_remedy()
    {
        Finding finding = Verdict.Of(Window(waitMs: 31) with { Decoders = [Node(Measurements.Here, 2, 2, clips: 48)] });
        Assert.Equal("Training waits 31 % of each step for clips: 2 decoders make 24 clips/s, the step takes 58. "
            + "Add decode nodes, or pack the corpus.", finding.ToString());
        Finding rank = Verdict.Of(Window(ranks: [new(50, 0), new(50, 0), new(50, 0), new(62, 0)]) with { Ranks = ["a", "a", "a", "b"] });
        Assert.Equal("Rank 3 is 24 % slower than the others: b. See what else runs there, or go on without it.", rank.ToString());
    }

    [Theory]
    [InlineData(0.49, FindingKind.TooFewDecoders)]
    [InlineData(0.51, FindingKind.SlowDisk)]
    public void Decoders_that_mostly_wait_for_files_have_a_slow_disk(double blocked, FindingKind kind) =>
        Assert.Equal(kind, Of(Window(waitMs: 50) with { Decoders = [Node(Measurements.Here, 2, 2, running: 1 - blocked)] }));

    /// <summary>Media in a store: two decoders have eight clips in hand, most of which are fetched.</summary>
    [Theory]
    [InlineData(1.9, FindingKind.TooFewDecoders)]
    [InlineData(0.5, FindingKind.SlowDisk)]
    public void Clips_that_are_fetched_while_all_processors_compute_are_not_waited_for(double running, FindingKind kind)
    {
        Measurements window = Window(waitMs: 50);
        NodeLoad stored = new(Measurements.Here, 2, new(80, 8 * window.Seconds, running * window.Seconds, 0, 0));
        Assert.Equal(kind, Of(window with { Decoders = [stored] }));
    }

    [Theory]
    [InlineData(0.59, FindingKind.SlowNetwork)]
    [InlineData(0.61, FindingKind.TooFewDecoders)]
    public void Node_that_sends_all_the_time_and_computes_as_much_has_no_slow_network(double busy, FindingKind kind) =>
        Assert.Equal(kind, Of(Window(waitMs: 50) with { Decoders = [Node("b:1", 2, 2, busy, sending: 0.9)] }));

    [Fact]
    public void Decoders_in_child_processes_are_not_said_to_wait_for_files() => Assert.Equal(FindingKind.TooFewDecoders,
        Of(Window(waitMs: 50) with { Decoders = [Node(Measurements.Here, 2, 2, running: 0.1)], Isolated = true }));

    [Theory]
    [InlineData(0.59, FindingKind.WindowTooSmall)]
    [InlineData(0.61, FindingKind.TooFewDecoders)]
    public void Decoders_that_stand_idle_while_training_waits_have_a_window_too_small(double busy, FindingKind kind) =>
        Assert.Equal(kind, Of(Window(waitMs: 50) with { Decoders = [Node(Measurements.Here, 2, 2, busy)] }));

    [Theory]
    [InlineData(0.49, FindingKind.WindowTooSmall)]
    [InlineData(0.51, FindingKind.SlowNetwork)]
    public void Node_that_mostly_sends_has_a_slow_network(double sending, FindingKind kind) =>
        Assert.Equal(kind, Of(Window(waitMs: 50) with { Decoders = [Node("b:1", 2, 2, busy: 0.2, sending: sending)] }));

    [Theory]
    [InlineData(1.4, FindingKind.TooFewDecoders)]
    [InlineData(1.6, FindingKind.SlowDecodeNode)]
    public void Node_that_takes_much_longer_for_a_clip_than_the_others_is_slow(double times, FindingKind kind)
    {
        NodeLoad sound = Node("a:1", 2, 2), slow = Node("b:1", 2, 2);
        slow = slow with { Load = slow.Load with { Clips = (long)(slow.Load.Clips / times) } };
        Finding finding = Verdict.Of(Window(waitMs: 50) with { Decoders = [sound, slow] });
        Assert.Equal(kind, finding.Kind);
        if (kind == FindingKind.SlowDecodeNode) Assert.Contains("decode node b:1", finding.Sentence, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1.14, FindingKind.Healthy)]
    [InlineData(1.3, FindingKind.SlowRank)]
    public void Rank_that_is_slower_than_the_others_is_named(double times, FindingKind kind) =>
        Assert.Equal(kind, Of(Window(ranks: [new(60, 0), new(60, 0), new(60 * times, 0)])));

    [Fact]
    public void Rank_that_waits_for_its_clips_is_named_whoever_writes_the_run_down()
    {
        Finding finding = Verdict.Of(Window(ranks: [new(60, 0), new(60, 35)]) with { Ranks = ["a:1", "b:1"] });
        Assert.Equal((FindingKind.TooFewDecoders, "Training waits 35 % of each step for clips of rank 1: b:1."),
            (finding.Kind, finding.Sentence));
    }

    [Theory]
    [InlineData(4, FindingKind.TooFewDecoders)]
    [InlineData(16, FindingKind.OverCommitted)]
    public void Threads_that_want_more_processors_than_there_are_crowd_each_other(int decoders, FindingKind kind) =>
        Assert.Equal(kind, Of(Window(waitMs: 50) with { Decoders = [Node(Measurements.Here, 2, decoders)] }));

    [Fact]
    public void Crowd_that_slows_the_steps_alone_is_seen_too() =>
        Assert.Equal(FindingKind.OverCommitted, Of(Window() with { Decoders = [Node(Measurements.Here, 2, 16)] }));

    [Fact]
    public void Decoders_of_other_hosts_crowd_nobody_here() =>
        Assert.Equal(FindingKind.TooFewDecoders, Of(Window(waitMs: 50) with { Decoders = [Node("b:1", 2, 64)] }));

    [Fact]
    public void Unreadable_files_come_before_all_else() =>
        Assert.Equal(FindingKind.UnreadableStorm, Of(Window(waitMs: 90, rejected: step => step) with { CheckpointSeconds = 1.9 }));

    [Fact]
    public void Of_two_causes_the_one_that_costs_more_is_named_and_of_equal_ones_the_checkpoints()
    {
        Assert.Equal(FindingKind.SlowCheckpoints, Of(Window(waitMs: 30) with { CheckpointSeconds = 0.8 }));
        Assert.Equal(FindingKind.TooFewDecoders, Of(Window(waitMs: 50) with { CheckpointSeconds = 0.8 }));
        Assert.Equal(FindingKind.SlowCheckpoints, Of(Window(waitMs: 50) with { CheckpointSeconds = 1 }));
    }

    [Fact]
    public void Run_for_which_nobody_makes_clips_says_so() =>
        Assert.Contains("nobody makes any", Verdict.Of(Window(waitMs: 99) with { Decoders = [] }).Sentence, StringComparison.Ordinal);
}
