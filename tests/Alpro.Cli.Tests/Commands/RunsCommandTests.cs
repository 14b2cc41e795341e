using System.Text.Json;
using Akka.Actor;
using Alpro.Actors;
using Alpro.Actors.Hosting;
using Alpro.Actors.Runs;
using Alpro.Chaos;
using Alpro.Tests.Support.Runs;
using Alpro.Training.Configuration;
using Alpro.Training.Records;

namespace Alpro.Cli.Tests.Commands;

/// <summary>Where the time of a run went that was killed, failed and went on.</summary>
public sealed class RunsCommandTests(SmallWorld world) : IClassFixture<SmallWorld>, IDisposable
{
    private const int Steps = 200;

    private readonly TemporaryFolder _out = new();

    public void Dispose() => _out.Dispose();

    private RunFolder Run => new(_out.File("run"));

    [Fact]
    public async Task Account_of_a_run_with_two_kills_a_recovery_validation_and_checkpoints_is_its_wall_clock()
    {
        SmallRun.Write(_out.File("config.json"), world.Folder.Path, Steps);
        string validation = JsonSerializer.Serialize(ConfigLoader.Load(_out.File("config.json")).Data.Corpora, ConfigLoader.Json);
        string[] settings = [$"data.validation={validation}", "evaluation.maxClips=8", "training.validateEvery=50",
            "training.checkpointEvery=20"];
        string[] command = ["pretrain", "--config", _out.File("config.json"), "--out", Run.Path, "--resume", "--decoders", "1",
            .. settings.SelectMany(setting => new[] { "--set", setting })];
        double away = await KillAsync(command, at: 30) + await KillAsync(command, at: 70);
        await RecoverAsync(ConfigLoader.Load(_out.File("config.json"), settings));
        DateTimeOffset now = TimeProvider.System.GetUtcNow();

        Stretch[] timeline = [.. RunLog.Read<Stretch>(Run.Timeline)];
        TimeAccount account = TimeAccount.Of(timeline)!;
        Assert.Equal(account.Seconds, account.Parts.Values.Sum(), account.Seconds / 100);
        Assert.Equal((now - timeline[0].Began).TotalSeconds, account.Seconds, 0.2 + account.Seconds / 100);

        // What was done in the last second before a kill is lost with its process: those after the recovery are not.
        double validated = RunLog.Read<ValidationRecord>(Run.Validations).Where(record => record.Step >= 150).Sum(record => record.Seconds);
        StepRecord[] steps = [.. RunLog.Read<StepRecord>(Run.Steps)];
        double waited = steps.Sum(step => step.WaitMs) / 1000, trained = steps.Sum(step => step.StepMs) / 1000 - waited;
        Assert.Equal(Steps, steps.Length);
        Assert.True(account.Parts[TimeCause.Validation] >= validated, $"{account.Parts[TimeCause.Validation]} of {validated} s");
        Assert.True(account.Parts[TimeCause.Waiting] >= 0.9 * waited - 2, $"{account.Parts[TimeCause.Waiting]} of {waited} s");
        Assert.InRange(account.Parts[TimeCause.Training], 0.9 * trained - 3, account.Seconds);
        Assert.InRange(account.StepsDoneAgain, 2, 200);
        Assert.True(account.Parts[TimeCause.Stopped] >= away, $"{account.Parts[TimeCause.Stopped]} of {away} s");
        foreach (TimeCause cause in new[] { TimeCause.StartUp, TimeCause.Checkpoint, TimeCause.Restart, TimeCause.DoneAgain })
            Assert.True(account.Parts[cause] > 0, $"{cause}");

        SmallRun.Write(_out.File("config.json"), world.Folder.Path, steps: 4);
        await SmallRun.TrainAsync(ConfigLoader.Load(_out.File("config.json")), _out.File("other"));
        (int code, string output, string errors) = AlproProgram.Run("runs", Run.Path, _out.File("other"), "--json");
        Assert.True(code == ExitCode.Success, errors);
        JsonElement result = JsonDocument.Parse(output).RootElement, run = result.GetProperty("runs")[0];
        Assert.Equal(account.Goodput, run.GetProperty("goodput").GetDouble(), 6);
        Assert.Equal(account.Parts[TimeCause.Restart], run.GetProperty("time").GetProperty("parts").GetProperty("restart").GetDouble(), 6);
        Assert.Equal(["200", "4"], result.GetProperty("settings").EnumerateArray()
            .Single(setting => setting.GetProperty("name").GetString() == "training.steps").GetProperty("values").EnumerateArray()
            .Select(value => value.GetString()));
    }

    [Fact]
    public void Folder_without_a_run_is_refused()
    {
        (int code, _, string errors) = AlproProgram.Run("runs", _out.Path);
        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains("holds no run, for there is no config.json in it", errors, StringComparison.Ordinal);
    }

    /// <summary>Runs the program up to a step, and kills it.</summary>
    /// <returns>Seconds for which no process was there.</returns>
    private async Task<double> KillAsync(string[] command, long at)
    {
        using NodeProcess process = NodeProcess.StartProgram(command);
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(90));
        while ((RunLog.Last<StepRecord>(Run.Steps)?.Step ?? 0) < at) await Task.Delay(20, deadline.Token);
        process.Kill();
        await process.EndAsync();
        long killed = TimeProvider.System.GetTimestamp();
        await Task.Delay(300, CancellationToken.None);
        return TimeProvider.System.GetElapsedTime(killed).TotalSeconds;
    }

    /// <summary>Goes on to the end in this process, with a failure on the way from which the trainer recovers.</summary>
    private async Task RecoverAsync(RunConfig config)
    {
        await using RunHost host = await RunHost.StartAsync(adjust: settings => settings with { Decoders = 1 });
        bool fails = true;
        RunResult result = await host.TrainAsync(new(config, Run, Resume: true)
        {
            Stepped = record =>
            {
                if (!fails || record.Step < 105) return;                         // far from the next checkpoint: batches are ahead
                fails = false;
                host.System.ActorSelection("/user/run/clips-1").Tell(PoisonPill.Instance);       // the trainer finds its stream broken off
            },
        }, CancellationToken.None);
        Assert.Equal((true, 1), (result.Completed, result.Restarts));
    }
}
