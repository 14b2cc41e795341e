using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Alpro.Model.Tests;

public class LossesTests
{
    [Fact]
    public void Contrastive_targets_are_the_sample_s_own_global_position()
    {
        using var scope = NewDisposeScope();
        var (video, text) = Features();
        LossTerm right = Losses.Contrastive(Similarities.Of(video, text, tensor(0.1f), new SecondOfTwo(video, text), localRank: false));
        // Of two ranks with equal features in the other order, this rank's clips are columns 3 to 5.
        Tensor all = cat([text.flip(0), text], 0), scores = video.mm(all.t()) / 0.1f;
        Tensor expected = functional.cross_entropy(scores, tensor(new long[] { 3, 4, 5 }));
        Tensor other = functional.cross_entropy(text.mm(cat([video.flip(0), video], 0).t()) / 0.1f, tensor(new long[] { 3, 4, 5 }));
        TinyModel.AssertClose((expected + other) / 2, right.Loss);
        Assert.Equal(6, right.Count!.item<float>());
    }

    [Fact]
    public void The_released_code_takes_the_local_rank_for_the_global()
    {
        using var scope = NewDisposeScope();
        var (video, text) = Features();
        var gather = new SecondOfTwo(video, text);
        Assert.Equal(3, Similarities.Of(video, text, tensor(0.1f), gather, localRank: false).FirstColumn);
        Assert.Equal(0, Similarities.Of(video, text, tensor(0.1f), gather, localRank: true).FirstColumn);
    }

    [Fact]
    public void Negatives_are_never_the_clip_itself_and_follow_the_similarities()
    {
        using var scope = NewDisposeScope();
        Tensor similarities = tensor(new float[,] { { 9, 1, 2 }, { 0, 9, 0 }, { 5, -5, 9 } });
        var drawn = new long[3, 3];
        manual_seed(5);
        for (int i = 0; i < 2000; i++)
        {
            using var each = NewDisposeScope();
            long[] negatives = HardNegatives.Draw(new Similarities(similarities, similarities, 0)).TextForVideo_B.data<long>().ToArray();
            for (int clip = 0; clip < 3; clip++) drawn[clip, negatives[clip]]++;
        }
        for (int clip = 0; clip < 3; clip++) Assert.Equal(0, drawn[clip, clip]);
        Assert.Equal(0.7311, drawn[0, 2] / 2000.0, 0.04);                            // e^2 / (e^1 + e^2)
        Assert.Equal(0.5, drawn[1, 0] / 2000.0, 0.05);
        Assert.True(drawn[2, 0] > 1995);
    }

    [Fact]
    public void Negatives_come_from_the_own_columns_of_all_ranks_similarities()
    {
        using var scope = NewDisposeScope();
        Tensor similarities = zeros(2, 6);                                           // this rank's clips are columns 2 and 3
        HardNegatives negatives = HardNegatives.Draw(new Similarities(similarities, similarities, 2));
        Assert.Equal([1, 0], negatives.VideoForText_B.data<long>().ToArray());
    }

    [Fact]
    public void Similarities_that_are_not_numbers_reach_the_loss_instead_of_failing_in_the_draw()
    {
        using var scope = NewDisposeScope();
        Tensor similarities = full([3, 3], float.NaN);
        HardNegatives negatives = HardNegatives.Draw(new Similarities(similarities, similarities, 0));
        Assert.InRange(negatives.VideoForText_B.max().item<long>(), 0, 2);
        Assert.True(Losses.Contrastive(new Similarities(similarities, similarities, 0)).Loss.isnan().item<bool>());
    }

    [Fact]
    public void A_batch_of_one_has_no_negatives_and_says_so()
    {
        using var scope = NewDisposeScope();
        var thrown = Assert.Throws<ArgumentException>(() => HardNegatives.Draw(new Similarities(ones(1, 1), ones(1, 1), 0)));
        Assert.Contains("at least 2 clips", thrown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Ignored_clips_teach_nothing_about_entities()
    {
        using var scope = NewDisposeScope();
        Tensor logits = randn(3, 4).requires_grad_(), labels = randn(3, 4).softmax(1);
        LossTerm term = Losses.EntityModelling(logits, new PseudoLabels(labels, tensor(new[] { false, true, false })));
        term.Loss.backward();
        Tensor each = -(logits.log_softmax(1) * labels).sum(1);
        TinyModel.AssertClose((each[0] + each[2]) / 2, term.Loss);
        Assert.Equal(0, logits.grad![1].abs().sum().item<float>());
        Assert.Equal(2, term.Count!.item<float>());
    }

    [Fact]
    public void A_batch_with_nothing_to_learn_from_costs_nothing_and_is_finite()
    {
        using var scope = NewDisposeScope();
        Tensor logits = randn(2, 4).requires_grad_();
        LossTerm entities = Losses.EntityModelling(logits, new PseudoLabels(rand(2, 4).softmax(1), ones(2, ScalarType.Bool)));
        LossTerm words = Losses.MaskedLanguage(logits.narrow(0, 0, 0), zeros(0, ScalarType.Int64));
        LossTerm answers = Losses.Answers(logits, tensor(new long[] { -100, -100 }));
        (entities.Loss + words.Loss + answers.Loss).backward();
        Assert.Equal(0, entities.Loss.item<float>());
        Assert.Equal(0, words.Loss.item<float>());
        Assert.Equal(0, answers.Loss.item<float>());
        Assert.Equal(0, logits.grad!.abs().sum().item<float>());
    }

    [Fact]
    public void Questions_without_a_labelled_answer_teach_nothing_and_count_as_wrong()
    {
        using var scope = NewDisposeScope();
        Tensor logits = tensor(new float[,] { { 0, 1 }, { 3, 0 }, { 1, 0 } });
        LossTerm term = Losses.Answers(logits, tensor(new long[] { 1, -100, 1 }));
        TinyModel.AssertClose(functional.cross_entropy(cat([logits[0].unsqueeze(0), logits[2].unsqueeze(0)], 0),
            tensor(new long[] { 1, 1 })), term.Loss);
        Assert.Equal((1, 3), (term.Correct!.item<long>(), term.Count!.item<float>()));
    }

    [Fact]
    public void Accuracy_counts_over_its_own_denominator()
    {
        using var scope = NewDisposeScope();
        // one positive, right; three negatives, one of them wrong
        Tensor logits = tensor(new float[,] { { 0, 1 }, { 1, 0 }, { 1, 0 }, { 0, 1 } });
        LossTerm term = Losses.Matching(logits, positives: 1);
        Assert.Equal(3, term.Correct!.item<long>());
        Assert.Equal(4, term.Count!.item<float>());
    }

    private static (Tensor Video, Tensor Text) Features()
    {
        manual_seed(4);
        return (functional.normalize(randn(3, 8)), functional.normalize(randn(3, 8)));
    }

    /// <summary>The second rank of two on two machines; the first rank's features are these in reverse.</summary>
    private sealed class SecondOfTwo(Tensor video, Tensor text) : IFeatureGather
    {
        public int Rank => 1;

        public int LocalRank => 0;

        public Tensor Gather(Tensor features_BF) => cat([(ReferenceEquals(features_BF, video) ? video : text).flip(0), features_BF], 0);
    }
}
