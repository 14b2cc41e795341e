using Alpro.Training.Records;

namespace Alpro.Training.Tests.Records;

/// <summary>What scripts and users rely on.</summary>
public sealed class RunFolderTests
{
    [Fact]
    public void Names_are_those_that_runs_have_always_had()
    {
        var run = new RunFolder("/runs/one");
        Assert.Equal(
            ["config.json", "checkpoints", "steps.jsonl", "validation.jsonl", "evaluation.jsonl", "timeline.jsonl", "status.json",
            "report.html", "ledger.json", "unreadable.csv",
                "unreadable-host-a-4070.csv", "events.jsonl", "events-host-a-4070.jsonl", "model_step_best.pt", "model_step_500.pt", "step_00000012.safetensors",
                "step_00000012_rank_3.safetensors",
                "evaluation/msrvtt", "generation", "generation.lock", ".lock", ".holder"],
            new[]
            {
                run.Config, run.Checkpoints, run.Steps, run.Validations, run.Evaluations, run.Timeline, run.Status, run.Report, run.Ledger,
                run.Unreadable,
                run.UnreadableBy("host-a", 4070), run.Events, run.EventsBy("host-a", 4070), run.BestExport, run.Export(500), run.Replay(12, null), run.Replay(12, 3),
                run.EvaluationsOn("msrvtt"), run.Generation.Number, run.Generation.Lock, run.Holding.Lock, run.Holding.Holder,
            }.Select(path => Path.GetRelativePath(run.Path, path)));
        Assert.StartsWith("/runs/one/tensorboard/events.out.tfevents.", run.TensorBoard(DateTimeOffset.UnixEpoch, 5),
            StringComparison.Ordinal);
        Assert.EndsWith(".5", run.TensorBoard(DateTimeOffset.UnixEpoch, 5), StringComparison.Ordinal);
    }
}
