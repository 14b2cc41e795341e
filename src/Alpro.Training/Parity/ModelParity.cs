using System.Runtime.InteropServices;
using System.Text.Json;
using Alpro.Model;
using Alpro.Model.Checkpoints;
using Alpro.Training.Optimization;
using static TorchSharp.torch;

namespace Alpro.Training.Parity;

/// <summary>
/// Checks the models against golden numbers of the released code: outputs, losses, gradients and three optimizer steps. Reads whatever
/// of <c>golden/model</c> lies in a folder; sizes come from its <c>config.json</c>.
/// </summary>
internal static class ModelParity
{
    /// <summary>One row per item of every golden file in the folder; a file that cannot be checked is a row that failed.</summary>
    /// <param name="directory">The folder.</param>
    /// <param name="device">Where the models compute, with TF32 off; null for the CPU.</param>
    public static IReadOnlyList<ParityRow> Check(string directory, Device? device = null)
    {
        string config = Path.Combine(directory, "config.json");
        if (!File.Exists(config)) return [];
        try
        {
            GoldenSizes sizes = GoldenSizes.Read(config);
            using var exact = new Tf32Off();
            return [.. _checks.Where(check => File.Exists(Path.Combine(directory, check.File)))
                .SelectMany(check => Rows(directory, check.File, check.Check, sizes, device ?? CPU))];
        }
        catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return [Failed("config.json", exception)];
        }
    }

    private static IEnumerable<ParityRow> Rows(string directory, string file, Func<Golden, GoldenSizes, IEnumerable<Comparison>> check,
        GoldenSizes sizes, Device device)
    {
        try
        {
            using var scope = NewDisposeScope();
            return [.. check(Golden.Open(directory, Path.Combine(directory, file), device), sizes).Select(comparison => comparison.Row())];
        }
        catch (Exception exception) when (exception is CheckpointException or KeyNotFoundException or ExternalException
            or ArgumentException)
        {
            return [Failed(file, exception)];
        }
    }

    private static ParityRow Failed(string item, Exception fault) => new(item, 0, 0, 0, "", false, fault.Message);

    private static readonly (string File, Func<Golden, GoldenSizes, IEnumerable<Comparison>> Check)[] _checks =
    [
        ("features.safetensors", Features),
        ("resize.safetensors", Resize),
        ("prompts.safetensors", Prompts),
        ("prompter.safetensors", PrompterStep),
        ("pretrain_steps.safetensors", PretrainSteps),
        ("retrieval.safetensors", Retrieval),
        ("qa.safetensors", QuestionAnswering),
        ("retrieval_from_pretrain_8frm.pt", RetrievalFromPretraining),
        ("qa_from_pretrain.safetensors", QuestionAnsweringFromPretraining),
    ];

    private static IEnumerable<Comparison> Features(Golden golden, GoldenSizes sizes)
    {
        using var model = golden.Load("pretrain_init.pt", () => new AlproForPretrain(sizes.Model)).Evaluating();
        using var noGrad = no_grad();
        var values = new Comparison("features", Comparison.Values);
        Tensor video = golden["visual_inputs"];
        values.Add("patch_embed", golden["patch_embed"], model.visual_encoder.model.patch_embed.Forward(video.flatten(0, 1)));
        var (videoTokens, videoFeatures) = model.EncodeVideo(video);
        var (textTokens, textFeatures) = model.EncodeText(golden["text_input_ids"], golden["text_input_mask"]);
        values.Add("video_embeds", golden["video_embeds"], videoTokens);
        values.Add("video_feat", golden["video_feat"], videoFeatures);
        values.Add("text_embeds", golden["text_embeds"], textTokens);
        values.Add("text_feat", golden["text_feat"], textFeatures);
        PseudoLabels labels = model.prompter.Label(video, isVideo: true);
        values.Add("pseudo_labels", golden["pseudo_labels"], labels.Probabilities_BE);
        var ignored = new Comparison("features: clips ignored", Comparison.Exact);
        ignored.Add("ignore_mask_reference", golden["ignore_mask_reference"], labels.Ignored_B);
        return [values, ignored];
    }

    private static IEnumerable<Comparison> Resize(Golden golden, GoldenSizes sizes)
    {
        using var model = golden.Load("retrieval.pt", () => new AlproForRetrieval(sizes.Model)).Evaluating();
        using var noGrad = no_grad();
        var values = new Comparison("resize: more frames than embeddings", Comparison.Values);
        values.Add("frames8_tokens", golden["frames8_tokens"], model.visual_encoder.model.Forward(golden["frames8"].transpose(1, 2)));
        return [values];
    }

    private static IEnumerable<Comparison> Prompts(Golden golden, GoldenSizes sizes)
    {
        using var model = golden.Load("pretrain_init.pt", () => new AlproForPretrain(sizes.Model));
        model.prompter.BuildEntityPrompts((golden["video_ids"], golden["video_mask"]), (golden["image_ids"], golden["image_mask"]));
        var values = new Comparison("prompts", Comparison.Values);
        values.Add("video_prompt_feat", golden["video_prompt_feat"], model.prompter.video_prompt_feat);
        values.Add("image_prompt_feat", golden["image_prompt_feat"], model.prompter.image_prompt_feat);
        return [values];
    }

    private static IEnumerable<Comparison> PrompterStep(Golden golden, GoldenSizes sizes)
    {
        using var model = golden.Load("prompter_init.pt", () => new Prompter(sizes.Model));
        var values = new Comparison("prompter: loss and scores", Comparison.Values);
        ModelLosses losses = model.Forward(golden.Inputs(""));
        losses.Total.backward();
        values.Add("vtc_loss", golden["vtc_loss"], losses.Total);
        Tensor scores = losses["vtc"].Logits!.log_softmax(1);
        long clips = scores.shape[1];
        values.Add("v2t_log_softmax", golden["v2t_log_softmax"], scores.narrow(0, 0, clips));
        values.Add("t2v_log_softmax", golden["t2v_log_softmax"], scores.narrow(0, clips, clips));
        return [values, golden.Gradients("prompter: gradients", "grad/", model)];
    }

    private static IEnumerable<Comparison> PretrainSteps(Golden golden, GoldenSizes sizes)
    {
        using var model = golden.Load("pretrain_init.pt", () => new AlproForPretrain(sizes.Model));
        using var parameters = new FlatParameters(model);
        using var optimizer = new AdamW(parameters, sizes.Optimizer);
        var schedule = new LearningRateSchedule(sizes.Schedule, sizes.Optimizer.LearningRate, sizes.TotalSteps);
        var values = new Comparison("pretrain: three steps, losses and logits", Comparison.Values);
        var comparisons = new List<Comparison> { values };
        for (int step = 0; golden.Has($"out{step}/loss"); step++)
        {
            using var scope = NewDisposeScope();
            ModelInputs inputs = golden.Inputs($"batch{step}/");
            ModelLosses losses = model.Forward(inputs, golden.Negatives($"batch{step}/"));
            losses.Total.backward();
            if (step == 0) comparisons.Add(golden.Gradients("pretrain: gradients", "grad0/", model));

            foreach ((string name, Tensor actual) in new[]
            {
                ("vtc_loss", losses["vtc"].Loss), ("vtm_loss", losses["vtm"].Loss), ("mlm_loss", losses["mlm"].Loss),
                ("pem_loss", losses["pem"].Loss),
                ("loss", losses.Total), ("vtm_logits", losses["vtm"].Logits!), ("pem_logits", losses["pem"].Logits!),
                ("pem_soft_labels", model.prompter.Label(inputs.CropVideo_BTCHW!, inputs.IsVideo).Probabilities_BE),
            }) values.Add($"out{step}/{name}", golden[$"out{step}/{name}"], actual);
            values.Add($"out{step}/mlm_logits", golden[$"out{step}/mlm_logits"].flatten(0, 1).index_select(0, inputs.MaskPositions!),
                losses["mlm"].Logits!);

            double rate = schedule.At(step + 1), norm = optimizer.ClippedStep(rate, sizes.GradientNorm);
            values.Add($"out{step}/grad_norm", golden[$"out{step}/grad_norm"], tensor(norm));
            values.Add($"out{step}/lr", golden[$"out{step}/lr"], tensor(rate));
            values.Add($"temp_after[{step}]", sizes.Temperatures[step], model.temp.item<float>());
        }
        var final = new Comparison("pretrain: parameters after the steps", Comparison.Parameters);
        foreach ((string name, var parameter) in model.named_parameters().Where(named => named.parameter.requires_grad)) final.Add(name,
            golden[$"final/{name}"], parameter);
        return [.. comparisons, final];
    }

    private static IEnumerable<Comparison> Retrieval(Golden golden, GoldenSizes sizes)
    {
        using var model = golden.Load("retrieval.pt", () => new AlproForRetrieval(sizes.Model));
        var values = new Comparison("retrieval: losses and logits", Comparison.Values);
        ModelLosses losses = model.Forward(golden.Inputs(""), golden.Negatives(""));
        losses.Total.backward();
        values.Add("vtc_loss", golden["vtc_loss"], losses["vtc"].Loss);
        values.Add("vtm_loss", golden["vtm_loss"], losses["vtm"].Loss);
        values.Add("vtm_logits", golden["vtm_logits"], losses["vtm"].Logits!);
        Comparison gradients = golden.Gradients("retrieval: gradients", "grad/", model);

        model.eval();
        using var noGrad = no_grad();
        var pairwise = new Comparison("retrieval: pairwise evaluation", Comparison.Values);
        var (video_VMD, video_VF) = model.EncodeVideo(golden["eval_visual_inputs"]);
        Tensor mask_TL = golden["eval_text_input_mask"];
        var (text_TLD, text_TF) = model.EncodeText(golden["eval_text_input_ids"], mask_TL);
        long texts = mask_TL.shape[0];
        pairwise.Add("eval_vtc_scores", golden["eval_vtc_scores"], model.Compare(video_VF, text_TF));
        for (long v = 0; v < video_VMD.shape[0]; v++)
            pairwise.Add($"eval_vtm_logits[{v}]", golden["eval_vtm_logits"].select(0, v),
                model.Match(new(text_TLD, mask_TL, video_VMD.narrow(0, v, 1).expand(texts, -1, -1))));
        return [values, gradients, pairwise];
    }

    private static IEnumerable<Comparison> QuestionAnswering(Golden golden, GoldenSizes sizes)
    {
        using var model = golden.Load("qa.pt", () => new AlproForQuestionAnswering(sizes.Model));
        var values = new Comparison("question answering: loss and logits", Comparison.Values);
        ModelLosses losses = model.Forward(golden.Inputs(""));
        losses.Total.backward();
        values.Add("loss", golden["loss"], losses.Total);
        values.Add("logits", golden["logits"], losses["qa"].Logits!);
        return [values, golden.Gradients("question answering: gradients", "grad/", model)];
    }

    private static IEnumerable<Comparison> RetrievalFromPretraining(Golden golden, GoldenSizes sizes)
    {
        int frames = (int)golden["visual_encoder.model.time_embed"].shape[1];
        using var model = golden.Move(new AlproForRetrieval(sizes.Model with { Vision = sizes.Model.Vision with { Frames = frames } }));
        return [golden.Weights($"retrieval from pretraining: weights at {frames} frames", model)];
    }

    private static IEnumerable<Comparison> QuestionAnsweringFromPretraining(Golden golden, GoldenSizes sizes)
    {
        using var model = golden.Move(new AlproForQuestionAnswering(sizes.Model));
        return [golden.Weights("question answering from pretraining: weights", model)];
    }

    private static T Evaluating<T>(this T model) where T : AlproModel
    {
        model.eval();
        return model;
    }
}
