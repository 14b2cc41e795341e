using System.Text.Json;
using Alpro.Actors;
using Alpro.Actors.Evaluation;
using Alpro.Actors.Hosting;
using Alpro.Actors.Runs;
using Alpro.Cli.Tests.Commands;
using Alpro.Tests.Support.Events;
using Alpro.Training.Configuration;
using Alpro.Training.Evaluation;
using Alpro.Training.Records;
using Alpro.Web;

namespace Alpro.Cli.Tests.Evaluation;

/// <summary>Checkpoints are evaluated while the run that writes them goes on.</summary>
public sealed class CheckpointWatchTests(ReleasedRuns runs) : IClassFixture<ReleasedRuns>, IDisposable
{
    private readonly TemporaryFolder _out = new();
    private readonly EventCollector _said = new();

    /// <summary>What the watcher is given: the run writes down its own.</summary>
    private string Given => _out.File("given.json");

    public void Dispose() => _out.Dispose();

    [Fact]
    public async Task Every_checkpoint_of_a_run_that_trains_is_evaluated_once()
    {
        RunConfig config = Config(keep: 9);
        await using RunHost host = await RunHost.StartAsync(adjust: settings => settings with { Decoders = 1 }, log: _said);
        Task<IReadOnlyList<EvaluationResult>> watching = Watch(host).WatchAsync(TimeSpan.FromMilliseconds(50), default);
        RunResult trained = await host.TrainAsync(new(config, new(_out.Path), Resume: false), default);
        File.WriteAllText(new RunFolder(_out.Path).Ledger, "[]");
        IReadOnlyList<EvaluationResult> results = await watching;

        Assert.True(trained.Completed);
        Assert.Empty(_said.Of(nameof(ActorEvents.EvaluatorDied)));
        Assert.Equal(["step_00000002", "step_00000004", "step_00000006"], results.Select(result => Path.GetFileName(result.Folder)));
        EvaluationRecord[] records = [.. RunLog.Read<EvaluationRecord>(new RunFolder(_out.Path).Evaluations)];
        Assert.Equal([2, 4, 6], records.Select(record => record.Step));
        Assert.Equal(3, records.Select(record => record.WeightHash).Distinct().Count());
        Assert.All(results, result => Assert.Equal("validation", result.Receipt.Split));
        Assert.Contains("\"text2videoR1\"", File.ReadAllText(new RunFolder(_out.Path).Report));

        Assert.Empty(await Watch(host).WatchAsync(TimeSpan.FromMilliseconds(50), default));
    }

    [Fact]
    public async Task Checkpoints_that_the_run_removes_meanwhile_are_evaluated_if_begun_and_else_passed_over()
    {
        RunConfig config = Config(keep: 9);
        await using RunHost host = await RunHost.StartAsync(adjust: settings => settings with { Decoders = 1 }, log: _said);
        await host.TrainAsync(new(config, new(_out.Path), Resume: false), default);
        // The second of three goes while the first is evaluated, the first itself too: it has been copied.
        var watch = new CheckpointWatch(new(_out.Path), "world-val", (weights, copy) =>
        {
            foreach (string step in new[] { "step_00000002", "step_00000004" })
                if (weights.Contains("step_00000002", StringComparison.Ordinal))
                    Directory.Delete(_out.File($"checkpoints/{step}"), recursive: true);
            return Job(weights, copy).RunAsync(host, default);
        }, static _ => { }, _said);
        IReadOnlyList<EvaluationResult> results = await watch.WatchAsync(TimeSpan.FromMilliseconds(50), default);
        Assert.Equal([_out.File("checkpoints/step_00000002/weights.safetensors"),
            _out.File("checkpoints/step_00000006/weights.safetensors")], results.Select(result => result.Receipt.Weights));
        Assert.Equal(4L, Assert.Single(_said.Of(nameof(ActorEvents.CheckpointGone))).Fields["Step"]);
    }

    [Fact]
    public async Task The_command_ends_when_the_run_is_complete()
    {
        RunConfig config = Config(keep: 1);
        await using (RunHost host = await RunHost.StartAsync(adjust: settings => settings with { Decoders = 1 }))
            await host.TrainAsync(new(config, new(_out.Path), Resume: false), default);
        (int code, string output, string errors) = AlproProgram.Run("evaluate", "--run", _out.Path, "--config", Given, "--watch", "--json");
        Assert.True(code == 0, errors);
        Assert.Equal(_out.File("evaluation/world-val/step_00000006"),
            Assert.Single(JsonDocument.Parse(output).RootElement.EnumerateArray()).GetProperty("folder").GetString());
        (code, output, errors) = AlproProgram.Run("evaluate", "--run", _out.Path, "--config", Given, "--json");
        Assert.True(code == 0, errors);
        Assert.Equal("test", Receipt.Read(JsonDocument.Parse(output).RootElement.GetProperty("folder").GetString()!).Split);
    }

    private CheckpointWatch Watch(RunHost host) => new(new(_out.Path), "world-val",
        (weights, copy) => Job(weights, copy).RunAsync(host, default), RunReport.Refresh, _said);

    private EvaluationJob Job(string weights, string copy) =>
        new(EvaluationTarget.Open(_out.Path, Given, copy, []) with { Source = weights }, Test: false, Data: null, Output: null);

    private RunConfig Config(int keep)
    {
        File.WriteAllText(Given, $$"""
            {
              "task": "retrieval",
              "model": {
                "vision": { "imageSize": 32, "patchSize": 16, "frames": 2, "width": 32, "depth": 1, "heads": 2 },
                "text": { "vocabularySize": 174, "width": 32, "layers": 2, "fusionLayer": 1, "heads": 2, "intermediateSize": 64, "maxPositions": 32 },
                "projectionWidth": 16
              },
              "data": {
                "corpora": [ { "name": "world", "annotations": "{{runs.File("world/train/results_train.csv")}}", "media": "{{runs.File("world/train/videos")}}" } ],
                "validation": [ { "name": "world-val", "annotations": "{{runs.File("world/val/retrieval.jsonl")}}", "media": "{{runs.File("world/val/videos")}}" } ],
                "test": { "name": "world-test", "annotations": "{{runs.File("world/test/retrieval.jsonl")}}", "media": "{{runs.File("world/test/videos")}}" },
                "vocabulary": "{{runs.File("world/vocab.txt")}}",
                "clip": { "frames": 2, "strategy": "uniform", "decodeSize": 32, "size": 32, "textLength": 16 }
              },
              "training": { "batchSize": 4, "steps": 6, "checkpointEvery": 2, "keep": {{keep}} }
            }
            """);
        RunConfig config = ConfigLoader.Load(Given);
        // Validation is the watcher's here.
        return config with { Data = config.Data with { Validation = [] } };
    }
}
