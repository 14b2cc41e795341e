using Alpro.Data.Corpora.Annotations;
using Alpro.Model;
using Alpro.Training.Configuration;
using Alpro.Training.Configuration.Reference;
using Alpro.Training.Tasks;

namespace Alpro.Training.Tests.Configuration.Reference;

/// <summary>Configurations with the keys and values of the released ones must become the recipes that ship with this program.</summary>
public sealed class ReferenceConfigTests : IDisposable
{
    private const string Shared = """
        "img_pixel_mean": [0.48145466, 0.4578275, 0.40821073], "img_pixel_std": [0.26862954, 0.26130258, 0.27577711], "img_input_format": "RGB",
        "model_config": "config_release/base_model.json", "tokenizer_dir": "ext/bert-base-uncased/", "crop_img_size": 224, "resize_size": 256,
        "decay": "linear", "optim": "adamw", "betas": [0.9, 0.98], "dropout": 0.1, "weight_decay": 1e-3, "seed": 42, "fp16": 0
        """;

    private const string Retrieval = $$"""
        { {{Shared}},
          "train_datasets": [ { "name": "msrvtt", "txt": "data/msrvtt_ret/txt/train.jsonl", "img": "data/msrvtt_ret/videos" } ],
          "val_datasets": [ { "name": "msrvtt_retrieval", "txt": "data/msrvtt_ret/txt/val.jsonl", "img": "data/msrvtt_ret/videos" } ],
          "max_txt_len": 40, "train_n_clips": 1, "visual_model_cfg": "config_release/timesformer.json",
          "e2e_weights_path": "output/pretrain/alpro_pretrained_ckpt.pt", "num_frm": 8, "train_batch_size": 8, "val_batch_size": 8,
          "gradient_accumulation_steps": 1, "num_train_epochs": 5, "min_valid_steps": 100, "num_valid": 20, "learning_rate": 2.5e-5, "grad_norm": 5.0, "num_workers": 4 }
        """;

    private const string QuestionAnswering = $$"""
        { {{Shared}},
          "train_datasets": [ { "name": "msvd_qa", "txt": { "msvd_qa": "data/msvd_qa/txt/train.jsonl" }, "img": "data/msvd_qa/videos" } ],
          "val_datasets": [ { "name": "msvd_qa", "txt": { "msvd_qa": "data/msvd_qa/txt/val.jsonl" }, "img": "data/msvd_qa/videos" } ],
          "ans2label_path": "data/msvd_qa/txt/train_ans2label.json", "num_labels": 2423, "max_txt_len": 40, "train_n_clips": 1, "num_frm": 16,
          "visual_model_cfg": "config_release/timesformer_gc.json", "e2e_weights_path": "output/pretrain/alpro_pretrained_ckpt.pt",
          "train_batch_size": 12, "val_batch_size": 12, "gradient_accumulation_steps": 2, "num_train_epochs": 15, "min_valid_steps": 50, "num_valid": 30,
          "learning_rate": 5e-5, "grad_norm": 20.0, "cnn_lr_decay": "linear", "save_steps_ratio": 0.05, "classifier": "mlp", "cls_hidden_scale": 2,
          "task": "msvd_qa", "num_workers": 4 }
        """;

    private const string Pretraining = $$"""
        { {{Shared}},
          "train_datasets": [ { "name": "webvid2m", "ann": "data/webvid2m/txt/train.pkl", "txt": null, "img": "data/webvid2m/videos" },
                              { "name": "cc3m", "ann": "data/cc3m/txt/cc3m.json", "txt": null, "img": null } ],
          "val_datasets": [ { "name": "webvid2m", "ann": "data/webvid2m/txt/val.pkl", "txt": null, "img": "data/webvid2m/videos" } ],
          "model_type": "pretrain", "visual_model_cfg": "config_release/timesformer.json", "visual_weights_path": "vit_base_patch16_224",
          "teacher_weights_path": "output/pretrain/prompter_pretrained.pt", "entity_file_path": "data/unigrams.txt", "max_txt_len": 30,
          "train_batch_size": 16, "val_batch_size": 16, "gradient_accumulation_steps": 1, "num_train_epochs": 10, "min_valid_steps": 10, "num_valid": 10,
          "learning_rate": 1e-4, "grad_norm": 20.0, "use_itm": 1, "use_mlm": 1, "use_itc": 1, "use_mpm": 1, "n_workers": 4, "save_steps_ratio": 0.01,
          "frm_sampling_strategy": "headtail", "num_frm": 4, "fps": 0.5, "debug": false, "warmup_ratio": 0.05, "log_interval": 100 }
        """;

    private const string Vision = """
        { "cls": "TimeSformer", "patch_size": 16, "attn_drop_rate": 0, "drop_rate": 0, "drop_path_rate": 0.1, "maxpool_kernel_size": 2, "use_maxpooling": false, "gradient_checkpointing": GC }
        """;

    private const string Bert = """
        { "attention_probs_dropout_prob": 0.1, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "hidden_size": 768, "initializer_range": 0.02, "intermediate_size": 3072,
          "layer_norm_eps": 1e-12, "max_position_embeddings": 512, "model_type": "bert", "num_attention_heads": 12, "num_hidden_layers": 12, "pad_token_id": 0,
          "type_vocab_size": 2, "vocab_size": 30522, "fusion_layer": 6, "encoder_width": 768, "itc_token_type": "cls" }
        """;

    private readonly TemporaryFolder _folder = new();

    public ReferenceConfigTests()
    {
        Directory.CreateDirectory(_folder.File("config_release"));
        File.WriteAllText(_folder.File("config_release/base_model.json"), Bert);
        File.WriteAllText(_folder.File("config_release/timesformer.json"), Vision.Replace("GC", "false"));
        File.WriteAllText(_folder.File("config_release/timesformer_gc.json"), Vision.Replace("GC", "true"));
    }

    public void Dispose() => _folder.Dispose();

    private ImportedConfig Import(string text, string name = "config_release/run.json")
    {
        string file = _folder.File(name);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
        return ReferenceConfig.Import(file);
    }

    [Fact]
    public void File_that_is_no_configuration_of_the_released_code_is_refused() =>
        Assert.Contains("has neither \"train_datasets\" nor \"val_datasets\"", Assert.Throws<ConfigException>(() => Import("{}")).Message,
        StringComparison.Ordinal);

    /// <summary>A shipped recipe; the files it names need not be there.</summary>
    private static RunConfig Recipe(string name)
    {
        string text = string.Join('\n', File.ReadLines(Path.Combine(Locations.Root, "config", name))
            .Where(line => !line.TrimStart().StartsWith("//", StringComparison.Ordinal)));
        return ConfigLoader.FromJson(text);
    }

    private static string Json<T>(T value) => System.Text.Json.JsonSerializer.Serialize(value, ConfigLoader.Json);

    private static IEnumerable<string> Keys(ImportedConfig imported, ReferenceKeyFate fate) =>
        imported.Notes.Where(note => note.Fate == fate).Select(note => note.Key).Order();

    [Fact]
    public void The_retrieval_recipe_comes_out()
    {
        ImportedConfig imported = Import(Retrieval);
        RunConfig recipe = Recipe("msrvtt-retrieval.json"), config = imported.Config;
        Assert.Equal(LearningTask.Retrieval, config.Task);
        Assert.Equal(Json(recipe.Model), Json(config.Model));
        Assert.Equal(Json(recipe.Data.Clip), Json(config.Data.Clip));
        Assert.Equal(Json(recipe.Data.EvaluationClip), Json(config.Data.EvaluationClip));
        Assert.Equal(Json(recipe.Optimizer), Json(config.Optimizer));
        Assert.Equal(Json(recipe.Schedule), Json(config.Schedule));
        Assert.Equal((8, 1, 5, 5.0), (config.Training.BatchSize, config.Training.Accumulation, config.Training.Epochs!.Value,
            config.Training.GradientNorm));
        Assert.Equal(_folder.File("data/msrvtt_ret/txt/train.jsonl"), config.Data.Corpora[0].Annotations);
        Assert.Equal(_folder.File("output/pretrain/alpro_pretrained_ckpt.pt"), config.Initialize.Checkpoint);
        Assert.Equal(["dropout", "model_config.encoder_width", "num_workers", "resize_size", "visual_model_cfg.maxpool_kernel_size",
            "weight_decay"], Keys(imported, ReferenceKeyFate.NoEffect));
        Assert.Empty(Keys(imported, ReferenceKeyFate.Unknown));
    }

    [Fact]
    public void The_question_answering_recipe_comes_out()
    {
        ImportedConfig imported = Import(QuestionAnswering);
        RunConfig recipe = Recipe("msvd-qa.json"), config = imported.Config;
        Assert.Equal(LearningTask.QuestionAnswering, config.Task);
        Assert.Equal(Json(recipe.Model), Json(config.Model));
        Assert.Equal(Json(recipe.Data.Clip), Json(config.Data.Clip));
        Assert.Equal(Json(recipe.Data.EvaluationClip), Json(config.Data.EvaluationClip));
        Assert.Equal((24, 2, 15, 20.0), (config.Training.BatchSize, config.Training.Accumulation, config.Training.Epochs!.Value,
            config.Training.GradientNorm));
        Assert.Equal(".avi", config.Data.Corpora[0].MediaExtension);
        Assert.Equal(_folder.File("data/msvd_qa/txt/val.jsonl"), config.Data.Validation[0].Annotations);
        Assert.Contains("visual_model_cfg.gradient_checkpointing", Keys(imported, ReferenceKeyFate.Adapted));
        Assert.Contains("cnn_lr_decay", Keys(imported, ReferenceKeyFate.NoEffect));
        Assert.Empty(Keys(imported, ReferenceKeyFate.Unknown));
    }

    [Fact]
    public void Packed_recipes_differ_from_the_plain_ones_in_their_corpora_alone()
    {
        foreach (string name in (string[])["pretrain", "prompter"])
        {
            RunConfig plain = Recipe($"{name}.json"), packed = Recipe($"{name}-packed.json");
            Assert.Equal(plain.Data.Corpora.Concat(plain.Data.Validation).Select(corpus => $"../data/packed/{corpus.Name}/index"),
                packed.Data.Corpora.Concat(packed.Data.Validation).Select(corpus => corpus.Annotations));
            DataConfig data = plain.Data with { Corpora = packed.Data.Corpora, Validation = packed.Data.Validation };
            Assert.Equal(Json(plain with { Data = data }), Json(packed));
        }
    }

    [Fact]
    public void The_pretraining_recipes_come_out()
    {
        ImportedConfig imported = Import(Pretraining);
        RunConfig recipe = Recipe("pretrain.json"), config = imported.Config;
        Assert.Equal(LearningTask.Pretrain, config.Task);
        Assert.Equal(Json(recipe.Model), Json(config.Model));
        Assert.Equal(Json(recipe.Data.Clip), Json(config.Data.Clip));
        Assert.Equal(Json(recipe.Optimizer), Json(config.Optimizer));
        Assert.Equal(Json(recipe.Schedule), Json(config.Schedule));
        Assert.Equal((AnnotationFormat.WebvidCsv, 80), (config.Data.Corpora[0].Format, config.Data.Corpora[0].MaxCaptionWords!.Value));
        foreach (string name in (string[])["pretrain.json", "prompter.json"])
            Assert.Equal([80, 80], Recipe(name).Data.Corpora.Take(1).Concat(Recipe(name).Data.Validation)
                .Select(corpus => corpus.MaxCaptionWords!.Value));
        Assert.EndsWith("data/webvid2m/txt/train.csv", config.Data.Corpora[0].Annotations);
        Assert.Equal((AnnotationFormat.Cc3mJson, null), (config.Data.Corpora[1].Format, config.Data.Corpora[1].Media));
        Assert.Equal(_folder.File("output/pretrain/prompter_pretrained.pt"), config.Initialize.Prompter);
        Assert.Equal(_folder.File("ext/vit_base_patch16_224.pth"), config.Initialize.Vision);
        Assert.Equal(_folder.File("ext/bert-base-uncased/pytorch_model.bin"), config.Initialize.Text);
        Assert.Equal(_folder.File("data/unigrams.txt"), config.Data.Entities);
        Assert.Equal(["debug", "log_interval", "n_workers"], Keys(imported, ReferenceKeyFate.Elsewhere));

        config = Import(Pretraining.Replace("\"use_itm\": 1, \"use_mlm\": 1, \"use_itc\": 1, \"use_mpm\": 1",
            "\"use_itm\": 0, \"use_mlm\": 0, \"use_itc\": 1")).Config;
        Assert.Equal(LearningTask.Prompter, config.Task);
        Assert.Equal(Json(Recipe("prompter.json").Data.Clip), Json(config.Data.Clip));
        Assert.Null(config.Initialize.Prompter);
    }

    [Fact]
    public void A_run_folder_is_read_with_its_model_config_and_its_computed_values()
    {
        string args = Retrieval.Replace("\"num_workers\": 4", "\"n_gpu\": 8, \"num_train_steps\": 14063, \"valid_steps\": 800, "
            + "\"save_steps_ratio\": 0.01, \"output_dir\": \"/elsewhere\", \"train_ratio\": 1, \"bert_weights_path\": null, "
            + "\"inference_txt_db\": \"data/msrvtt_ret/txt/test.jsonl\"");
        Directory.CreateDirectory(_folder.File("output/downstreams/msrvtt_ret/public/log"));
        File.WriteAllText(_folder.File("output/downstreams/msrvtt_ret/public/log/model_config.json"),
            Bert.Replace("\"hidden_dropout_prob\": 0.1", "\"hidden_dropout_prob\": 0.25"));
        File.Delete(_folder.File("config_release/timesformer.json"));

        ImportedConfig imported = Import(args, "output/downstreams/msrvtt_ret/public/log/args.json");

        Assert.Equal(0.25, imported.Config.Model.Text.HiddenDropout);
        Assert.Equal((800, 140), (imported.Config.Training.ValidateEvery, imported.Config.Training.CheckpointEvery));
        Assert.Equal(_folder.File("data/msrvtt_ret/txt/test.jsonl"), imported.Config.Data.Test!.Annotations);
        Assert.Equal(["train_ratio"], Keys(imported, ReferenceKeyFate.Unknown));
        Assert.Contains("visual_model_cfg", Keys(imported, ReferenceKeyFate.Adapted));
        Assert.Equal(["n_gpu", "output_dir"], Keys(imported, ReferenceKeyFate.Elsewhere));
    }

    [Fact]
    public void Sizes_that_the_vision_file_states_are_taken()
    {
        File.WriteAllText(_folder.File("config_release/timesformer.json"),
            Vision.Replace("GC", "false").Replace("\"patch_size\": 16",
            "\"patch_size\": 8, \"embed_dim\": 32, \"depth\": 2, \"num_heads\": 4, \"mlp_ratio\": 2"));
        VisionConfig vision = Import(Retrieval).Config.Model.Vision;
        Assert.Equal((8, 32, 2, 4, 2.0), (vision.PatchSize, vision.Width, vision.Depth, vision.Heads, vision.MlpRatio));
    }

    [Fact]
    public void What_is_written_can_be_loaded_from_another_folder()
    {
        string file = _folder.File("config_release/run.json");
        File.WriteAllText(file, Retrieval);
        foreach (string name in (string[])["data/msrvtt_ret/txt/train.jsonl", "data/msrvtt_ret/txt/val.jsonl",
            "ext/bert-base-uncased/vocab.txt", "output/pretrain/alpro_pretrained_ckpt.pt"])
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_folder.File(name))!);
            File.WriteAllText(_folder.File(name), "");
        }
        Directory.CreateDirectory(_folder.File("data/msrvtt_ret/videos"));
        Directory.CreateDirectory(_folder.File("mine"));

        File.WriteAllText(_folder.File("mine/run.json"),
            ConfigLoader.ToJson(ReferenceConfig.Import(file, relativeTo: _folder.File("mine")).Config));

        Assert.Equal(_folder.File("data/msrvtt_ret/videos"), ConfigLoader.Load(_folder.File("mine/run.json")).Data.Corpora[0].Media);
        Assert.DoesNotContain(_folder.Path, File.ReadAllText(_folder.File("mine/run.json")));
    }

    [Fact]
    public void Values_that_are_not_supported_are_named_together()
    {
        string message = Assert.Throws<ConfigException>(() => Import(Retrieval
            .Replace("\"optim\": \"adamw\"", "\"optim\": \"adamax\"").Replace("\"train_n_clips\": 1", "\"train_n_clips\": 3")
            .Replace("\"decay\": \"linear\"", "\"decay\": \"cosine\"").Replace("\"num_frm\": 8", "\"num_frm\": \"eight\""))).Message;
        Assert.Contains("4 problems", message);
        Assert.Contains("optim: is \"adamax\"; expected \"adamw\"", message);
        Assert.Contains("train_n_clips: is 3; expected 1", message);
        Assert.Contains("decay: is cosine", message);
        Assert.Contains("num_frm: is \"eight\"; expected a number", message);
        Assert.Matches("line 6: train_n_clips", message);
    }
}
