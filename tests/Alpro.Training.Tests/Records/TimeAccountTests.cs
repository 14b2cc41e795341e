using Alpro.Training.Records;

namespace Alpro.Training.Tests.Records;

/// <summary>Where a run's time goes, and that nothing of it is counted twice or not at all.</summary>
public sealed class TimeAccountTests
{
    private static readonly DateTimeOffset _start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>A clock that stands still until it is put on.</summary>
    private sealed class Clock : TimeProvider
    {
        public TimeSpan Now { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Now.Ticks;

        public override DateTimeOffset GetUtcNow() => _start + Now;
    }

    private readonly Clock _clock = new();

    private void Pass(double seconds) => _clock.Now += TimeSpan.FromSeconds(seconds);

    private static StepRecord Record(long step, double waitSeconds) => new()
    {
        Step = step,
        Epoch = 0,
        Corpus = 0,
        Clips = "",
        Loss = 1,
        Terms = new Dictionary<string, TermRecord>(),
        LearningRate = 0,
        GradientNorm = 0,
        WaitMs = 1000 * waitSeconds,
    };

    private void Train(Timeline timeline, long from, int steps, double seconds = 2, double wait = 0.5)
    {
        for (long step = from; step < from + steps; step++)
        {
            Pass(seconds);
            timeline.Step(Record(step, wait));
        }
    }

    private static void AddsUp(TimeAccount account) => Assert.Equal(account.Seconds, account.Parts.Values.Sum(), 6);

    [Fact]
    public void Time_goes_to_what_went_on_and_what_was_spent_in_it_to_its_own_cause()
    {
        Pass(3);
        var timeline = new Timeline(_start, _clock);
        Pass(2);
        timeline.Turn(TimeCause.Training, step: 0);
        Train(timeline, 0, 3);
        Pass(4);
        timeline.Spend(TimeCause.Validation, 3);
        timeline.Spend(TimeCause.Checkpoint, 0.25);
        Assert.Null(timeline.Turn(TimeCause.Restart));
        Pass(1);
        Assert.Equal((TimeCause.Restart, TimeSpan.FromSeconds(1)), timeline.Turn(TimeCause.Training, step: 3));
        TimeAccount account = TimeAccount.Of(timeline.Take(DateTimeOffset.MinValue))!;
        AddsUp(account);
        Assert.Equal(3 + 2 + 6 + 4 + 1, account.Seconds, 6);
        Assert.Equal(5, account.Parts[TimeCause.StartUp], 6);
        Assert.Equal(1.5, account.Parts[TimeCause.Waiting], 6);
        Assert.Equal(3, account.Parts[TimeCause.Validation], 6);
        Assert.Equal(0.25, account.Parts[TimeCause.Checkpoint], 6);
        Assert.Equal(1, account.Parts[TimeCause.Restart], 6);
        Assert.Equal(6 - 1.5 + 0.75, account.Parts[TimeCause.Training], 6);
        Assert.Equal(account.Parts[TimeCause.Training] / account.Seconds, account.Goodput, 6);
    }

    [Fact]
    public void More_than_there_was_time_for_is_not_counted()
    {
        var timeline = new Timeline(_start, _clock);
        timeline.Turn(TimeCause.Training, step: 0);
        Pass(1);
        timeline.Step(Record(0, waitSeconds: 5));
        timeline.Turn(TimeCause.Restart);
        TimeAccount account = TimeAccount.Of(timeline.Take(DateTimeOffset.MinValue))!;
        AddsUp(account);
        Assert.Equal(1, account.Parts[TimeCause.Waiting], 6);
    }

    [Fact]
    public void Steps_that_were_lost_are_training_done_again_and_the_time_without_a_process_is_its_own()
    {
        var first = new Timeline(_start, _clock);
        first.Turn(TimeCause.Training, step: 0);
        Train(first, 0, 10, seconds: 2, wait: 0);                    // killed after step 10: the last checkpoint is of step 7
        List<Stretch> disk = [.. first.Take(DateTimeOffset.MinValue)];
        Pass(30);
        var second = new Timeline(_start + _clock.Now, _clock);
        Pass(1);
        second.Turn(TimeCause.Training, step: 7);
        Train(second, 7, 5, seconds: 2, wait: 0);
        second.Turn(TimeCause.Checkpoint);
        disk.AddRange(second.Take(disk[^1].Ended));
        TimeAccount account = TimeAccount.Of(disk)!;
        AddsUp(account);
        Assert.Equal(20 + 30 + 1 + 10, account.Seconds, 6);
        Assert.Equal(30, account.Parts[TimeCause.Stopped], 6);
        Assert.Equal(3, account.StepsDoneAgain);
        Assert.Equal(6, account.Parts[TimeCause.DoneAgain], 6);
        Assert.Equal(14 + 10, account.Parts[TimeCause.Training], 6);
    }

    [Fact]
    public void Rank_that_writes_the_run_down_after_another_adds_what_comes_after_the_last_word()
    {
        var writer = new Timeline(_start, _clock);
        var other = new Timeline(_start, _clock);
        foreach (Timeline timeline in new[] { writer, other }) timeline.Turn(TimeCause.Training, step: 0);
        for (long step = 0; step < 4; step++)
        {
            Pass(2);
            foreach (Timeline timeline in new[] { writer, other }) timeline.Step(Record(step, 0));
        }
        List<Stretch> disk = [.. writer.Take(DateTimeOffset.MinValue)];
        other.Turn(TimeCause.RankLost);
        Pass(5);
        other.Turn(TimeCause.Training, step: 4);
        disk.AddRange(other.Take(disk[^1].Ended));
        TimeAccount account = TimeAccount.Of(disk)!;
        AddsUp(account);
        Assert.Equal((13, 5, 8, 0), (account.Seconds, account.Parts[TimeCause.RankLost], account.Parts[TimeCause.Training],
            account.StepsDoneAgain));
    }

    [Fact]
    public void Week_of_steps_has_some_thousand_lines()
    {
        var timeline = new Timeline(_start, _clock);
        timeline.Turn(TimeCause.Training, step: 0);
        int lines = 0;
        for (long step = 0; step < 7 * 24 * 3600; step++)
        {
            Pass(1);
            timeline.Step(Record(step, 0.1));
            if (step % 100 == 0) lines += timeline.Take(DateTimeOffset.MinValue).Count;
        }
        Assert.InRange(lines, 1000, 10_000);
    }

    [Fact]
    public void Timeline_that_is_empty_has_no_account() => Assert.Null(TimeAccount.Of([]));

    [Fact]
    public void Stretch_is_read_as_it_was_written()
    {
        using var folder = new TemporaryFolder();
        var run = new RunFolder(folder.Path);
        var seconds = new Dictionary<TimeCause, double> { [TimeCause.Training] = 1.5, [TimeCause.Waiting] = 0.25 };
        var stretch = new Stretch(_start, 5, 2, seconds);
        using (var log = new RunLog(run, 0, 0))
        {
            log.Add(stretch);
            log.Flush();
        }
        RunLog.AppendTime(run, stretch with { Began = stretch.Ended });
        using (var log = new RunLog(run, 0, 0)) Assert.Equal(_start.AddSeconds(3.5), log.LastTime);
        Assert.Equal(3.5, TimeAccount.Of(run)!.Seconds, 6);
        Assert.Contains("\"Training\":1.5", File.ReadAllText(run.Timeline), StringComparison.Ordinal);
    }
}
