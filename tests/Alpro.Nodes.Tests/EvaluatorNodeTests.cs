using System.Text.Json;
using Alpro.Actors;
using Alpro.Chaos;
using Alpro.Tests.Support.Runs;
using Alpro.Training.Records;

namespace Alpro.Nodes.Tests;

/// <summary>A node of a cluster that scores checkpoints.</summary>
public sealed class EvaluatorNodeTests : IClassFixture<SmallWorld>, IDisposable
{
    private readonly TemporaryFolder _out = new();
    private readonly string _config, _validation, _seed = $"127.0.0.1:{FreePorts.One()}";

    public EvaluatorNodeTests(SmallWorld world)
    {
        SmallRun.Write(_config = _out.File("config.json"), world.Folder.Path, steps: 15);
        string held = Path.Combine(world.Folder.Path, "val");
        _validation = JsonSerializer.Serialize(new[] { new { name = "held-out", annotations = Path.Combine(held, "retrieval.jsonl"),
            media = Path.Combine(held, "videos") } });
    }

    public void Dispose() => _out.Dispose();

    private NodeProcess Start(string role, params string[] more) =>
        NodeProcess.Start(["--role", role, "--config", _config, "--decoders", "1", "--out", _out.File("run"), "--seed", _seed, .. more]);

    private NodeProcess StartEvaluator() => Start("evaluator", "--port", "0", "--set", $"data.validation={_validation}");

    [Fact]
    public async Task Every_checkpoint_is_scored_and_the_node_ends_with_the_run()
    {
        using NodeProcess coordinator = Start("coordinator", "--port", _seed.Split(':')[1], "--data-port", "0", "--set", "training.keep=9"),
            evaluator = StartEvaluator();
        (int trained, _) = await coordinator.EndAsync();
        Assert.True(trained == ExitCode.Success, coordinator.Errors);
        (int code, string output) = await evaluator.EndAsync();
        Assert.True(code == ExitCode.Success, evaluator.Errors);
        Assert.Equal([5, 10, 15], RunLog.Read<EvaluationRecord>(new RunFolder(_out.File("run")).Evaluations).Select(record => record.Step));
        Assert.Equal(3, output.Split("step_000000", StringSplitOptions.None).Length - 1);
    }

    [Fact]
    public async Task Evaluator_that_is_told_to_leave_does_so_in_order()
    {
        using NodeProcess coordinator = Start("coordinator", "--port", _seed.Split(':')[1], "--data-port", "0", "--trainers", "1"),
            evaluator = StartEvaluator();
        await evaluator.ReadyAsync();
        evaluator.Terminate();
        Assert.Equal(ExitCode.Success, (await evaluator.EndAsync()).Code);
        coordinator.Terminate();
        Assert.Equal(ExitCode.Interrupted, (await coordinator.EndAsync()).Code);
    }
}
