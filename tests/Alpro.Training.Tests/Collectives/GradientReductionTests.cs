using Alpro.Data.Batches;
using Alpro.Model;
using Alpro.Model.Arithmetic;
using Alpro.Training.Collectives;
using Alpro.Training.Configuration;
using Alpro.Training.Optimization;
using static TorchSharp.torch;

namespace Alpro.Training.Tests.Collectives;

public sealed class GradientReductionTests
{
    [Theory]
    [InlineData(LearningTask.Pretrain, 1, false)]
    [InlineData(LearningTask.Pretrain, 2, true)]
    [InlineData(LearningTask.Retrieval, 1, true)]
    public void Gradients_go_off_behind_the_backward_pass_each_once_and_complete(LearningTask task, int accumulation, bool recomputes)
    {
        RunConfig config = GroupTraining.Config(task, accumulation, steps: 2);
        config = config with { Model = config.Model with { Vision = config.Model.Vision with { ActivationCheckpointing = recomputes } } };
        using AlproModel model = RunModel.Create(config, CPU);
        using var group = new Witness();
        var whole = new List<float[]>();
        Action<FlatParameters> keep = parameters => whole.Add(Floats(parameters.Gradients));
        using Trainer trainer = new(config, model, new(), TinyRun.Start(config)) { SmallestPiece = 1, BeforeUpdate = keep };
        trainer.Join(group);
        for (int step = 0; step < 2; step++)
        {
            group.Pieces.Clear();
            using ClipBatch batch = TinyRun.Batch(config, step);
            trainer.Advance(batch, default);
            // What was sent is what was there in the end: nothing was added to a piece that had gone off.
            Assert.Equal(whole[step], group.Pieces.OrderBy(piece => piece.Address).SelectMany(piece => piece.Gradients));
            int layers = config.Model.Vision.Depth + config.Model.Text.Layers;
            Assert.InRange(group.Pieces.Count, 2 * layers - 1, 4 * layers);
        }
    }

    private static float[] Floats(Tensor tensor) => tensor.data<float>().ToArray();

    /// <summary>One rank of a group that keeps what it is given to sum.</summary>
    private sealed class Witness : ICollectives
    {
        public List<(nint Address, float[] Gradients)> Pieces { get; } = [];

        public int Rank => 0;

        public int World => 1;

        public long Generation => 1;

        public bool Overlaps => true;

        public void AllReduce(Tensor tensor)
        {
        }

        public void BeginAllReduce(Tensor tensor) => Pieces.Add((TensorMemory.Address(tensor), Floats(tensor)));

        public Tensor AllGather(Tensor own) => own;

        public void Broadcast(Tensor tensor, int source)
        {
        }

        public void ThrowIfOver()
        {
        }

        public void Abort(Exception reason) => throw reason;

        public void Dispose()
        {
        }
    }
}
