using Alpro.Data.Batches;
using Alpro.Model;
using Alpro.Model.Checkpoints;
using Alpro.Training.Configuration;
using Alpro.Training.Evaluation;
using Alpro.Training.Tasks;
using static TorchSharp.torch;

namespace Alpro.Training.Tests.Tasks;

/// <summary>What holds for every task there is.</summary>
public sealed class DownstreamTaskTests : IDisposable
{
    private const int BatchSize = 3, Videos = 18, Texts = 40;

    private readonly TemporaryFolder _out = new();

    public static TheoryData<LearningTask> Settings => [.. DownstreamTask.All.Select(task => task.Setting)];

    public void Dispose() => _out.Dispose();

    [Fact]
    public void Every_setting_but_pretraining_has_one_task()
    {
        IEnumerable<LearningTask> downstream = Enum.GetValues<LearningTask>().Except([LearningTask.Pretrain, LearningTask.Prompter]);
        Assert.Equal(downstream, DownstreamTask.All.Select(task => task.Setting).Order());
        Assert.Null(DownstreamTask.Find(LearningTask.Pretrain));
        Assert.Equal(LearningTask.Retrieval, DownstreamTask.Of(LearningTask.Prompter).Setting);
    }

    [Theory]
    [MemberData(nameof(Settings))]
    public void Published_figures_have_a_name_each(LearningTask setting)
    {
        PublishedFigures published = DownstreamTask.Of(setting).Published;
        Assert.All(published.ByDataset, row => Assert.Equal(published.Names.Count, row.Figures.Length));
    }

    [Theory]
    [MemberData(nameof(Settings))]
    public void Shares_done_by_several_evaluators_give_the_scores_of_one_pass(LearningTask setting)
    {
        (RunConfig config, EvaluationPlan plan) = Plan(setting);
        DownstreamTask task = DownstreamTask.Of(setting);
        using AlproModel whole = RunModel.Create(config, CPU);
        DownstreamScores wanted = task.Score(whole, plan, Read);
        var results = new PartialResults(_out.Path);
        using Evaluator one = Open(), other = Open();
        foreach (EvaluationStage stage in Enum.GetValues<EvaluationStage>())
            foreach (EvaluationShare share in plan.Shares(stage).Reverse()) (share.First == 0 ? one : other).Do(share);
        DownstreamScores found = task.Read(plan, results);
        Assert.Equal(wanted.Line, found.Line);
        Assert.Equal(3, found.Missing.Count);
        Assert.Equal(wanted.LineWithMissing, found.LineWithMissing);

        Evaluator Open() => task.Open(RunModel.Create(config, CPU), plan, results, Read);

        // The videos of the fourth batch cannot be read.
        IEnumerable<ClipBatch> Read(IReadOnlyList<int> videos, Action<MissingVideo> missing)
        {
            foreach (int[] batch in videos.Chunk(BatchSize))
            {
                if (batch[0] / BatchSize != 3) yield return TinyRun.Batch(config, batch[0] / BatchSize);
                else foreach (int video in batch) missing(new(plan.Set.VideoKeys[video], default));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Settings))]
    public void A_checkpoint_is_refused_by_a_task_with_another_head(LearningTask setting)
    {
        RunConfig config = TinyRun.Config(setting);
        using AlproModel model = RunModel.Create(config, CPU);
        string file = _out.File("weights.safetensors");
        StateDict.Save(model, file);
        foreach (DownstreamTask other in DownstreamTask.All.Where(other => other.Head != DownstreamTask.Of(setting).Head))
        {
            var refused = Assert.Throws<CheckpointException>(() => RunModel.Load(config with { Task = other.Setting }, file, CPU));
            Assert.Contains(other.Title, refused.Message, StringComparison.Ordinal);
        }
        RunModel.Load(config, file, CPU).Dispose();
    }

    private static (RunConfig Config, EvaluationPlan Plan) Plan(LearningTask setting)
    {
        RunConfig config = TinyRun.Config(setting, BatchSize) with { Evaluation = new() { BatchSize = BatchSize, PairBatchSize = 1 } };
        return (config, new("tiny", config, RetrievalTests.Set(Videos, Texts)));
    }
}
