using Alpro.Model;
using Alpro.Model.Arithmetic;
using Alpro.Model.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Alpro.Training.Parity;

/// <summary>The tensors of one golden file, and the checkpoints beside it, on the device where models are checked.</summary>
internal sealed record Golden(string Directory, Device Device, IReadOnlyDictionary<string, Tensor> Tensors)
{
    /// <summary>The tensors of a file; they live as long as the caller's dispose scope.</summary>
    public static Golden Open(string directory, string path, Device device)
    {
        using CheckpointFile file = CheckpointFile.Open(path);
        return new(directory, device, file.ReadAll().ToDictionary(entry => entry.Key, entry => entry.Value.to(device)));
    }

    public Tensor this[string name] => Tensors.TryGetValue(name, out Tensor? tensor) ? tensor
        : throw new KeyNotFoundException($"no tensor '{name}'");

    public bool Has(string name) => Tensors.ContainsKey(name);

    /// <summary>
    /// A model on the device, with fresh weights. A move replaces the parameters: whoever flattens them does it after this.
    /// </summary>
    public T Move<T>(T model) where T : AlproModel => (T)model.to(Device);

    /// <summary>A model on the device with the weights of a checkpoint, every one of them.</summary>
    public T Load<T>(string checkpoint, Func<T> build) where T : AlproModel
    {
        T model = Move(build());
        StateDict.Load(model, Path.Combine(Directory, checkpoint), LoadMode.Resume);
        return model;
    }

    /// <summary>The weights of a downstream model after it has been loaded from the pretraining checkpoint.</summary>
    public Comparison Weights(string item, AlproModel model)
    {
        StateDict.Load(model, Path.Combine(Directory, "pretrain_init.pt"), LoadMode.FineTuning);
        var comparison = new Comparison(item, Comparison.Exact);
        var weights = StateDict.Of(model);
        foreach ((string name, Tensor golden) in Tensors)
        {
            if (weights.TryGetValue(name, out Tensor? weight)) comparison.Add(name, golden, weight);
            else comparison.Fail($"{name} is not a weight of the model");
        }
        return comparison;
    }

    public ModelInputs Inputs(string prefix) => new()
    {
        Video_BTCHW = this[$"{prefix}visual_inputs"],
        TokenIds_BL = this[$"{prefix}text_input_ids"],
        TokenMask_BL = this[$"{prefix}text_input_mask"],
        MaskedIds_BL = Find($"{prefix}mlm_text_input_ids"),
        MaskLabels_BL = Find($"{prefix}mlm_labels"),
        MaskPositions = Find($"{prefix}mlm_labels")?.flatten().Below(0).logical_not().nonzero().flatten(),
        CropVideo_BTCHW = Find($"{prefix}crop_visual_inputs"),
        RegionMask_BHW = Find($"{prefix}mpm_mask"),
        IsVideo = Find($"{prefix}is_video")?.item<long>() != 0,
        Answers_B = Find("labels"),
    };

    public HardNegatives Negatives(string prefix) => new(this[$"{prefix}neg_video_for_text"], this[$"{prefix}neg_text_for_video"]);

    /// <summary>Every gradient the file has, with the model's; a parameter without one has a gradient of 0.</summary>
    public Comparison Gradients(string item, string prefix, Module model)
    {
        var comparison = new Comparison(item, Comparison.Gradients);
        var parameters = model.named_parameters().ToDictionary(named => named.name, named => named.parameter);
        foreach ((string name, Tensor golden) in Tensors.Where(entry => entry.Key.StartsWith(prefix, StringComparison.Ordinal)))
        {
            if (parameters.TryGetValue(name[prefix.Length..], out var parameter))
                comparison.Add(name, golden, parameter.grad ?? zeros_like(parameter));
            else comparison.Fail($"{name} is not a parameter of the model");
        }
        return comparison;
    }

    private Tensor? Find(string name) => Tensors.GetValueOrDefault(name);
}
