using Alpro.Actors.Hosting;
using Alpro.Training.Checkpoints;
using Alpro.Training.Records;

namespace Alpro.Web.Tests;

public sealed class RunHealthTests
{
    private sealed class SetClock : TimeProvider
    {
        private long _now;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _now;

        public void Pass(double seconds) => _now += (long)(seconds * TimestampFrequency);
    }

    private readonly SetClock _clock = new();
    private readonly RunHealth _status;
    private readonly TrainingRun _run;
    private readonly List<string> _told = [];

    public RunHealthTests()
    {
        _status = new(trains: true, _clock);
        _run = _status.Watch(new TrainingRun(null!, new("run"), Resume: false)
        {
            Started = (state, _) => _told.Add($"started {state.Step}"),
            Trained = record => _told.Add($"trained {record.Step}"),
            Validating = step => _told.Add($"validating {step}"),
        });
    }

    private static StepRecord Step(long step, double ms = 100) => new()
    {
        Step = step,
        Epoch = 0,
        Corpus = 0,
        Clips = "",
        Loss = 1.5,
        Terms = new Dictionary<string, TermRecord>(),
        LearningRate = 1e-4,
        GradientNorm = 1,
        StepMs = ms,
        ClipsPerSecond = 40,
        WaitShare = 0.25,
    };

    private void Start(long total = 100) => _run.Started(new TrainState { TotalSteps = total, StepsPerEpoch = total }, []);

    [Fact]
    public void Run_is_ready_when_its_first_step_has_begun()
    {
        Assert.False(_status.Readiness().IsTrue);
        Assert.True(_status.Health().IsTrue);
        Start();
        Assert.True(_status.Readiness().IsTrue);
        Assert.True(_status.Health().IsTrue);
    }

    [Fact]
    public void Report_is_what_the_run_was_last_judged_to_be()
    {
        Start();
        Assert.Equal((0, 100, FindingKind.TooEarly), (_status.Report().Step, _status.Report().TotalSteps, _status.Report().Verdict.Kind));
        RunStatus judged = RunStatus.NotBegun(DateTimeOffset.UnixEpoch, 100) with { Step = 7 };
        _run.Judged(judged);
        Assert.Same(judged, _status.Report());
    }

    [Fact]
    public void Report_of_a_run_that_others_write_down_is_what_they_wrote_since_this_process_began()
    {
        using var folder = new TemporaryFolder();
        var run = new TrainingRun(null!, new(folder.Path), Resume: true) { Began = DateTimeOffset.UnixEpoch.AddHours(1) };
        _status.Watch(run);
        RunStatus before = RunStatus.NotBegun(run.Began.AddSeconds(-1), 100) with { Step = 7 };
        before.Write(run.Folder);
        Assert.Equal(0, _status.Report().Step);
        (before with { Time = run.Began.AddSeconds(1) }).Write(run.Folder);
        Assert.Equal(7, _status.Report().Step);
    }

    [Fact]
    public void Trainer_that_makes_no_step_for_ten_times_its_slowest_is_not_healthy_until_it_makes_one()
    {
        Start();
        _run.Trained(Step(0, ms: 2_000));
        _run.Trained(Step(1, ms: 9_000));
        _clock.Pass(90);
        Assert.True(_status.Health().IsTrue);
        _clock.Pass(0.1);
        Assert.False(_status.Health().IsTrue);
        Assert.Equal("no step has ended for 90.1 s; 90 s are allowed: 10 times the slowest of the last 2 steps, and 60 s at least",
            _status.Health().Words);
        _run.Trained(Step(2, ms: 99_000));
        Assert.True(_status.Health().IsTrue);
    }

    [Fact]
    public void Fast_steps_allow_a_minute()
    {
        Start();
        _run.Trained(Step(0));
        _clock.Pass(60);
        Assert.True(_status.Health().IsTrue);
        _clock.Pass(0.1);
        Assert.False(_status.Health().IsTrue);
    }

    [Fact]
    public void Validation_and_the_end_may_take_their_time()
    {
        Start(total: 2);
        _run.Trained(Step(0));
        _run.Validating(1);
        _clock.Pass(1_000);
        Assert.Equal(new HealthCheck(true, "it validates after step 1, since 1000.0 s"), _status.Health());
        _run.Trained(Step(1));
        _clock.Pass(1_000);
        Assert.Equal(new HealthCheck(true, "all 2 steps are done"), _status.Health());
    }

    [Fact]
    public void Process_that_does_not_train_says_so()
    {
        var status = new RunHealth(trains: false, _clock);
        Assert.Equal(new HealthCheck(true, "this process does not train"), status.Health());
        Assert.Equal(new HealthCheck(true, "this process does not train"), status.Readiness());
    }

    [Fact]
    public void Others_who_watch_the_run_are_told_too()
    {
        Start();
        _run.Trained(Step(3));
        _run.Validating(4);
        Assert.Equal(["started 0", "trained 3", "validating 4"], _told);
    }
}
