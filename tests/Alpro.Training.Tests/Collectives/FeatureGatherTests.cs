using Alpro.Model;
using Alpro.Model.Arithmetic;
using Alpro.Training.Collectives;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Training.Tests.Collectives;

public sealed class FeatureGatherTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void The_gradient_is_that_of_one_process(int world)
    {
        using var scope = NewDisposeScope();
        const int Clips = 6;
        (double wantedLoss, float[] wanted) = Gradient(SingleRank.Instance, 0, Clips, 1);
        (double Loss, float[] Gradient)[] ranks = TestRing.Run(world,
            group => Gradient(new FeatureGather(group), group.Rank * Clips / world, Clips / world, world));
        Assert.Equal(wantedLoss, ranks.Sum(rank => rank.Loss), 1e-6);
        float[] found = [.. ranks.SelectMany(rank => rank.Gradient)];
        Assert.Equal(wanted.Length, found.Length);
        Assert.All(wanted.Zip(found), pair => Assert.Equal(pair.First, pair.Second, 1e-6));
    }

    [Fact]
    public void A_rank_lost_in_the_backward_pass_is_named_by_the_next_operation()
    {
        // An exception inside of the backward pass would end the process.
        ICollectives[] ranks = TestRing.Form(2);
        TestRing.OnThreads(2, rank =>
        {
            using ICollectives group = ranks[rank];
            Tensor features = ones(2, 3).requires_grad_();
            Tensor sum = new FeatureGather(group).Gather(features).sum();
            if (rank == 1) return 0;
            sum.backward();
            Assert.All(features.grad!.data<float>().ToArray(), gradient => Assert.True(float.IsNaN(gradient)));
            Assert.Equal(1, Assert.Throws<CollectivesException>(() => group.AllReduce(ones(1))).Peer);
            return 0;
        });
    }

    /// <summary>A rank's share of the mean contrastive loss, and the gradients of its clips' features, video and text.</summary>
    private static (double, float[]) Gradient(IFeatureGather gather, int first, int count, int world)
    {
        Tensor features = sin(arange(6 * 16, dtype: ScalarType.Float32)).view(6, 2, 8).narrow(0, first, count).clone().requires_grad_();
        var similarities = Similarities.Of(features.select(1, 0), features.select(1, 1), tensor(0.5f), gather, localRank: false);
        Tensor loss = Losses.Contrastive(similarities).Loss.Over(world);
        loss.backward();
        return (loss.item<float>(), features.grad!.data<float>().ToArray());
    }
}
