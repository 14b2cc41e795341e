using System.Text.Json.Nodes;
using Alpro.Data.Clips;
using Alpro.Data.Corpora;
using Alpro.Data.Corpora.Annotations;
using Alpro.Data.Sampling;
using Alpro.Model;

namespace Alpro.Training.Configuration.Reference;

/// <summary>What became of a key of the reference that has no exact counterpart here.</summary>
public enum ReferenceKeyFate
{
    /// <summary>It had no effect in the reference either.</summary>
    NoEffect,

    /// <summary>It says how a run is carried out, which is not part of this configuration.</summary>
    Elsewhere,

    /// <summary>It was taken over with a difference.</summary>
    Adapted,

    /// <summary>The reference has no such key.</summary>
    Unknown,
}

/// <summary>A key that a person should know about.</summary>
/// <param name="Fate">What became of it.</param>
/// <param name="Key">The key; with <c>model_config.</c> or <c>visual_model_cfg.</c> before it where it stands in the file of that
/// name.</param>
/// <param name="Value">Its value, as JSON.</param>
/// <param name="Why">The reason.</param>
public sealed record ReferenceNote(ReferenceKeyFate Fate, string Key, string Value, string Why);

/// <summary>A configuration of the reference, as ours.</summary>
/// <param name="Config">Ours.</param>
/// <param name="Notes">The keys without exact counterpart.</param>
public sealed record ImportedConfig(RunConfig Config, IReadOnlyList<ReferenceNote> Notes);

/// <summary>
/// Reads the configurations of the released code: a run folder's <c>log/args.json</c>, or a file with the keys of its
/// <c>config_release</c>. The result does what the reference's run did, except where that was wrong (<see cref="ReferenceSwitches"/>).
/// </summary>
public sealed class ReferenceConfig
{
    private const int WebvidWords = 80, SmallestAnswers = 1500;

    private readonly ReferenceKeys keys;
    private readonly string root;
    private readonly string? relativeTo;
    private readonly List<ReferenceNote> notes = [];

    private ReferenceConfig(string file, string? root, string? relativeTo)
    {
        keys = ReferenceKeys.Read(file);
        this.root = root ?? RootOf(file);
        this.relativeTo = relativeTo;
    }

    /// <summary>Reads a configuration.</summary>
    /// <param name="file">The file.</param>
    /// <param name="root">The folder its paths begin at. By default it is the one with <c>output</c> or <c>config_release</c> in it on the
    /// way to the file, else the current folder.</param>
    /// <param name="relativeTo">The folder that the result's paths shall be relative to; null for full paths.</param>
    /// <exception cref="ConfigException">The file is none, or has values that this program does not support: all of them at
    /// once.</exception>
    public static ImportedConfig Import(string file, string? root = null, string? relativeTo = null) => new ReferenceConfig(file, root,
        relativeTo).Import();

    private ImportedConfig Import()
    {
        if (!keys.Has("train_datasets") && !keys.Has("val_datasets"))
            keys.Problems.Add("", "has neither \"train_datasets\" nor \"val_datasets\": expected a run folder's log/args.json of the "
                + "released code, or a file of its config_release");
        keys.Problems.ThrowIfAny(keys.File);
        LearningTask task = Task();
        int frames = keys.Whole("num_frm", 3), size = keys.Whole("crop_img_size", 256);
        int accumulation = keys.Whole("gradient_accumulation_steps", 1);
        double? steps = keys.Has("num_train_steps") ? keys.Number("num_train_steps", 0) : null;
        double norm = keys.Number("grad_norm", 2);
        CheckFixedValues();

        DataConfig data = Data(task, frames, size);
        ModelConfig model = new()
        {
            Vision = Vision(frames, size),
            Text = Text(),
            Entities = task is LearningTask.Pretrain or LearningTask.Prompter ? keys.Whole("num_entities", 1000)
            : new ModelConfig().Entities,
            Answers = task == LearningTask.QuestionAnswering ? Answers(data.Answers) : new ModelConfig().Answers,
        };
        ScheduleConfig schedule = Schedule();
        var config = new RunConfig
        {
            Task = task,
            Seed = (ulong)keys.Whole("seed", 42),
            Model = model,
            Data = data with { Clip = data.Clip with { RegionPatch = data.Clip.RegionPatch > 0 ? model.Vision.PatchSize : 0 } },
            Optimizer = Optimizer(),
            Schedule = schedule,
            Training = new()
            {
                BatchSize = keys.Whole("train_batch_size", 128) * accumulation,
                Accumulation = accumulation,
                Epochs = keys.Whole("num_train_epochs", 10),
                GradientNorm = norm == -1 ? double.MaxValue : norm,
                Precision = keys.Flag("fp16") ? Precision.Bf16 : Precision.Fp32,
                ValidateEvery = keys.Whole("valid_steps", keys.Whole("min_valid_steps", 100)),
                CheckpointEvery = steps is { } all ? Math.Max(1, (int)(all * keys.Number("save_steps_ratio", 0.01)))
                : new TrainingConfig().CheckpointEvery,
            },
            Losses = task == LearningTask.Pretrain ? new()
            {
                Vtc = Weight("use_itc"),
                Vtm = Weight("use_itm"),
                Mlm = Weight("use_mlm"),
                Pem = Weight("use_mpm"),
            } : new(),
            Initialize = Initialize(task),
            Evaluation = new() { BatchSize = keys.Whole("val_batch_size", 128), PairBatchSize = keys.Whole("inference_batch_size", 64) },
        };
        NoteRest(keys, "");
        keys.Problems.ThrowIfAny(keys.File);
        return new ImportedConfig(config, notes);
    }

    private double Weight(string loss) => keys.Flag(loss) ? 1 : 0;

    private LearningTask Task()
    {
        if (keys.Has("ans2label_path")) return LearningTask.QuestionAnswering;
        if (!keys.Has("use_itc")) return LearningTask.Retrieval;
        bool others = keys.Flag("use_itm") || keys.Flag("use_mlm") || keys.Flag("use_mpm");
        return keys.Flag("use_itc") && !others ? LearningTask.Prompter : LearningTask.Pretrain;
    }

    /// <summary>What the reference could do and this program does in one way only.</summary>
    private void CheckFixedValues()
    {
        keys.Must("optim", "adamw");
        keys.Must("img_input_format", "RGB");
        keys.Must("img_pixel_mean", new[] { 0.48145466, 0.4578275, 0.40821073 });
        keys.Must("img_pixel_std", new[] { 0.26862954, 0.26130258, 0.27577711 });
        keys.Must("model_type", "pretrain");
        keys.Must("train_n_clips", 1);
        keys.Must("inference_n_clips", 1);
        keys.Must("max_n_example_per_group", 1);
        keys.Must("classifier", "mlp");
        keys.Must("cls_hidden_scale", 2);
        keys.Must("data_ratio", 1.0);
    }

    private DataConfig Data(LearningTask task, int frames, int size)
    {
        bool pretraining = task is LearningTask.Pretrain or LearningTask.Prompter;
        FrameStrategy strategy = Strategy();
        ClipSettings clip = new()
        {
            Frames = frames,
            Strategy = strategy,
            Size = size,
            DecodeSize = pretraining ? keys.Whole("resize_size", 288) : size,
            TextLength = keys.Whole("max_txt_len", 20),
            Augment = pretraining ? Augmentation.Pretrain : task == LearningTask.QuestionAnswering ? Augmentation.RandAugment
            : Augmentation.None,
            MaskProbability = keys.Flag("use_mlm") ? 0.15 : 0,
            RegionPatch = keys.Flag("use_mpm") ? 1 : 0,
        };
        string? test = keys.Text("inference_txt_db");
        List<CorpusConfig> validation = Corpora("val_datasets", task);
        return new()
        {
            Corpora = Corpora("train_datasets", task),
            Validation = validation,
            Test = test is not null && validation.Count > 0 ? validation[0] with { Name = "test", Annotations = Path(test) } : null,
            Vocabulary = Path(System.IO.Path.Combine(keys.Text("tokenizer_dir") ?? "ext/bert-base-uncased", "vocab.txt")),
            Entities = clip.RegionPatch > 0 && keys.Text("entity_file_path") is { } entities ? Path(entities) : null,
            Answers = task == LearningTask.QuestionAnswering && keys.Text("ans2label_path") is { } answers ? Path(answers) : null,
            Clip = clip,
            EvaluationClip = pretraining ? null : clip with
            {
                Strategy = task == LearningTask.QuestionAnswering || strategy == FrameStrategy.Rand ? FrameStrategy.Uniform : strategy,
                Augment = Augmentation.None,
            },
        };
    }

    private FrameStrategy Strategy()
    {
        string name = keys.Text("frm_sampling_strategy") ?? "rand";
        foreach (FrameStrategy strategy in Enum.GetValues<FrameStrategy>())
            if (string.Equals($"{strategy}", name.Replace("_", "", StringComparison.Ordinal), StringComparison.OrdinalIgnoreCase))
                return strategy;
        keys.Problems.Require(false, "frm_sampling_strategy", name, "headtail, rand, uniform, nlvl_uniform or nlvl_rand");
        return FrameStrategy.Rand;
    }

    private List<CorpusConfig> Corpora(string key, LearningTask task)
    {
        var corpora = new List<CorpusConfig>();
        foreach (JsonNode? entry in keys.Node(key) as JsonArray ?? [])
        {
            string name = $"{entry?["name"]}";
            // Downstream, "txt" is the annotation file, or holds it under the task's name; in pretraining "ann" is.
            JsonNode? annotations = entry?["ann"] ?? (entry?["txt"] is JsonObject byTask ? byTask[keys.Text("task") ?? name]
                : entry?["txt"]);
            if (annotations is null)
            {
                keys.Problems.Require(false, $"{key}[{corpora.Count}]", "without annotations",
                    "an annotation file under \"ann\" or \"txt\"");
                continue;
            }
            string file = $"{annotations}";
            bool pickled = file.EndsWith(".pkl", StringComparison.Ordinal);
            if (pickled) Note(ReferenceKeyFate.Adapted, key, file, "a pickled table is not read: put WebVid's own CSV there");
            bool webvid = pickled || name.StartsWith("webvid", StringComparison.Ordinal), images = name.StartsWith("cc3m",
                StringComparison.Ordinal);
            corpora.Add(new()
            {
                Name = name,
                Annotations = Path(pickled ? System.IO.Path.ChangeExtension(file, ".csv") : file),
                Media = entry?["img"] is { } media ? Path($"{media}") : null,
                Format = webvid ? AnnotationFormat.WebvidCsv : images ? AnnotationFormat.Cc3mJson
                    : task == LearningTask.QuestionAnswering ? AnnotationFormat.QuestionAnswerJsonl : AnnotationFormat.RetrievalJsonl,
                MaxCaptionWords = webvid ? WebvidWords : null,
                MediaExtension = name.Contains("msvd", StringComparison.Ordinal) ? ".avi" : null,
            });
        }
        return corpora;
    }

    private VisionConfig Vision(int frames, int size)
    {
        var vision = new VisionConfig { Frames = frames, ImageSize = size };
        if (keys.Text("visual_model_cfg") is not { } name) return vision;
        if (ReadBeside("visual_model_cfg", name) is not { } file)
            return vision with { ActivationCheckpointing = System.IO.Path.GetFileNameWithoutExtension(name).EndsWith("_gc",
                StringComparison.Ordinal) };
        file.Must("cls", "TimeSformer");
        file.Must("attn_drop_rate", 0);
        file.Must("drop_rate", 0);
        file.Must("use_maxpooling", false);
        vision = vision with
        {
            PatchSize = file.Whole("patch_size", vision.PatchSize),
            Width = file.Whole("embed_dim", vision.Width),
            Depth = file.Whole("depth", vision.Depth),
            Heads = file.Whole("num_heads", vision.Heads),
            MlpRatio = file.Number("mlp_ratio", vision.MlpRatio),
            DropPathRate = file.Number("drop_path_rate", vision.DropPathRate),
            ActivationCheckpointing = file.Flag("gradient_checkpointing"),
        };
        if (vision.ActivationCheckpointing) Note(ReferenceKeyFate.Adapted, "visual_model_cfg.gradient_checkpointing", "true",
            "recomputed parts get their gradients here; model.reference.freezeCheckpointed leaves them as pretrained, as the reference did");
        Finish(file, "visual_model_cfg.");
        return vision;
    }

    private TextConfig Text()
    {
        var text = new TextConfig();
        string copy = System.IO.Path.Combine(System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(keys.File))!, "model_config.json");
        string? name = keys.Text("model_config");
        if (ReadBeside("model_config", System.IO.File.Exists(copy) ? copy : name) is not { } file) return text;
        file.Must("hidden_act", "gelu");
        file.Must("type_vocab_size", 2);
        file.Must("pad_token_id", 0);
        file.Must("itc_token_type", "cls");
        file.Must("model_type", "bert");
        text = new()
        {
            VocabularySize = file.Whole("vocab_size", text.VocabularySize),
            Width = file.Whole("hidden_size", text.Width),
            Layers = file.Whole("num_hidden_layers", text.Layers),
            FusionLayer = file.Whole("fusion_layer", text.FusionLayer),
            Heads = file.Whole("num_attention_heads", text.Heads),
            IntermediateSize = file.Whole("intermediate_size", text.IntermediateSize),
            MaxPositions = file.Whole("max_position_embeddings", text.MaxPositions),
            HiddenDropout = file.Number("hidden_dropout_prob", text.HiddenDropout),
            AttentionDropout = file.Number("attention_probs_dropout_prob", text.AttentionDropout),
            LayerNormEps = file.Number("layer_norm_eps", text.LayerNormEps),
            InitializerRange = file.Number("initializer_range", text.InitializerRange),
        };
        Finish(file, "model_config.");
        return text;
    }

    private OptimizerConfig Optimizer()
    {
        JsonArray? betas = keys.Node("betas") as JsonArray;
        var optimizer = new OptimizerConfig { LearningRate = keys.Number("learning_rate", 5e-5) };
        if (betas is null) return optimizer;
        if (betas is [JsonValue first, JsonValue second] && first.TryGetValue(out double beta1) && second.TryGetValue(out double beta2))
            return optimizer with { Beta1 = beta1, Beta2 = beta2 };
        keys.Problems.Require(false, "betas", betas.ToJsonString(), "two numbers");
        return optimizer;
    }

    private ScheduleConfig Schedule()
    {
        string decay = keys.Text("decay") ?? "linear";
        LearningRateDecay? known = decay switch
        {
            "linear" => LearningRateDecay.Linear,
            "invsqrt" => LearningRateDecay.Invsqrt,
            "constant" => LearningRateDecay.Constant,
            "multi_step" => LearningRateDecay.MultiStep,
            _ => null,
        };
        keys.Problems.Require(known is not null, "decay", decay, "linear, invsqrt, constant or multi_step");
        return new()
        {
            Decay = known ?? LearningRateDecay.Linear,
            WarmupRatio = keys.Number("warmup_ratio", 0.1),
            Milestones = known == LearningRateDecay.MultiStep && keys.Node("step_decay_epochs") is JsonArray epochs
            ? [.. epochs.Select(epoch => epoch!.GetValue<int>())] : [],
        };
    }

    private InitializeConfig Initialize(LearningTask task)
    {
        if (keys.Text("e2e_weights_path") is { } whole) return new() { Checkpoint = Path(whole) };
        string? vision = keys.Text("visual_weights_path");
        if (vision is not null && !vision.Contains('/', StringComparison.Ordinal) && !vision.Contains('.', StringComparison.Ordinal))
        {
            string file = $"ext/{vision}.pth";
            Note(ReferenceKeyFate.Adapted, "visual_weights_path", vision, $"a model that timm downloads: save its state dict as {file}");
            vision = file;
        }
        string text = keys.Text("bert_weights_path") ?? System.IO.Path.Combine(keys.Text("tokenizer_dir") ?? "ext/bert-base-uncased",
            "pytorch_model.bin");
        return new()
        {
            Vision = vision is null ? null : Path(vision),
            Text = Path(text),
            Prompter = task == LearningTask.Pretrain && keys.Text("teacher_weights_path") is { } prompter ? Path(prompter) : null,
        };
    }

    /// <summary>The reference takes as many outputs as there are answers, and 1500 at least.</summary>
    private int Answers(string? file)
    {
        string? full = file is null ? null : System.IO.Path.GetFullPath(file, relativeTo ?? root);
        int known = full is not null && System.IO.File.Exists(full)
            && JsonNode.Parse(System.IO.File.ReadAllBytes(full)) is JsonObject answers ? answers.Count : keys.Whole("num_labels",
            SmallestAnswers);
        return Math.Max(known, SmallestAnswers);
    }

    private ReferenceKeys? ReadBeside(string key, string? name)
    {
        if (name is null) return null;
        string file = System.IO.Path.GetFullPath(name, root);
        if (System.IO.File.Exists(file)) return ReferenceKeys.Read(file);
        Note(ReferenceKeyFate.Adapted, key, name, "there is no such file: the released values are assumed");
        return null;
    }

    private void Finish(ReferenceKeys file, string prefix)
    {
        NoteRest(file, prefix);
        file.Problems.ThrowIfAny(file.File);
    }

    private void NoteRest(ReferenceKeys file, string prefix)
    {
        foreach ((string key, string value) in file.Rest)
        {
            (ReferenceKeyFate fate, string why) = ReferenceKeyTable.Of(key);
            notes.Add(new(fate, prefix + key, value, why));
        }
    }

    private void Note(ReferenceKeyFate fate, string key, string value, string why) => notes.Add(new(fate, key, value, why));

    private string Path(string path)
    {
        string full = System.IO.Path.GetFullPath(path, root);
        return relativeTo is null ? full : System.IO.Path.GetRelativePath(relativeTo, full);
    }

    private static string RootOf(string file)
    {
        for (DirectoryInfo? folder = new FileInfo(file).Directory; folder is not null; folder = folder.Parent)
            if (folder.Name is "output" or "config_release" && folder.Parent is { } parent) return parent.FullName;
        return Directory.GetCurrentDirectory();
    }
}
