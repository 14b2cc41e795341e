using Alpro.Model.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;
using static Alpro.Model.Tests.Checkpoints.TinyModel;

namespace Alpro.Model.Tests.Checkpoints;

public class StateDictTests
{
    [Fact]
    public void Pretraining_checkpoint_loads_whole_and_is_saved_equal_in_both_formats()
    {
        using var folder = new TemporaryFolder();
        var model = new AlproForPretrain(Config());
        using var scope = NewDisposeScope();
        LoadReport report = StateDict.Load(model, Golden("pretrain_init.pt"), LoadMode.Resume);
        Assert.Empty(report.Fresh);
        Assert.Empty(report.Unexpected);
        Assert.Empty(report.Dropped);

        Dictionary<string, Tensor> expected = Expected("pretrain_init.pt");
        foreach (string name in (string[])["saved.pt", "saved.safetensors"])
        {
            StateDict.Save(model, folder.File(name));
            using CheckpointFile saved = CheckpointFile.Open(folder.File(name));
            AssertEqual(expected, saved.ReadAll());
        }
        using CheckpointFile zip = CheckpointFile.Open(folder.File("saved.pt"));
        Assert.Same(zip.Tensors["text_encoder.bert.embeddings.word_embeddings.weight"].Run,
            zip.Tensors["text_encoder.cls.predictions.decoder.weight"].Run);
        Assert.Same(zip.Tensors["text_encoder.cls.predictions.bias"].Run, zip.Tensors["text_encoder.cls.predictions.decoder.bias"].Run);
    }

    [Fact]
    public void Retrieval_at_eight_frames_starts_from_pretraining_at_four_as_the_reference_does()
    {
        var model = new AlproForRetrieval(Config(frames: 8));
        using var scope = NewDisposeScope();
        LoadReport report = StateDict.Load(model, Golden("pretrain_init.pt"), LoadMode.FineTuning);

        Assert.Equal([new ResizedEmbedding("visual_encoder.model.time_embed", 4, 8)], report.Resized);
        Assert.Empty(report.Fresh);
        Assert.Empty(report.Unexpected);
        Assert.All(report.Dropped, key => Assert.Matches("^(prompter|mpm_head)\\.", key));
        AssertEqual(Expected("retrieval_from_pretrain_8frm.pt"), StateDict.Of(model));
        Assert.Contains(report.Lines(), line => line.Contains("time_embed 4 -> 8"));
    }

    [Fact]
    public void Question_answering_starts_from_pretraining_as_the_reference_does()
    {
        var model = new AlproForQuestionAnswering(Config());
        using var scope = NewDisposeScope();
        LoadReport report = StateDict.Load(model, Golden("pretrain_init.pt"), LoadMode.FineTuning);

        Assert.Equal(["classifier.0.bias", "classifier.0.weight", "classifier.2.bias", "classifier.2.weight"], report.Fresh.Order());
        OrderedDictionary<string, Tensor> weights = StateDict.Of(model);
        foreach (string fresh in report.Fresh) weights.Remove(fresh);
        AssertEqual(Expected("qa_from_pretrain.safetensors").Where(entry => !entry.Key.StartsWith("classifier", StringComparison.Ordinal))
            .ToDictionary(), weights);
    }

    [Fact]
    public void Prompter_moves_into_pretraining()
    {
        var model = new AlproForPretrain(Config());
        using var scope = NewDisposeScope();
        LoadReport report = StateDict.Load(model, Golden("prompter_init.pt"), LoadMode.Inference, KeyMap.Prompter);

        Assert.Empty(report.Fresh);
        Assert.All(report.Loaded, key => Assert.StartsWith("prompter.", key));
        OrderedDictionary<string, Tensor> weights = StateDict.Of(model);
        AssertEqual(Expected("prompter_init.pt").ToDictionary(entry => "prompter." + entry.Key, entry => entry.Value),
            weights.Where(entry => entry.Key.StartsWith("prompter.", StringComparison.Ordinal)).ToDictionary());
    }

    [Fact]
    public void Vision_transformer_of_timm_starts_attention_over_space_and_over_time()
    {
        using var folder = new TemporaryFolder();
        var model = new AlproForRetrieval(Config());
        using var scope = NewDisposeScope();
        Dictionary<string, Tensor> vit = Expected("pretrain_init.pt")
            .Where(entry => entry.Key.StartsWith("visual_encoder.model.", StringComparison.Ordinal) && !entry.Key.Contains("temporal")
            && !entry.Key.Contains("time"))
            .ToDictionary(entry => entry.Key["visual_encoder.model.".Length..], entry => entry.Value);
        vit["head.weight"] = zeros(1000, 32);
        vit["pos_embed"] = randn(1, 10, 32);                                // a 3 x 3 grid for one of 4 x 4
        TorchFile.Save(folder.File("vit.pth"), new Dictionary<string, object> { ["model"] = vit });

        LoadReport report = StateDict.Load(model, folder.File("vit.pth"), LoadMode.FineTuning, KeyMap.VisionTransformer);

        OrderedDictionary<string, Tensor> weights = StateDict.Of(model);
        foreach (int block in (int[])[0, 1])
        {
            foreach (string part in (string[])["qkv.weight", "qkv.bias", "proj.weight", "proj.bias"])
            {
                AssertSame(vit[$"blocks.{block}.attn.{part}"], weights[$"visual_encoder.model.blocks.{block}.attn.{part}"], part);
                AssertSame(vit[$"blocks.{block}.attn.{part}"], weights[$"visual_encoder.model.blocks.{block}.temporal_attn.{part}"], part);
            }
            AssertSame(vit[$"blocks.{block}.norm1.weight"], weights[$"visual_encoder.model.blocks.{block}.temporal_norm1.weight"], "norm1");
        }
        AssertSame(vit["pos_embed"][.., ..1], weights["visual_encoder.model.pos_embed"][.., ..1], "class token");
        AssertSame(vit["pos_embed"][.., 1..2], weights["visual_encoder.model.pos_embed"][.., 1..2], "first patch");
        AssertSame(vit["pos_embed"][.., 9..], weights["visual_encoder.model.pos_embed"][.., 16..], "last patch");
        Assert.Equal(["head.bias", "head.weight"], report.Dropped.Order());
        Assert.Equal(new ResizedEmbedding("visual_encoder.model.pos_embed", 10, 17), Assert.Single(report.Resized));
        Assert.All(report.Fresh, key => Assert.Matches("temporal_fc|time_embed|head", key));
        Assert.Empty(report.Unexpected);
    }

    [Fact]
    public void Bert_of_Hugging_Face_enters_text_encoders_with_and_without_head()
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        Dictionary<string, Tensor> expected = Expected("pretrain_init.pt");
        var bert = expected.Where(entry => entry.Key.StartsWith("text_encoder.", StringComparison.Ordinal)
            && !entry.Key.EndsWith("decoder.bias", StringComparison.Ordinal))
            .ToDictionary(entry => entry.Key["text_encoder.".Length..].Replace("LayerNorm.weight",
            "LayerNorm.gamma").Replace("LayerNorm.bias", "LayerNorm.beta"), entry => entry.Value);
        bert["bert.pooler.dense.weight"] = zeros(32, 32);
        bert["cls.seq_relationship.bias"] = zeros(2);
        TorchFile.Save(folder.File("bert.bin"), bert);
        TorchFile.Save(folder.File("bare.bin"),
            bert.Where(entry => entry.Key.StartsWith("bert.", StringComparison.Ordinal)).ToDictionary(entry => entry.Key["bert.".Length..],
            entry => entry.Value));

        var retrieval = new AlproForRetrieval(Config());
        LoadReport report = StateDict.Load(retrieval, folder.File("bert.bin"), LoadMode.FineTuning, KeyMap.Bert);
        Assert.Empty(report.Fresh);
        Assert.Equal(2, report.Dropped.Count);
        AssertEqual(expected.Where(entry => entry.Key.StartsWith("text_encoder.", StringComparison.Ordinal)).ToDictionary(),
            StateDict.Of(retrieval).Where(entry => entry.Key.StartsWith("text_encoder.", StringComparison.Ordinal)).ToDictionary());

        var answering = new AlproForQuestionAnswering(Config());
        foreach (string file in (string[])["bert.bin", "bare.bin"])
        {
            report = StateDict.Load(answering, folder.File(file), LoadMode.FineTuning, KeyMap.Bert);
            Assert.Empty(report.Fresh);
            Assert.Empty(report.Unexpected);
            AssertSame(expected["text_encoder.bert.encoder.layer.3.output.LayerNorm.weight"],
                StateDict.Of(answering)["text_encoder.encoder.layer.3.output.LayerNorm.weight"], file);
        }
    }

    [Fact]
    public void Inference_names_every_weight_it_needs_and_does_not_get()
    {
        using var folder = new TemporaryFolder();
        var model = new AlproForRetrieval(Config());
        using var scope = NewDisposeScope();
        OrderedDictionary<string, Tensor> weights = StateDict.Of(model);
        string[] needless = ["visual_encoder.model.head.weight", "text_encoder.bert.embeddings.position_ids",
            "text_encoder.cls.predictions.transform.dense.bias"];
        foreach (string key in needless) weights.Remove(key);
        Safetensors.Save(folder.File("enough.safetensors"), weights);
        weights.Remove("itm_head.weight");
        weights.Remove("visual_encoder.model.blocks.1.attn.qkv.bias");
        Safetensors.Save(folder.File("lacking.safetensors"), weights);

        Assert.Equal(needless.Order(), StateDict.Load(model, folder.File("enough.safetensors"), LoadMode.Inference).Fresh.Order());
        string message = Assert.Throws<CheckpointException>(
            () => StateDict.Load(model, folder.File("lacking.safetensors"), LoadMode.Inference)).Message;
        Assert.StartsWith(folder.File("lacking.safetensors"), message);
        Assert.Contains("2 missing", message);
        Assert.Contains("itm_head.weight", message);
        Assert.Contains("visual_encoder.model.blocks.1.attn.qkv.bias", message);
        Assert.Equal(5, StateDict.Load(model, folder.File("lacking.safetensors"), LoadMode.FineTuning).Fresh.Count);
    }

    [Fact]
    public void Everything_that_does_not_fit_is_told_at_once_and_nothing_is_loaded()
    {
        using var folder = new TemporaryFolder();
        var model = new AlproForRetrieval(Config());
        using var scope = NewDisposeScope();
        OrderedDictionary<string, Tensor> weights = StateDict.Of(model), altered = new(weights);
        altered["itm_head.weight"] = zeros(3, 32);
        altered["itm_head.bias"] = zeros(2, ScalarType.Int32);
        altered["temp"] = tensor(0.3f);
        altered["text_encoder.cls.predictions.decoder.weight"] = zeros(320, 32);
        altered["visual_encoder.model.time_embed"] = zeros(1, 9, 32);
        altered["surplus"] = zeros(1);
        altered.Remove("vision_proj.bias");
        TorchFile.Save(folder.File("altered.pt"), altered);
        float temperature = weights["temp"].item<float>();

        string message = Assert.Throws<CheckpointException>(
            () => StateDict.Load(model, folder.File("altered.pt"), LoadMode.Resume)).Message;
        Assert.Contains("2 of another shape: ", message);
        Assert.Contains("itm_head.weight is float32 [3, 32], the model's [2, 32]", message);
        Assert.Contains("visual_encoder.model.time_embed is float32 [1, 9, 32], the model's [1, 4, 32]", message);
        Assert.Contains("1 of another type: itm_head.bias is int32, the model's float32", message);
        Assert.Contains("1 tied here but different in the file: ", message);
        Assert.Contains("1 missing: vision_proj.bias", message);
        Assert.Contains("1 unexpected: surplus", message);
        Assert.Equal(temperature, weights["temp"].item<float>());

        message = Assert.Throws<CheckpointException>(() => StateDict.Load(model, folder.File("altered.pt"), LoadMode.FineTuning)).Message;
        Assert.DoesNotContain("missing", message);
        Assert.DoesNotContain("time_embed", message);
        Assert.Contains("itm_head.weight", message);
    }

    [Fact]
    public void A_checkpoint_of_something_else_is_refused()
    {
        var model = new AlproForRetrieval(Config());
        var fault = Assert.Throws<CheckpointException>(
            () => StateDict.Load(model, Path.Combine(Locations.Golden, "checkpoints", "dtypes_zip.pt"), LoadMode.FineTuning));
        Assert.Contains("16 unexpected", fault.Message);
    }

    [Fact]
    public void Wrapped_state_dicts_are_found_and_lose_the_prefix_of_data_parallel_training()
    {
        using CheckpointFile wrapped = CheckpointFile.Open(Path.Combine(Locations.Golden, "checkpoints", "wrapped_state_dict.pt"));
        Assert.Equal("state_dict/module.a_f32", StateDict.Find(wrapped)["a_f32"]);
        Assert.Equal(16, StateDict.Find(wrapped).Count);
        using CheckpointFile restore = CheckpointFile.Open(Path.Combine(Locations.Golden, "checkpoints", "restore.pt"));
        Assert.Equal(["weight", "bias"], StateDict.Find(restore).Keys);
    }

    [Fact]
    public void Half_precision_weights_load_into_single_precision()
    {
        using var folder = new TemporaryFolder();
        var model = new AlproForRetrieval(Config());
        using var scope = NewDisposeScope();
        TorchFile.Save(folder.File("half.pt"), StateDict.Of(model).ToDictionary(entry => entry.Key,
            entry => entry.Value.is_floating_point() ? entry.Value.half() : entry.Value));
        Tensor before = model.vision_proj.weight!.clone();
        StateDict.Load(model, folder.File("half.pt"), LoadMode.Inference);
        AssertSame(before.half().@float(), model.vision_proj.weight!, "vision_proj.weight");
    }

    private static void AssertEqual(IReadOnlyDictionary<string, Tensor> expected, IReadOnlyDictionary<string, Tensor> actual)
    {
        Assert.Equal(expected.Keys.Order(), actual.Keys.Order());
        foreach ((string key, Tensor tensor) in expected) AssertSame(tensor, actual[key], key);
    }

    private static void AssertSame(Tensor expected, Tensor actual, string name)
    {
        Assert.Equal(expected.shape, actual.shape);
        Assert.Equal(expected.dtype, actual.dtype);
        Assert.True(expected.equal(actual).all().item<bool>(), $"{name} differs");
    }
}
