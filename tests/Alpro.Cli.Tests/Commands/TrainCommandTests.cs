using System.Diagnostics;
using Alpro.Actors;
using Alpro.Actors.Hosting;
using Alpro.Actors.Runs;
using Alpro.Chaos;
using Alpro.Data.Corpora;
using Alpro.Model.Checkpoints;
using Alpro.Tests.Support.Runs;
using Alpro.Training.Checkpoints;
using Alpro.Training.Configuration;
using Alpro.Training.Records;
using Alpro.Web;

namespace Alpro.Cli.Tests.Commands;

/// <summary>What the commands that train leave, and what they say.</summary>
public sealed class TrainCommandTests(SmallWorld world) : IClassFixture<SmallWorld>, IDisposable
{
    private readonly SmallWorld _world = world;
    private readonly TemporaryFolder _out = new();

    public void Dispose() => _out.Dispose();

    private RunConfig Config(int steps, string? csv = null, params string[] settings)
    {
        SmallRun.Write(_out.File("config.json"), _world.Folder.Path, steps, csv);
        return ConfigLoader.Load(_out.File("config.json"), settings);
    }

    [Fact]
    public async Task Report_and_weights_that_nobody_lived_to_write_are_written_by_the_next_coordinator()
    {
        RunConfig config = Config(steps: 4);
        RunResult run = await SmallRun.TrainAsync(config, _out.File("late"));
        File.WriteAllText(_out.File("late/config.json"), ConfigLoader.ToJson(config));
        Assert.False(File.Exists(_out.File("late/report.html")));
        (int code, _, string errors) = Coordinator();
        Assert.True(code == ExitCode.Success, errors);
        Assert.Contains("are written now", errors, StringComparison.Ordinal);
        Assert.Contains($"{{\"key\":\"delivered\",\"value\":\"{run.Accounts.Delivered}\"}}", File.ReadAllText(_out.File("late/report.html")),
            StringComparison.Ordinal);
        Assert.True(File.Exists(_out.File("late/model_step_best.pt")));
        Assert.DoesNotContain("are written now", Coordinator().Errors, StringComparison.Ordinal);

        (int Code, string Output, string Errors) Coordinator() => AlproProgram.Run("node", "--role", "coordinator", "--config",
            _out.File("config.json"), "--out", _out.File("late"),
            "--trainers", "1", "--resume", "--port", $"{FreePorts.One()}", "--data-port", "0", "--hocon", QuickCluster.File);
    }

    [Fact]
    public async Task Run_that_is_killed_while_it_exports_its_weights_is_finished_by_the_next_start()
    {
        SmallRun.Write(_out.File("config.json"), _world.Folder.Path, steps: 4);
        string best = _out.File("killed/model_step_best.pt"), aside = best + ".partial", report = _out.File("killed/report.html");
        string[] command = ["pretrain", "--config", _out.File("config.json"), "--out", _out.File("killed"), "--resume", "--decoders", "1"];
        Directory.CreateDirectory(_out.File("killed"));
        using (Process pipe = Process.Start("mkfifo", [aside])) await pipe.WaitForExitAsync();       // nobody reads: the export waits
        using (NodeProcess first = NodeProcess.StartProgram(command))
        {
            using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
            while (!File.Exists(report)) await Task.Delay(20, deadline.Token);                        // which is written before
            first.Kill();
            Assert.Equal(128 + 9, (await first.EndAsync()).Code);
        }
        Assert.False(File.Exists(best));
        File.Delete(aside);
        File.WriteAllText(aside, "PK, and no more");
        File.Delete(report);
        (int code, _, string errors) = AlproProgram.Run(command);
        Assert.True(code == ExitCode.Success, errors);
        Assert.True(File.Exists(report));
        Assert.False(File.Exists(aside));
        using CheckpointFile exported = CheckpointFile.Open(best);
        Assert.NotEmpty(exported.Tensors);
        Assert.Equal(4, RunLog.Read<StepRecord>(new RunFolder(_out.File("killed")).Steps).Count());
    }

    [Fact]
    public async Task Damaged_best_checkpoint_does_not_prevent_the_report()
    {
        CorpusConfig corpus = Config(steps: 4).Data.Corpora[0];
        string validation = System.Text.Json.JsonSerializer.Serialize<CorpusConfig[]>([corpus], ConfigLoader.Json);
        string[] fast = ["schedule.warmupRatio=0", "optimizer.learningRate=1"];                    // what it learns does not last
        string[] validated = [$"data.validation={validation}", "evaluation.maxClips=4", "training.validateEvery=1"];
        RunConfig config = Config(steps: 4, null, [.. validated, .. fast]);
        RunResult run = await SmallRun.TrainAsync(config, _out.File("damaged"));
        File.WriteAllText(_out.File("damaged/config.json"), ConfigLoader.ToJson(config));
        CheckpointStore store = new TrainingRun(config, new(_out.File("damaged")), false).Store();
        Assert.InRange(run.State.BestStep!.Value, 1, 3);
        File.Delete(Path.Combine(store.FolderOf(run.State.BestStep!.Value), Checkpoint.WeightsName));
        (int code, _, string errors) = AlproProgram.Run("pretrain", "--config", _out.File("damaged/config.json"), "--out",
            _out.File("damaged"), "--resume");
        Assert.True(code == ExitCode.Success, errors);
        Assert.Contains("the best weights are not exported: ", errors, StringComparison.Ordinal);
        Assert.True(File.Exists(_out.File("damaged/report.html")));
    }

    [Fact]
    public void Events_of_a_run_are_written_as_a_program_reads_them_and_as_few_as_were_asked_for()
    {
        Config(steps: 2);
        string[] command = ["pretrain", "--config", _out.File("config.json"), "--decoders", "1", "--out"];
        (int code, _, string errors) = AlproProgram.Run([.. command, _out.File("told"), "--log-format", "json"]);
        Assert.True(code == ExitCode.Success, errors);
        NodeEvent[] events = [.. errors.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => NodeEvent.Parse(line)!)];
        Assert.All(events, Assert.NotNull);
        Assert.Equal([nameof(WebEvents.PageOpened), nameof(ActorEvents.CorpusOpened)], events[..2].Select(one => one.Name));
        Assert.Equal((nameof(ActorEvents.StepsDone), 2, 2), (events[^1].Name, events[^1].Number("step"), events[^1].Number("steps")));

        (code, _, errors) = AlproProgram.Run([.. command, _out.File("quiet"), "--log", "warning"]);
        Assert.Equal((ExitCode.Success, ""), (code, errors));
    }

    [Fact]
    public void Run_with_too_many_unreadable_clips_ends_with_one_line()
    {
        SmallRun.Write(_out.File("config.json"), _world.Folder.Path, steps: 50,
            SmallRun.WithUnreadable(_world.Folder.Path, _out.File("some-bad.csv")));
        (int code, _, string errors) = AlproProgram.Run("pretrain", "--config", _out.File("config.json"), "--out", _out.File("bad"),
            "--set", "data.maxRejectedFraction=0");
        Assert.Equal(ExitCode.Failure, code);
        Assert.Contains("clips are unreadable, more than data.maxRejectedFraction = 0 allows",
            Assert.Single(errors.Split('\n'), line => line.StartsWith("alpro: ", StringComparison.Ordinal)), StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Same_command_is_refused_while_the_first_lives_and_one_that_was_killed_holds_nothing()
    {
        Config(steps: 100_000);
        var run = new RunFolder(_out.File("run"));
        string[] command = ["pretrain", "--config", _out.File("config.json"), "--out", run.Path, "--resume", "--decoders", "1"];
        using NodeProcess first = NodeProcess.StartProgram(command);
        while (!File.Exists(run.Steps)) await Task.Delay(20);
        (int code, _, string errors) = AlproProgram.Run(command);
        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains($"is written by process {first.Id} on {Environment.MachineName}", errors, StringComparison.Ordinal);
        first.Kill();
        await first.EndAsync();
        (await RunLock.HoldAsync(run, cluster: null, TimeProvider.System, CancellationToken.None)).Dispose();
    }

    [Theory]
    [InlineData("test")]
    [InlineData("validation")]
    public async Task Advice_for_a_run_without_a_corpus_to_score_leads_to_its_score(string split)
    {
        await SmallRun.TrainAsync(Config(steps: 4), _out.File("scored"));
        string[] command = ["evaluate", "--run", _out.File("scored"), "--split", split];
        (int code, _, string errors) = AlproProgram.Run(command);
        Assert.Equal(ExitCode.BadInput, code);
        string advice = errors.Split("--set '")[1].Split('\'')[0];
        string world = _world.Folder.Path, setting = advice.Replace("FILE", Path.Combine(world, "test/retrieval.jsonl"),
            StringComparison.Ordinal).Replace("DIR", Path.Combine(world, "test/videos"), StringComparison.Ordinal);
        (code, _, errors) = AlproProgram.Run([.. command, "--set", setting]);
        Assert.True(code == ExitCode.Success, errors);
    }

    [Fact]
    public async Task Process_with_a_decoder_that_is_stuck_in_the_system_ends_with_its_report_and_says_so()
    {
        string library = _out.File("stuck.so"), csv = _out.File("stuck.csv"), hocon = _out.File("impatient.conf");
        string train = Path.Combine(_world.Folder.Path, "train");
        string source = Path.Combine(Locations.Root, "tests/Alpro.Cli.Tests/native/stuck.c");
        using (Process compiler = Process.Start("cc", ["-shared", "-fPIC", "-o", library, source])) await compiler.WaitForExitAsync();
        string[] rows = File.ReadAllLines(Path.Combine(train, "results_train.csv"));
        File.WriteAllLines(csv, [.. rows, "stuck" + rows[1][rows[1].IndexOf(',')..]]);
        File.WriteAllText(Path.Combine(train, "videos", "stuck.mp4"), "");
        File.WriteAllText(hocon, "alpro { lease-timeout = 1s, stop-timeout = 1s, attempts-per-clip = 2 }");
        SmallRun.Write(_out.File("config.json"), _world.Folder.Path, steps: 7, csv);      // more than an epoch: it is among the clips
        string[] command = ["pretrain", "--config", _out.File("config.json"), "--out", _out.File("stuck"), "--hocon", hocon];
        using NodeProcess process = NodeProcess.StartProgram([.. command, "--decoders", "2"], inside: ["env", $"LD_PRELOAD={library}"]);
        (int code, _) = await process.EndAsync();
        Assert.True(code == ExitCode.Success, process.Errors);
        Assert.True(process.Has(nameof(ActorEvents.DecodersStuck)), process.Errors);
        Assert.True(process.Has(nameof(ActorEvents.ActorsStuck)), process.Errors);
        Assert.Contains("its decoder died 2 times", File.ReadAllText(_out.File("stuck/unreadable.csv")), StringComparison.Ordinal);
        Assert.True(File.Exists(_out.File("stuck/report.html")) && File.Exists(_out.File("stuck/model_step_best.pt")));
    }

    [Theory]
    [InlineData("pretrain", "task=pretrain")]
    [InlineData("finetune", "task=retrieval")]
    public async Task Ctrl_C_in_the_first_second_ends_the_command(string command, string task)
    {
        SmallRun.Write(_out.File("config.json"), _world.Folder.Path, steps: 100_000);
        int[] codes = await Task.WhenAll(new[] { 0.2, 0.5, 0.8, 1.1 }.Select(async seconds =>
        {
            string[] settings = ["--set", task, .. command == "pretrain" ? [] : (string[])["--set", "losses={}", "--set",
                "data.clip.maskProbability=0"]];
            using NodeProcess process = NodeProcess.StartProgram(
                [command, "--config", _out.File("config.json"), "--out", _out.File($"{seconds}"), "--decoders", "1", .. settings]);
            await Task.Delay(TimeSpan.FromSeconds(seconds));
            process.Interrupt();
            return (await process.EndAsync(TimeSpan.FromSeconds(30))).Code;
        }));
        Assert.All(codes, code => Assert.Equal(ExitCode.Interrupted, code));
    }

    [Fact]
    public async Task Match_that_a_prompter_does_not_learn_is_said_to_be_none()
    {
        await SmallRun.TrainAsync(Config(steps: 2, null, "task=prompter", "model.entities=3", "losses={}", "data.clip.maskProbability=0"),
            _out.File("prompter"));
        File.WriteAllLines(_out.File("texts.txt"), ["a red circle", "a blue square"]);
        string video = Directory.EnumerateFiles(Path.Combine(_world.Folder.Path, "val", "videos"), "*.mp4").First();
        (int code, string output, string errors) = AlproProgram.Run(
            "predict", "--run", _out.File("prompter"), "--video", video, "--texts", _out.File("texts.txt"));
        Assert.True(code == ExitCode.Success, errors);
        Assert.Contains("no match: the run has not trained the head that tells it", output, StringComparison.Ordinal);
        Assert.DoesNotContain("%", output, StringComparison.Ordinal);
        Assert.Equal(2, output.Split('\n').Count(line => line.TrimStart().StartsWith("- ", StringComparison.Ordinal)));
    }
}
