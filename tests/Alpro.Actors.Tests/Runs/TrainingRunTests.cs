using System.Diagnostics;
using System.Runtime.InteropServices;
using Akka.Actor;
using Alpro.Actors.Distributed.Groups;
using Alpro.Actors.Hosting;
using Alpro.Actors.Runs;
using Alpro.Data;
using Alpro.Data.Clips;
using Alpro.Data.Corpora;
using Alpro.Data.Sampling;
using Alpro.Model;
using Alpro.Model.Checkpoints;
using Alpro.Tests.Support.Events;
using Alpro.Tests.Support.Runs;
using Alpro.Training;
using Alpro.Training.Checkpoints;
using Alpro.Training.Configuration;
using Alpro.Training.Records;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Tests.Runs;

/// <summary>Whole runs on a small synthetic world: actors, decoding, model, checkpoints.</summary>
public sealed class TrainingRunTests : IClassFixture<SmallWorld>, IDisposable
{
    private readonly SmallWorld _world;
    private readonly TemporaryFolder _out = new();

    public TrainingRunTests(SmallWorld world) => _world = world;

    public void Dispose() => _out.Dispose();

    private RunConfig Config(int steps, string? csv = null, params string[] settings)
    {
        SmallRun.Write(_out.File("config.json"), _world.Folder.Path, steps, csv);
        return ConfigLoader.Load(_out.File("config.json"), settings);
    }

    private Task<RunResult> TrainAsync(RunConfig config, string folder, int decoders = 1, bool resume = false,
        Action<StepRecord>? stepped = null,
        ILoggerFactory? log = null, Func<RunHost, CancellationToken, Task>? disturb = null, int attempts = 3,
        CancellationToken stop = default) =>
        SmallRun.TrainAsync(config, _out.File(folder), decoders, resume, stepped, log, disturb, attempts, places: null, watched: null, stop);

    private string WithUnreadable() => SmallRun.WithUnreadable(_world.Folder.Path, _out.File("some-bad.csv"));

    private double[] Losses(string folder) => !File.Exists(new RunFolder(_out.File(folder)).Steps) ? []
        : [.. RunLog.Read<StepRecord>(new RunFolder(_out.File(folder)).Steps).Select(record => record.Loss)];

    [Fact]
    public async Task Decoders_one_two_or_four_give_the_same_loss_at_every_step()
    {
        RunConfig config = Config(steps: 12);
        RunResult result = await TrainAsync(config, "one", decoders: 1);
        await TrainAsync(config, "two", decoders: 2);
        await TrainAsync(config, "four", decoders: 4);
        Assert.True(result.Completed);
        Assert.Equal(0, result.Ledger.InHand);
        Assert.Equal(12 * 4, result.Ledger.Delivered);
        double[] losses = Losses("one");
        Assert.Equal(12, losses.Length);
        Assert.Equal(losses, Losses("two"));
        Assert.Equal(losses, Losses("four"));
    }

    [Fact]
    public async Task Run_that_was_stopped_and_resumed_gives_the_losses_weights_and_accounts_of_one_that_was_not()
    {
        RunConfig config = Config(steps: 12, WithUnreadable());
        RunResult whole = await TrainAsync(config, "whole");
        using var stop = new CancellationTokenSource();
        RunResult first = await TrainAsync(config, "parts", stop: stop.Token, stepped: record =>
        {
            if (record.Step == 6) stop.Cancel();
        });
        Assert.False(first.Completed);
        RunResult second = await TrainAsync(config, "parts", decoders: 2, resume: true);
        Assert.True(second.Completed);
        Assert.Equal(first.State.Step, second.FirstStep);
        Assert.Equal(Losses("whole"), Losses("parts"));
        Assert.True(whole.Accounts.Rejected > 0);
        Assert.Equal(whole.Accounts, second.Accounts);
        Assert.Equal(File.ReadAllBytes(Path.Combine(whole.Checkpoint!, Checkpoint.WeightsName)),
            File.ReadAllBytes(Path.Combine(second.Checkpoint!, Checkpoint.WeightsName)));
    }

    /// <summary>Its first clip is never read: the thread hangs as in a system call that does not come back.</summary>
    private sealed class StuckSource(IClipSource source, ManualResetEventSlim free, Func<bool> stuck) : IClipSource
    {
        public Clip Load(ClipRequest request)
        {
            if (stuck()) free.Wait();
            return source.Load(request);
        }

        public void Dispose() => source.Dispose();
    }

    [Fact]
    public async Task Decoder_that_is_stuck_for_ever_does_not_hold_up_the_end_of_a_run()
    {
        using var free = new ManualResetEventSlim();
        using var said = new EventCollector();
        int loads = 0;
        Directory.CreateDirectory(_out.File("stuck"));
        RunHost host = await RunHost.StartAsync(
            adjust: settings => settings with
            {
                Decoders = 2,
                LeaseTimeout = TimeSpan.FromSeconds(1),
                StopTimeout = TimeSpan.FromSeconds(2),
            }, log: said);
        host.Source = source => new StuckSource(source, free, () => Interlocked.Increment(ref loads) == 3);
        long began = TimeProvider.System.GetTimestamp();
        RunResult result = await host.TrainAsync(new(Config(steps: 6), new(_out.File("stuck")), false), CancellationToken.None);
        await host.DisposeAsync();
        Assert.InRange(TimeProvider.System.GetElapsedTime(began).TotalSeconds, 2, 40);
        Assert.True(result.Completed);
        Assert.NotNull(result.Checkpoint);
        Assert.Single(said.Of(nameof(ActorEvents.DecodersStuck)));
        free.Set();
        await host.System.WhenTerminated;
        await TrainAsync(Config(steps: 6), "free");
        Assert.Equal(Losses("free"), Losses("stuck"));
    }

    [Fact]
    public async Task Unreadable_files_are_replaced_counted_and_listed()
    {
        RunResult result = await TrainAsync(Config(steps: 26, WithUnreadable()), "bad", decoders: 2);
        Assert.True(result.Completed);
        Assert.True(result.Ledger.Rejected >= 2);
        Assert.Equal(0, result.Ledger.InHand);
        Assert.Equal(result.Ledger.Planned, result.Ledger.Delivered + result.Ledger.Rejected + result.Ledger.Tail);
        Assert.Equal(new(result.Ledger.Planned, result.Ledger.Delivered, result.Ledger.Rejected, result.Ledger.Tail), result.Accounts);
        string[] list = File.ReadAllLines(Path.Combine(_out.File("bad"), "unreadable.csv"));
        Assert.Equal(result.Ledger.Rejected + 1, list.Length);
        Assert.Contains(list, line => line.Contains("empty.mp4", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Chaos_changes_no_weight()
    {
        RunConfig config = Config(steps: 200, WithUnreadable(), "training.checkpointEvery=30");       // 2 of 26 files are unreadable
        RunResult calm = await TrainAsync(config, "calm");
        long step = 0;
        int killed = 0;
        RunResult chaotic = await TrainAsync(config, "chaotic", decoders: 2, attempts: int.MaxValue,
            stepped: record => Volatile.Write(ref step, record.Step), disturb: async (host, over) =>
        {
            bool broken = false;
            for (int victim = 0; !over.IsCancellationRequested; victim++)
            {
                host.System.ActorSelection($"/user/run/clips-*/decoder-{victim}").Tell(Kill.Instance);
                killed++;
                if (!broken && Volatile.Read(ref step) > 100)
                {
                    // the trainer finds its stream broken off
                    host.System.ActorSelection("/user/run/clips-1").Tell(PoisonPill.Instance);
                    (broken, victim) = (true, -1);
                }
                await Task.Delay(300, CancellationToken.None);
            }
        });
        Assert.True(chaotic.Completed);
        Assert.Equal(1, chaotic.Restarts);
        Assert.True(killed > 5, $"only {killed} decoders were killed");
        Assert.True(chaotic.Accounts.Rejected > 0);
        Assert.Equal(calm.Accounts, chaotic.Accounts);
        Assert.Equal(0, chaotic.Ledger.InHand);
        Assert.Null(RunComparison.Of(new(_out.File("calm")), Last(config, "calm"), new(_out.File("chaotic")),
            Last(config, "chaotic")).Difference);
    }

    [Fact]
    public async Task Settings_changed_at_a_resume_are_named_and_those_that_change_what_is_trained_refused()
    {
        await TrainAsync(Config(steps: 4), "run");
        using var said = new EventCollector();
        await TrainAsync(Config(steps: 4, null, "training.keep=3"), "run", resume: true, log: said);
        CollectedEvent change = Assert.Single(said.Of(nameof(ActorEvents.SettingChanged)));
        Assert.Equal(("training.keep", "9", "3"), (change.Fields["Setting"], change.Fields["Before"], change.Fields["Now"]));
        var refused = await Assert.ThrowsAsync<ConfigException>(
            () => TrainAsync(Config(steps: 4, null, "optimizer.learningRate=0.5", "seed=6"), "run", resume: true));
        Assert.Contains("optimizer.learningRate", refused.Message, StringComparison.Ordinal);
        Assert.Contains("seed", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_is_not_resumed_on_other_rows_and_wherever_they_lie_on_the_same()
    {
        string csv = Path.Combine(_world.Folder.Path, "train", "results_train.csv");
        string[] lines = File.ReadAllLines(csv);
        await TrainAsync(Config(steps: 4), "run");
        foreach ((string name, string[] rows) in new[] { ("lost", lines[..^1]),
            ("sorted", [lines[0], .. lines[1..].Order(StringComparer.Ordinal).Reverse()]),
            ("edited", [.. lines[..^1], lines[^1].Replace(" a ", " the ", StringComparison.Ordinal)]) })
        {
            string other = Path.Combine(Directory.CreateDirectory(_out.File(name)).FullName, "results_train.csv");
            File.WriteAllLines(other, rows);
            var refused = await Assert.ThrowsAsync<ConfigException>(() => TrainAsync(Config(steps: 4, other), "run", resume: true));
            Assert.Contains("data.corpora[0]: was 24 rows, of the hash ", refused.Message, StringComparison.Ordinal);
            Assert.Contains($" and is {rows.Length - 1} rows, of the hash ", refused.Message, StringComparison.Ordinal);
        }
        string moved = Path.Combine(Directory.CreateDirectory(_out.File("moved")).FullName, "results_train.csv");
        File.Copy(csv, moved);
        Assert.True((await TrainAsync(Config(steps: 4, moved), "run", resume: true)).Completed);
    }

    [Fact]
    public async Task Records_that_were_damaged_end_a_resume_with_file_and_line()
    {
        RunConfig config = Config(steps: 6);
        await TrainAsync(config, "run");
        string records = new RunFolder(_out.File("run")).Steps, torn = File.ReadAllText(records) + "{\"step\": 6, \"epo";
        File.WriteAllText(records, torn);
        Assert.True((await TrainAsync(config, "run", resume: true)).Completed);
        Assert.Equal(6, Losses("run").Length);
        File.WriteAllLines(records, File.ReadAllLines(records).Select((line, i) => i == 3 ? "garbage" : line));
        using var said = new EventCollector();
        var refused = await Assert.ThrowsAsync<ConfigException>(() => TrainAsync(config, "run", resume: true, log: said));
        Assert.Contains($"{records}: 1 problem{Environment.NewLine}  line 4: ", refused.Message, StringComparison.Ordinal);
        Assert.Empty(said.Events);
    }

    [Fact]
    public async Task Batch_that_is_not_a_number_twice_ends_the_run()
    {
        using var said = new EventCollector();
        RunConfig config = Config(steps: 12, null, "optimizer.learningRate=1e30", "schedule.warmupRatio=0");
        var failure = await Assert.ThrowsAsync<NonFiniteLossException>(() => TrainAsync(config, "odd", log: said));
        CollectedEvent restart = Assert.Single(said.Of(nameof(ActorEvents.TrainerRestarted)));
        Assert.Equal((LogLevel.Warning, 1, 3), (restart.Level, restart.Fields["Restarts"], restart.Fields["MaxRestarts"]));
        Assert.StartsWith($"step {failure.Record.Step}: ", (string)restart.Fields["Reason"]!, StringComparison.Ordinal);
    }

    /// <summary>A clock that is put forward.</summary>
    private sealed class ClockAhead : TimeProvider
    {
        private long _ahead;

        public override long GetTimestamp() => base.GetTimestamp() + Volatile.Read(ref _ahead);

        public void Pass(TimeSpan time) => Interlocked.Add(ref _ahead, (long)(time.TotalSeconds * TimestampFrequency));
    }

    [Theory]
    [InlineData(21, 4)]
    [InlineData(10, 3)]
    public async Task Restarts_that_lie_more_than_an_hour_back_do_not_count(int minutesApart, int restarts)
    {
        var clock = new ClockAhead();
        using var said = new EventCollector();
        int failures = 0;
        bool fails = false;
        RunConfig config = Config(steps: 12);
        Directory.CreateDirectory(_out.File("failing"));
        await using RunHost host = await RunHost.StartAsync(adjust: settings => settings with { Decoders = 1 }, log: said);
        host.Time = clock;
        var run = new TrainingRun(config, new(_out.File("failing")), Resume: false)
        {
            Started = (_, _) => fails = failures++ < 4,              // once each time that it is started
            Stepped = _ =>
            {
                if (!fails) return;
                fails = false;
                clock.Pass(TimeSpan.FromMinutes(minutesApart));
                host.System.ActorSelection("/user/run").Tell(new TrainerActor.Failed(new IOException("a fault that may pass")));
            },
        };
        Task<RunResult> training = host.TrainAsync(run, CancellationToken.None);
        if (restarts == 4) Assert.Equal(4, (await training).Restarts);
        else Assert.Equal("a fault that may pass", (await Assert.ThrowsAsync<IOException>(() => training)).Message);
        Assert.Equal(restarts, said.Of(nameof(ActorEvents.TrainerRestarted)).Count);
    }

    [Fact]
    public async Task Validation_takes_every_corpus_and_a_last_batch_of_one_clip()
    {
        CorpusConfig corpus = Config(steps: 2).Data.Corpora[0];
        string validation = System.Text.Json.JsonSerializer.Serialize<CorpusConfig[]>([corpus with { Name = "first" },
            corpus with { Name = "second" }], ConfigLoader.Json);
        RunConfig config = Config(steps: 2, null, $"data.validation={validation}", "evaluation.maxClips=5");
        RunResult result = await TrainAsync(config, "validated");
        ValidationRecord record = Assert.Single(RunLog.Read<ValidationRecord>(new RunFolder(_out.File("validated")).Validations));
        Assert.Equal(record.Figures["loss"], record.Figures["second/loss"]);
        Assert.Equal((2, 2, record.Score), (result.State.Settled, result.State.BestStep!.Value, result.State.BestScore!.Value));
        var refused = await Assert.ThrowsAsync<DataException>(
            () => TrainAsync(Config(steps: 2, null, $"data.validation={validation}", "evaluation.maxClips=1"), "one"));
        Assert.Contains("corpus first: 1 of its 24 rows are for validation (evaluation.maxClips); expected 2 at least", refused.Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refused_resume_leaves_the_configuration_of_the_run_as_it_was()
    {
        await TrainAsync(Config(steps: 4), "run");
        byte[] before = File.ReadAllBytes(_out.File("run/config.json"));
        await Assert.ThrowsAsync<ConfigException>(() => TrainAsync(Config(steps: 4, null, "seed=6"), "run", resume: true));
        Assert.Equal(before, File.ReadAllBytes(_out.File("run/config.json")));
        await TrainAsync(Config(steps: 4, null, "training.keep=3"), "run", resume: true);
        Assert.Contains("\"keep\": 3", File.ReadAllText(_out.File("run/config.json")), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("task=pretrain")]
    [InlineData("task=retrieval", "data.clip.maskProbability=0", "losses={}")]
    public async Task Run_that_is_told_to_stop_before_it_has_begun_ends(params string[] settings)
    {
        RunConfig config = Config(steps: 4, null, settings);
        for (int time = 0; time < 5; time++)
        {
            Task<RunResult> stopped = TrainAsync(config, "stopped", stop: new CancellationToken(canceled: true));
            try
            {
                Assert.False((await stopped.WaitAsync(TimeSpan.FromSeconds(30))).Completed);
            }
            catch (OperationCanceledException)
            {
                // It had not begun.
            }
        }
    }

    [Fact]
    public async Task Run_that_another_process_has_gone_on_with_ends_and_writes_nothing()
    {
        var taken = await Assert.ThrowsAsync<RunFailedException>(() => TrainAsync(Config(steps: 400), "taken", stepped: record =>
        {
            if (record.Step == 3) new Generations(new(_out.File("taken"))).Next();
        }));
        Assert.Contains("another process has gone on with this run", taken.Message, StringComparison.Ordinal);
        Assert.InRange(Losses("taken").Length, 4, 399);
    }

    [Fact]
    public async Task Records_that_cannot_be_written_wait_while_training_goes_on_and_none_is_lost()
    {
        Directory.CreateDirectory(_out.File("full"));
        File.WriteAllText(_out.File("full/tensorboard"), "");        // no folder can be made there
        using var said = new EventCollector();
        RunResult result = await TrainAsync(Config(steps: 12), "full", log: said, stepped: record =>
        {
            if (record.Step == 6) File.Delete(_out.File("full/tensorboard"));
        });
        Assert.True(result.Completed);
        string[] records = [.. said.Events.Select(one => one.Name).Where(name => name.StartsWith("Records", StringComparison.Ordinal))];
        Assert.Equal((nameof(ActorEvents.RecordsNotWritten), nameof(ActorEvents.RecordsWritten)), (records[0], records[^1]));
        Assert.Equal(12, Losses("full").Length);
        Assert.True(new FileInfo(Assert.Single(Directory.EnumerateFiles(_out.File("full/tensorboard")))).Length > 12 * 100);
    }

    [Fact]
    public async Task Checkpoint_that_cannot_be_written_ends_the_run_in_order_and_with_a_sentence()
    {
        Directory.CreateDirectory(_out.File("stuck"));
        File.WriteAllText(_out.File("stuck/checkpoints"), "");       // no folder can be made there
        await using RunHost host = await RunHost.StartAsync(
            adjust: settings => settings with { Decoders = 1, CheckpointTries = 2, CheckpointBackOff = TimeSpan.FromMilliseconds(50) });
        var failed = await Assert.ThrowsAsync<RunFailedException>(
            () => host.TrainAsync(new(Config(steps: 100_000), new(_out.File("stuck")), Resume: false),
            CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(60)));
        Assert.StartsWith("the checkpoint of step 5 could not be written in 2 tries", failed.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Answers_without_a_label_are_named_before_training_begins()
    {
        File.WriteAllText(_out.File("labels.json"), """{ "red": 0, "blue": 1 }""");
        using var said = new EventCollector();
        RunConfig config = Config(steps: 1, Path.Combine(_world.Folder.Path, "qa", "train.jsonl"), "task=question-answering",
            "data.clip.maskProbability=0", "losses={}",
            "data.corpora[0].format=question-answer-jsonl", $"data.answers={_out.File("labels.json")}", "model.answers=2");
        await Record.ExceptionAsync(() => TrainAsync(config, "qa", log: said));
        Assert.Single(said.Of(nameof(ActorEvents.AnswersUnlabelled)));
    }

    [Fact]
    public async Task Weights_are_exported_as_often_as_asked()
    {
        RunConfig config = Config(steps: 12, null, "training.exportEvery=5");
        await TrainAsync(config, "exports");
        Assert.Equal(["model_step_10.pt", "model_step_5.pt"],
            Directory.EnumerateFiles(_out.File("exports"), "*.pt").Select(Path.GetFileName).Order(StringComparer.Ordinal));
        using CheckpointFile exported = CheckpointFile.Open(_out.File("exports/model_step_10.pt")),
            kept = CheckpointFile.Open(Path.Combine(new TrainingRun(config, new(_out.File("exports")), false).Store().FolderOf(10),
            Checkpoint.WeightsName));
        Assert.Equal(kept.Tensors.Keys.Order(), exported.Tensors.Keys.Order());
    }

    [Fact]
    public async Task A_lost_device_ends_the_process_with_a_code_of_its_own_and_the_run_goes_on()
    {
        RunConfig config = Config(steps: 12);
        await TrainAsync(config, "whole");
        using var stop = new CancellationTokenSource();
        await TrainAsync(config, "struck", stop: stop.Token, stepped: record =>
        {
            if (record.Step == 6) stop.Cancel();
        });
        File.WriteAllText(_out.File("config.json"),
            File.ReadAllText(_out.File("config.json")).Replace("\"keep\": 9", "\"keep\": 8", StringComparison.Ordinal));
        using var child = Process.Start(new ProcessStartInfo("dotnet",
            [typeof(TrainingRunTests).Assembly.Location, "lose-device", _out.File("config.json"),
            _out.File("struck")]) { RedirectStandardError = true })!;
        string said = await child.StandardError.ReadToEndAsync();
        await child.WaitForExitAsync();
        Assert.Equal(ExitCode.DeviceLost, child.ExitCode);
        string sentence = Assert.Single(said.Split('\n', StringSplitOptions.RemoveEmptyEntries),
            line => line.StartsWith("alpro:", StringComparison.Ordinal));
        Assert.Contains("CUDA error: an illegal memory access was encountered; start the same command again, a run with --resume", sentence,
            StringComparison.Ordinal);

        Assert.True((await TrainAsync(config, "struck", resume: true)).Completed);
        Assert.Equal(Losses("whole"), Losses("struck"));
    }

    [Theory]
    [InlineData("CUDA error: unspecified launch failure")]
    [InlineData("CUDA out of memory. Tried to allocate 2.00 GiB.")]
    public async Task A_fault_of_the_device_spends_no_restart(string fault)
    {
        using var said = new EventCollector();
        var failure = await Assert.ThrowsAsync<ExternalException>(
            () => TrainAsync(Config(steps: 200), "fault", log: said, disturb: async (host, over) =>
        {
            while (!over.IsCancellationRequested)
            {
                if (Losses("fault").Length > 3)
                    host.System.ActorSelection("/user/run").Tell(new TrainerActor.Failed(new ExternalException(fault)));
                await Task.Delay(100, CancellationToken.None);
            }
        }));
        Assert.Equal(fault, failure.Message);
        Assert.Empty(said.Of(nameof(ActorEvents.TrainerRestarted)));
    }

    private Checkpoint Last(RunConfig config, string folder) => new TrainingRun(config, new(_out.File(folder)), false).Store().Latest()!;

    [Fact]
    public async Task Missing_media_folder_is_named_before_anything_starts()
    {
        RunConfig config = Config(steps: 2) is var good
            ? good with { Data = good.Data with { Corpora = [good.Data.Corpora[0] with { Media = _out.File("nowhere") }] } } : null!;
        var failure = await Assert.ThrowsAsync<DataException>(() => TrainAsync(config, "none"));
        Assert.Contains("nowhere", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_leaves_no_temporary_file_and_can_be_scored()
    {
        RunConfig config = Config(steps: 6);
        await TrainAsync(config, "clean");
        Assert.DoesNotContain(Directory.EnumerateFileSystemEntries(_out.File("clean"), "*", SearchOption.AllDirectories),
            path => path.EndsWith(".partial", StringComparison.Ordinal) || path.EndsWith(".tmp", StringComparison.Ordinal));
        Assert.NotNull(new TrainingRun(config, new(_out.File("clean")), false).Store().Latest());
    }
}
