using Alpro.Data;
using Alpro.Model;
using Alpro.Training.Configuration;
using Alpro.Training.Evaluation;
using Alpro.Training.Records;
using static TorchSharp.torch;

namespace Alpro.Training.Tests.Evaluation;

public sealed class PretrainValidatorTests
{
    [Fact]
    public void The_score_is_the_weighted_sum()
    {
        RunConfig config = TinyRun.Config(LearningTask.Pretrain);
        config = config with { Losses = new() { Vtc = 0.5, Vtm = 2 } };
        using AlproModel model = RunModel.Create(config, CPU);
        ValidationRecord record = PretrainValidator.Validate(model, 5, Precision.Fp32,
            [TinyRun.Batch(config, 0), TinyRun.Batch(config, 1)]);
        Assert.Equal(["loss", "vtcAccuracy", "vtcLoss", "vtmAccuracy", "vtmLoss"], record.Figures.Keys.Order());
        Assert.Equal(0.5 * record.Figures["vtcLoss"] + 2 * record.Figures["vtmLoss"], record.Figures["loss"], 1e-9);
        Assert.Equal(-record.Figures["loss"], record.Score);
    }

    [Fact]
    public void Losses_and_accuracies_are_repeatable_and_complete()
    {
        RunConfig config = TinyRun.Config(LearningTask.Pretrain);
        config = config with { Model = config.Model with { EntityThreshold = 0 } };      // no clip is too uncertain to count
        using AlproModel model = RunModel.Create(config, CPU);
        ValidationRecord one = Validate(), two = Validate();
        Assert.Equal(one.Figures, two.Figures);
        Assert.Equal(["loss", "mlmAccuracy", "mlmLoss", "pemAccuracy", "pemLoss", "vtcAccuracy", "vtcLoss", "vtmAccuracy", "vtmLoss"],
            one.Figures.Keys.Order());
        Assert.Equal(-one.Figures["loss"], one.Score);

        // A clip that is alone in the last batch has no other to be told apart from.
        RunConfig alone = TinyRun.Config(LearningTask.Pretrain, batchSize: 1);
        ValidationRecord without = PretrainValidator.Validate(model, 5, Precision.Fp32, [TinyRun.Batch(config, 0)]);
        Assert.Equal(without.Figures, PretrainValidator.Validate(model, 5, Precision.Fp32,
            [TinyRun.Batch(config, 0), TinyRun.Batch(alone, 1)]).Figures);
        Assert.Throws<DataException>(() => PretrainValidator.Validate(model, 5, Precision.Fp32, [TinyRun.Batch(alone, 0)]));

        ValidationRecord Validate() => PretrainValidator.Validate(model, 5, Precision.Fp32,
            [TinyRun.Batch(config, 0), TinyRun.Batch(config, 1)]);
    }
}
