using System.Text.Json;
using Alpro.Data;
using Alpro.Data.Batches;
using Alpro.Data.Clips;
using Alpro.Data.Corpora;
using Alpro.Data.Entities;
using Alpro.Model;

namespace Alpro.Training.Configuration;

/// <summary>What values a configuration may have, each alone and together.</summary>
internal static class ConfigRules
{
    /// <summary>Notes every value that cannot be used, and every file that is named and not there.</summary>
    public static void Check(RunConfig config, ConfigProblems problems)
    {
        problems.Require(config.TorchThreads >= 1, "torchThreads", config.TorchThreads, "at least 1");
        CheckModel(config.Model, problems);
        CheckData(config, problems);
        CheckClip(config.Data.Clip, "data.clip", config, problems);
        if (config.Data.EvaluationClip is { } clip) CheckClip(clip, "data.evaluationClip", config, problems);
        CheckTraining(config, problems);
        CheckTask(config, problems);
        CheckFile(config.Data.Vocabulary, "data.vocabulary", problems);
        CheckFile(config.Data.Entities, "data.entities", problems);
        CheckFile(config.Data.Answers, "data.answers", problems);
        CheckFile(config.Initialize.Checkpoint, "initialize.checkpoint", problems);
        CheckFile(config.Initialize.Prompter, "initialize.prompter", problems);
        CheckFile(config.Initialize.Vision, "initialize.vision", problems);
        CheckFile(config.Initialize.Text, "initialize.text", problems);
    }

    /// <summary>Notes every value that cannot be used in evaluation; the files are looked for by whoever evaluates.</summary>
    public static void CheckEvaluation(RunConfig config, ConfigProblems problems)
    {
        problems.Require(config.TorchThreads >= 1, "torchThreads", config.TorchThreads, "at least 1");
        CheckModel(config.Model, problems);
        CheckClip(config.Data.ClipForEvaluation(), config.Data.EvaluationClip is null ? "data.clip" : "data.evaluationClip", config, problems);
        CheckScoring(config, problems);
    }

    /// <summary>Notes every value that cannot be used where a step is only counted: no file is read.</summary>
    public static void CheckSizes(RunConfig config, ConfigProblems problems)
    {
        CheckModel(config.Model, problems);
        CheckClip(config.Data.Clip, "data.clip", config, problems);
        CheckTraining(config, problems);
    }

    private static void CheckModel(ModelConfig model, ConfigProblems problems)
    {
        VisionConfig vision = model.Vision;
        TextConfig text = model.Text;
        problems.Require(vision.PatchSize >= 1, "model.vision.patchSize", vision.PatchSize, "at least 1");
        if (vision.PatchSize >= 1)
            problems.Require(vision.ImageSize >= 1 && vision.ImageSize % vision.PatchSize == 0, "model.vision.imageSize", vision.ImageSize, $"a multiple of model.vision.patchSize, {vision.PatchSize}");
        problems.Require(vision.Frames >= 1, "model.vision.frames", vision.Frames, "at least 1");
        problems.Require(vision.Depth >= 1, "model.vision.depth", vision.Depth, "at least 1");
        problems.Require(vision.Heads >= 1 && vision.Width >= 1 && vision.Width % vision.Heads == 0, "model.vision.width", vision.Width, $"a multiple of model.vision.heads, {vision.Heads}");
        problems.Require(vision.MlpRatio > 0, "model.vision.mlpRatio", vision.MlpRatio, "above 0");
        problems.Require(vision.DropPathRate is >= 0 and < 1, "model.vision.dropPathRate", vision.DropPathRate, "at least 0 and below 1");
        problems.Require(vision.InitializerRange > 0, "model.vision.initializerRange", vision.InitializerRange, "above 0");
        problems.Require(text.VocabularySize >= 1, "model.text.vocabularySize", text.VocabularySize, "at least 1");
        problems.Require(text.Heads >= 1 && text.Width >= 1 && text.Width % text.Heads == 0, "model.text.width", text.Width, $"a multiple of model.text.heads, {text.Heads}");
        problems.Require(text.Width == vision.Width, "model.text.width", text.Width, $"the width of the vision encoder, {vision.Width}: text and video tokens meet in one encoder");
        problems.Require(text.Layers >= 1, "model.text.layers", text.Layers, "at least 1");
        problems.Require(text.FusionLayer >= 1 && text.FusionLayer < text.Layers, "model.text.fusionLayer", text.FusionLayer, $"1 to {text.Layers - 1}, a layer for each side at least");
        problems.Require(text.IntermediateSize >= 1, "model.text.intermediateSize", text.IntermediateSize, "at least 1");
        problems.Require(text.HiddenDropout is >= 0 and < 1, "model.text.hiddenDropout", text.HiddenDropout, "at least 0 and below 1");
        problems.Require(text.AttentionDropout is >= 0 and < 1, "model.text.attentionDropout", text.AttentionDropout, "at least 0 and below 1");
        problems.Require(text.LayerNormEps > 0, "model.text.layerNormEps", text.LayerNormEps, "above 0");
        problems.Require(text.InitializerRange > 0, "model.text.initializerRange", text.InitializerRange, "above 0");
        problems.Require(model.ProjectionWidth >= 1, "model.projectionWidth", model.ProjectionWidth, "at least 1");
        problems.Require(model.Entities >= 1, "model.entities", model.Entities, "at least 1");
        problems.Require(model.EntityThreshold is >= 0 and < 1, "model.entityThreshold", model.EntityThreshold, "at least 0 and below 1");
        problems.Require(model.Answers >= 1, "model.answers", model.Answers, "at least 1");
    }

    private static void CheckData(RunConfig config, ConfigProblems problems)
    {
        DataConfig data = config.Data;
        problems.Require(data.Corpora.Count > 0, "data.corpora", "empty", "a corpus at least");
        problems.Require(data.MaxRejectedFraction is >= 0 and <= 1, "data.maxRejectedFraction", data.MaxRejectedFraction, "0 to 1");
        CheckCorpora(data.Corpora, "data.corpora", problems);
        CheckCorpora(data.Validation, "data.validation", problems);
        if (data.Test is { } test) CheckCorpus(test, "data.test", problems);
    }

    private static void CheckCorpora(IReadOnlyList<CorpusConfig> corpora, string path, ConfigProblems problems)
    {
        for (int i = 0; i < corpora.Count; i++)
        {
            CheckCorpus(corpora[i], $"{path}[{i}]", problems);
            if (corpora.Take(i).Any(corpus => corpus.Name == corpora[i].Name)) problems.Add($"{path}[{i}].name", $"is \"{corpora[i].Name}\", which another corpus has; expected a name of its own");
        }
    }

    private static void CheckCorpus(CorpusConfig corpus, string path, ConfigProblems problems)
    {
        bool pattern = corpus.Annotations.AsSpan().ContainsAny('*', '?') || corpus.Format == CorpusFormat.Tar;
        if (!pattern && !Directory.Exists(corpus.Annotations)) CheckFile(corpus.Annotations, $"{path}.annotations", problems);
        if (corpus.Media is { } media && !Directory.Exists(media)) problems.Add($"{path}.media", $"there is no folder {media}{FileSources.Advice($"{path}.media", media)}");
        problems.Require(corpus.MaxCaptionWords is null or >= 1, $"{path}.maxCaptionWords", corpus.MaxCaptionWords, "at least 1");
    }

    private static void CheckClip(ClipSettings clip, string path, RunConfig config, ConfigProblems problems)
    {
        VisionConfig vision = config.Model.Vision;
        problems.Require(clip.Frames >= 1, $"{path}.frames", clip.Frames, "at least 1");
        problems.Require(clip.Size == vision.ImageSize, $"{path}.size", clip.Size, $"model.vision.imageSize, {vision.ImageSize}");
        problems.Require(clip.DecodeSize >= clip.Size, $"{path}.decodeSize", clip.DecodeSize, $"at least the size, {clip.Size}");
        problems.Require(clip.TextLength >= 2 && clip.TextLength <= config.Model.Text.MaxPositions, $"{path}.textLength", clip.TextLength, $"2 to model.text.maxPositions, {config.Model.Text.MaxPositions}");
        problems.Require(clip.MaskProbability is >= 0 and < 1, $"{path}.maskProbability", clip.MaskProbability, "at least 0 and below 1");
        problems.Require(clip.RegionPatch == 0 || clip.RegionPatch == vision.PatchSize, $"{path}.regionPatch", clip.RegionPatch, $"0, or model.vision.patchSize, {vision.PatchSize}");
    }

    private static void CheckBatch(ClipSettings clip, int size, string path, ConfigProblems problems)
    {
        long bytes = ClipBatch.BytesOf(size, clip.Frames, clip.Size);
        problems.Require(bytes <= Array.MaxLength, path, size, $"clips that have at most {Array.MaxLength} bytes together, and these have {bytes}");
    }

    private static void CheckTraining(RunConfig config, ConfigProblems problems)
    {
        TrainingConfig training = config.Training;
        problems.Require(training.BatchSize >= 1, "training.batchSize", training.BatchSize, "at least 1");
        problems.Require(training.Accumulation >= 1 && training.BatchSize % training.Accumulation == 0, "training.accumulation", training.Accumulation, $"a divisor of training.batchSize, {training.BatchSize}");
        if (training.BatchSize >= 1 && training.Accumulation >= 1)
            problems.Require(training.GroupSize is not { } size || (size >= 1 && training.BatchSize / training.Accumulation % size == 0), "training.groupSize", training.GroupSize,
                $"a divisor of training.batchSize / training.accumulation, {training.BatchSize / training.Accumulation}, or null");
        CheckBatch(config.Data.Clip, training.GroupSize ?? training.BatchSize, training.GroupSize is null ? "training.batchSize" : "training.groupSize", problems);
        problems.Require(training.Steps is null != training.Epochs is null, "training", training.Steps is null ? "without steps and epochs" : "given both steps and epochs", "one of steps and epochs");
        problems.Require(training.Steps is null or >= 1, "training.steps", training.Steps, "at least 1");
        problems.Require(training.Epochs is null or >= 1, "training.epochs", training.Epochs, "at least 1");
        problems.Require(training.GradientNorm > 0, "training.gradientNorm", training.GradientNorm, "above 0");
        problems.Require(training.CheckpointEvery >= 1, "training.checkpointEvery", training.CheckpointEvery, "at least 1");
        problems.Require(training.ExportEvery >= 0 && training.ExportEvery % Math.Max(1, training.CheckpointEvery) == 0, "training.exportEvery", training.ExportEvery, $"0, or a multiple of training.checkpointEvery, {training.CheckpointEvery}");
        problems.Require(training.Keep >= 1, "training.keep", training.Keep, "at least 1");
        problems.Require(training.ValidateEvery >= 0, "training.validateEvery", training.ValidateEvery, "at least 0");
        problems.Require(training.MaxSkipped >= 0, "training.maxSkipped", training.MaxSkipped, "at least 0");

        OptimizerConfig optimizer = config.Optimizer;
        problems.Require(optimizer.LearningRate > 0, "optimizer.learningRate", optimizer.LearningRate, "above 0");
        problems.Require(optimizer.Beta1 is >= 0 and < 1, "optimizer.beta1", optimizer.Beta1, "at least 0 and below 1");
        problems.Require(optimizer.Beta2 is >= 0 and < 1, "optimizer.beta2", optimizer.Beta2, "at least 0 and below 1");
        problems.Require(optimizer.Epsilon > 0, "optimizer.epsilon", optimizer.Epsilon, "above 0");
        problems.Require(optimizer.WeightDecay >= 0, "optimizer.weightDecay", optimizer.WeightDecay, "at least 0");

        ScheduleConfig schedule = config.Schedule;
        problems.Require(schedule.WarmupRatio is >= 0 and < 1, "schedule.warmupRatio", schedule.WarmupRatio, "at least 0 and below 1");
        problems.Require(schedule.Gamma > 0, "schedule.gamma", schedule.Gamma, "above 0");
        problems.Require(schedule.Decay != LearningRateDecay.MultiStep || schedule.Milestones.Count > 0, "schedule.milestones", "empty", "the epochs at which multi-step falls");
        CheckScoring(config, problems);
    }

    private static void CheckScoring(RunConfig config, ConfigProblems problems)
    {
        EvaluationConfig evaluation = config.Evaluation;
        CheckBatch(config.Data.ClipForEvaluation(), evaluation.BatchSize, "evaluation.batchSize", problems);
        problems.Require(evaluation.BatchSize >= 1, "evaluation.batchSize", evaluation.BatchSize, "at least 1");
        problems.Require(evaluation.PairBatchSize >= 1, "evaluation.pairBatchSize", evaluation.PairBatchSize, "at least 1");
        problems.Require(evaluation.Rerank is null or >= 1, "evaluation.rerank", evaluation.Rerank, "at least 1, or null to match every pair");
        problems.Require(evaluation.Rerank is null || (evaluation.Score == RetrievalScore.Matching && config.Task.Matches()), "evaluation.rerank", evaluation.Rerank,
            "null: it chooses what is matched, and nothing is where evaluation.score is contrastive or the task prompter or question-answering");
        problems.Require(evaluation.MaxClips is null or >= 1, "evaluation.maxClips", evaluation.MaxClips, "at least 1, or null for all");
    }

    private static void CheckTask(RunConfig config, ConfigProblems problems)
    {
        if (config.Task == LearningTask.Pretrain && config.Data.Clip.RegionPatch > 0)
        {
            problems.Require(config.Initialize.Prompter is not null, "initialize.prompter", null, "the checkpoint of a prompter, since data.clip.regionPatch asks for entity modelling; train one with task \"prompter\" first");
            problems.Require(config.Data.Entities is not null, "data.entities", null, "a list of entities, since data.clip.regionPatch asks for entity modelling; \"alpro entities\" makes one");
            if (config.Data.Entities is { } entities && File.Exists(entities)) CheckEntities(entities, config.Model.Entities, problems);
        }
        problems.Require(config.Losses.Vtc || config.Losses.Vtm || config.Data.Clip.MaskProbability > 0 || config.Data.Clip.RegionPatch > 0, "losses", "without any", "one loss at least");
        if (config.Task != LearningTask.Pretrain)
        {
            problems.Require(config.Losses == new LossConfig(), "losses", "given", "it only with the task pretrain: other tasks have the losses they have");
            problems.Require(config.Data.Clip.RegionPatch == 0, "data.clip.regionPatch", config.Data.Clip.RegionPatch, "0: entity modelling belongs to the task pretrain");
            problems.Require(config.Data.Clip.MaskProbability == 0, "data.clip.maskProbability", config.Data.Clip.MaskProbability, "0: masked language modelling belongs to the task pretrain");
        }
        if (config.Task.ChoosesAnswers())
        {
            problems.Require(config.Data.Answers is not null, "data.answers", null, "a JSON file of answers and their labels");
            if (config.Data.Answers is { } answers && File.Exists(answers)) CheckAnswers(answers, config.Model.Answers, problems);
        }
        problems.Require(!config.Model.Reference.FreezeCheckpointed || config.Model.Vision.ActivationCheckpointing, "model.reference.freezeCheckpointed", true, "model.vision.activationCheckpointing to be true with it: it has no meaning alone");
        if (config.Losses.Vtm && config.Task.Matches())
        {
            problems.Require(config.Training.BatchSize / Math.Max(1, config.Training.Accumulation) >= 2, "training.batchSize", config.Training.BatchSize, "2 clips at least in each part of a batch: matching takes its negatives from them");
            problems.Require(config.Training.GroupSize is not 1, "training.groupSize", config.Training.GroupSize, "2 clips at least: matching takes its negatives from the group");
        }
    }

    private static void CheckEntities(string file, int count, ConfigProblems problems)
    {
        try
        {
            EntityList.Load(file, count);
        }
        catch (DataException problem)
        {
            problems.Add("data.entities", problem.Message);
        }
    }

    private static void CheckAnswers(string file, int count, ConfigProblems problems)
    {
        try
        {
            Dictionary<string, int> labels = JsonSerializer.Deserialize<Dictionary<string, int>>(File.ReadAllBytes(file))!;
            foreach ((string answer, int label) in labels.Where(answer => answer.Value < 0 || answer.Value >= count).Take(1))
                problems.Add("model.answers", $"is {count}, and {file} gives the answer \"{answer}\" the label {label}; expected {labels.Values.Max() + 1} for labels from 0");
        }
        catch (JsonException problem)
        {
            problems.Add("data.answers", $"{file}: not a JSON object of answers and their labels: {problem.Message}");
        }
    }

    private static void CheckFile(string? file, string path, ConfigProblems problems)
    {
        if (file is not null && !File.Exists(file)) problems.Add(path, $"there is no file {file}{FileSources.Advice(path, file)}");
    }
}
