using Alpro.Data.Clips;
using Alpro.Model;

namespace Alpro.Training.Configuration;

/// <summary>What is trained or evaluated: one complete JSON file, bound strictly by <see cref="ConfigLoader"/>.</summary>
public sealed record RunConfig
{
    /// <summary>What the model learns to do.</summary>
    public required LearningTask Task { get; init; }

    /// <summary>The seed from which every random decision of the run follows.</summary>
    public ulong Seed { get; init; } = 42;

    /// <summary>Threads of one tensor operation. It is no running setting: it changes sums in the last digit.</summary>
    public int TorchThreads { get; init; } = 1;

    /// <summary>The model's sizes.</summary>
    [MayChange("vision.activationCheckpointing")]
    public ModelConfig Model { get; init; } = new();

    /// <summary>The corpora, and how their rows become clips.</summary>
    public required DataConfig Data { get; init; }

    /// <summary>Rate, moments and weight decay of AdamW.</summary>
    public OptimizerConfig Optimizer { get; init; } = new();

    /// <summary>The learning rate over the run.</summary>
    public ScheduleConfig Schedule { get; init; } = new();

    /// <summary>Batches, length, precision, and when checkpoints are written.</summary>
    public TrainingConfig Training { get; init; } = new();

    /// <summary>What the losses of a pretraining run count in their sum; what is absent is off.</summary>
    public LossWeights Losses { get; init; } = new();

    /// <summary>What the first weights come from.</summary>
    [MayChange]
    public InitializeConfig Initialize { get; init; } = new();

    /// <summary>How the model is scored.</summary>
    [MayChange]
    public EvaluationConfig Evaluation { get; init; } = new();

    /// <summary>How a training row becomes a clip: words are masked and regions drawn where a loss needs them.</summary>
    public ClipSettings ClipForTraining() => Data.Clip with
    {
        MaskProbability = Losses.Mlm > 0 ? Data.Clip.MaskProbability : 0,
        RegionPatch = Losses.Pem > 0 ? Data.Clip.RegionPatch : 0,
    };

    /// <summary>How a row becomes a clip where the losses are scored: words are masked and regions drawn as in training.</summary>
    public ClipSettings ClipForValidation()
    {
        ClipSettings training = ClipForTraining();
        return Data.ClipForEvaluation() with { MaskProbability = training.MaskProbability, RegionPatch = training.RegionPatch };
    }

    /// <summary>Whether the clips of a step can be shared out to a number of ranks in whole groups.</summary>
    public bool CanShare(int world) =>
        world == 1 || (Training.GroupSize is { } size && Training.BatchSize / Training.Accumulation % (size * world) == 0);

    /// <summary>Refuses a number of ranks that the clips of a step cannot be shared out to in whole groups.</summary>
    /// <exception cref="ConfigException">Why not.</exception>
    public void RequireShares(int world)
    {
        if (CanShare(world)) return;
        int part = Training.BatchSize / Training.Accumulation;
        throw new ConfigException($"{world} ranks", [new("training.groupSize", null,
            $"is {Training.GroupSize?.ToString() ?? "null"}; expected a size of which {world} ranks have equally many groups "
            + $"of the {part} clips that are run together (training.batchSize / training.accumulation)")]);
    }

    /// <summary>Notes every value that cannot be used, and every file that is named and not there.</summary>
    internal void Check(ConfigProblems problems)
    {
        CheckThreads(problems);
        Model.Check(problems);
        Data.Check(problems);
        Data.Clip.Check("data.clip", Model, problems);
        Data.EvaluationClip?.Check("data.evaluationClip", Model, problems);
        CheckTraining(problems);
        CheckTask(problems);
        Initialize.Check(problems);
    }

    /// <summary>Notes every value that cannot be used in evaluation; the files are looked for by whoever evaluates.</summary>
    internal void CheckEvaluation(ConfigProblems problems)
    {
        CheckThreads(problems);
        Model.Check(problems);
        Data.ClipForEvaluation().Check(Data.EvaluationClip is null ? "data.clip" : "data.evaluationClip", Model, problems);
        Evaluation.Check(Task, Data.ClipForEvaluation(), problems);
    }

    /// <summary>Notes every value that cannot be used where a step is only counted: no file is read.</summary>
    internal void CheckSizes(ConfigProblems problems)
    {
        Model.Check(problems);
        Data.Clip.Check("data.clip", Model, problems);
        CheckTraining(problems);
    }

    private void CheckThreads(ConfigProblems problems) => problems.Require(TorchThreads >= 1, "torchThreads", TorchThreads, "at least 1");

    private void CheckTraining(ConfigProblems problems)
    {
        Training.Check(Data.Clip, problems);
        Optimizer.Check(problems);
        Schedule.Check(problems);
        Evaluation.Check(Task, Data.ClipForEvaluation(), problems);
    }

    private void CheckTask(ConfigProblems problems)
    {
        if (Task == LearningTask.Pretrain) CheckLosses(problems);
        else
        {
            problems.Require(Losses == new LossWeights(), "losses", "given",
                "it only with the task pretrain: other tasks have the losses they have");
            problems.Require(Data.Clip.RegionPatch == 0, "data.clip.regionPatch", Data.Clip.RegionPatch,
                "0: entity modelling belongs to the task pretrain");
            problems.Require(Data.Clip.MaskProbability == 0, "data.clip.maskProbability", Data.Clip.MaskProbability,
                "0: masked language modelling belongs to the task pretrain");
        }
        if (Task.ChoosesAnswers()) Data.CheckAnswers(Model.Answers, problems);
        problems.Require(!Model.Reference.FreezeCheckpointed || Model.Vision.ActivationCheckpointing,
            "model.reference.freezeCheckpointed", true, "model.vision.activationCheckpointing to be true with it: it has no meaning alone");
        if (Task.Matches() && (Task != LearningTask.Pretrain || Losses.Vtm > 0)) Training.CheckNegatives(problems);
    }

    private void CheckLosses(ConfigProblems problems)
    {
        foreach ((string loss, double weight) in Losses.ByKey())
            problems.Require(double.IsFinite(weight) && weight >= 0, $"losses.{loss}", weight,
                "a weight: 1 counts it once, 0 leaves it out");
        problems.Require(Losses.ByKey().Any(loss => loss.Weight > 0), "losses", "without any",
            "one loss at least, as in { \"vtc\": 1, \"vtm\": 1, \"mlm\": 1, \"pem\": 1 }");
        problems.Require(Losses.Mlm == 0 || Data.Clip.MaskProbability > 0, "data.clip.maskProbability", Data.Clip.MaskProbability,
            "above 0, since losses.mlm asks for masked words; the paper masks 0.15");
        if (Losses.Pem == 0) return;
        problems.Require(Data.Clip.RegionPatch > 0, "data.clip.regionPatch", Data.Clip.RegionPatch,
            $"model.vision.patchSize, {Model.Vision.PatchSize}, since losses.pem asks for entity modelling");
        problems.Require(Initialize.Prompter is not null, "initialize.prompter", null,
            "the checkpoint of a prompter, since losses.pem asks for entity modelling; train one with task \"prompter\" first");
        Data.CheckEntities(Model.Entities, problems);
    }
}
