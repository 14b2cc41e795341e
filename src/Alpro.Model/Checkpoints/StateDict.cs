using System.Text.RegularExpressions;
using Alpro.Model.Arithmetic;
using static TorchSharp.torch;
using Module = TorchSharp.torch.nn.Module;

namespace Alpro.Model.Checkpoints;

/// <summary>
/// A module's weights by the reference's names: loaded from checkpoints of any format, and saved. A load changes nothing in
/// the module unless the whole file fits it.
/// </summary>
public static class StateDict
{
    /// <summary>Under which names programs put a state dict that is not the whole file.</summary>
    private static readonly string[] _wrappers = ["state_dict", "model_state_dict", "model"];

    /// <summary>Keys that no forward pass reads: the unused Kinetics classifier and BERT's constant position numbers.</summary>
    private static readonly Regex _neverRead =
        new(@"(^|\.)visual_encoder\.model\.head\.|\.position_ids$|^prompter\.(itm_head|text_encoder\.cls)\.");

    /// <summary>Loads weights into a module.</summary>
    /// <param name="module">The module; its parameters keep their identity, device and type.</param>
    /// <param name="path">A checkpoint of any format.</param>
    /// <param name="mode">What may be missing.</param>
    /// <param name="map">What kind of checkpoint it is; one of this family by default.</param>
    /// <returns>What was loaded, resized, left fresh and left out.</returns>
    /// <exception cref="CheckpointException">The file is none, or does not fit: every missing, unexpected and wrong-shape key at
    /// once.</exception>
    public static LoadReport Load(Module module, string path, LoadMode mode, KeyMap? map = null)
    {
        using CheckpointFile file = CheckpointFile.Open(path);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        map = (map ?? KeyMap.Family).For(module);
        OrderedDictionary<string, Tensor> weights = Of(module);
        (Dictionary<string, string> sources, List<string> unexpected, List<string> dropped) = Assign(file, weights, map);

        var misfits = new Misfits();
        var resized = new List<ResizedEmbedding>();
        var leaders = new Dictionary<(nint, string), string>();             // of tied weights, the first that the file has
        var loads = new List<(string Key, string Source)>();
        foreach ((string key, Tensor weight) in weights)
        {
            if (!sources.TryGetValue(key, out string? source)) continue;
            StoredTensor stored = file.Tensors[source];
            bool fits = stored.Shape.AsSpan().SequenceEqual(weight.shape);
            if (!fits && mode != LoadMode.Resume && PositionEmbeddings.CanResize(key, stored.Shape, weight.shape))
                resized.Add(new(key, stored.Shape[1], weight.shape[1]));
            else if (!fits) misfits.Add("of another shape", $"{key} is {stored}, the model's [{string.Join(", ", weight.shape)}]");
            else
                if (stored.Run.Element.Type != weight.dtype
                    && !(mode != LoadMode.Resume && stored.Run.Element.IsFloat && ElementType.Of(weight.dtype).IsFloat))
                misfits.Add("of another type", $"{key} is {stored.Run.Element.Name}, the model's {ElementType.Of(weight.dtype).Name}");

            if (leaders.TryAdd(Identity(weight), key)) loads.Add((key, source));
            else if (fits && !file.AreEqual(source, sources[leaders[Identity(weight)]]))
                misfits.Add("tied here but different in the file", $"{key} and {leaders[Identity(weight)]}");
        }

        List<string> missing = [.. weights.Where(
            weight => weight.Key.StartsWith(map.Scope, StringComparison.Ordinal) && !leaders.ContainsKey(Identity(weight.Value)))
            .Select(weight => weight.Key)];
        misfits.AddRange("missing", mode switch { LoadMode.Resume => missing, LoadMode.Inference =>
            missing.Where(key => IsRead(module, key)), _ => [] });
        misfits.AddRange("unexpected", mode == LoadMode.Resume ? unexpected : []);
        if (loads.Count == 0) misfits.AddRange("unexpected", unexpected.Count > 0 ? unexpected : ["nothing at all"]);
        misfits.Throw(path, module, mode);

        foreach ((string key, string source) in loads)
        {
            if (resized.Any(embedding => embedding.Key == key))
                weights[key].copy_(PositionEmbeddings.Resize(key, file.Read(source), weights[key].shape[1]));
            else file.ReadInto(source, weights[key]);
        }
        return new LoadReport(path, [.. weights.Where(weight => leaders.ContainsKey(Identity(weight.Value))).Select(weight => weight.Key)],
            missing, unexpected, dropped, resized);
    }

    /// <summary>
    /// Saves a module's weights under the reference's keys: <c>.safetensors</c> in that format, any other name as PyTorch's zip.
    /// </summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Save(Module module, string path, IReadOnlyDictionary<string, string>? metadata = null)
    {
        using var scope = NewDisposeScope();
        if (Safetensors.IsName(path)) Safetensors.Save(path, Of(module), metadata);
        else TorchFile.Save(path, Of(module));
    }

    /// <summary>A module's weights and buffers by key; tied weights are there under each of their names.</summary>
    public static OrderedDictionary<string, Tensor> Of(Module module) => new(module.state_dict());

    /// <summary>
    /// The state dict in a checkpoint: its keys, each with the file's name of the tensor. It may be the whole file or one of its
    /// entries, and all keys may begin with <c>module.</c>, as those of data-parallel training do.
    /// </summary>
    /// <exception cref="CheckpointException">There is none, or more than one.</exception>
    public static OrderedDictionary<string, string> Find(CheckpointFile file)
    {
        bool nested = file.Format != CheckpointFormat.Safetensors;
        List<IGrouping<string, string>> groups =
            [.. file.Tensors.Keys.GroupBy(name => nested && name.LastIndexOf('/') is >= 0 and var slash ? name[..slash] : "")];
        IGrouping<string, string> dictionary = groups.Find(group => group.Key.Length == 0)
            ?? _wrappers.Select(wrapper => groups.Find(group => group.Key == wrapper)).FirstOrDefault(group => group is not null)
            ?? (groups.Count == 1 ? groups[0] : throw new CheckpointException(file.Path, groups.Count == 0
                ? "holds no tensors"
                : $"holds several dictionaries of tensors ({string.Join(", ", groups.Take(8).Select(group => group.Key))}) and none is "
                + $"called {string.Join(" or ", _wrappers)}"));
        int prefix = dictionary.Key.Length == 0 ? 0 : dictionary.Key.Length + 1;
        if (dictionary.All(name => name.AsSpan(prefix).StartsWith("module."))) prefix += "module.".Length;
        return new(dictionary.Select(name => new KeyValuePair<string, string>(name[prefix..], name)));
    }

    /// <summary>Which tensor of the file each weight takes. A tensor's own key goes before a copy of another.</summary>
    private static (Dictionary<string, string> Sources, List<string> Unexpected, List<string> Dropped) Assign(CheckpointFile file,
        OrderedDictionary<string, Tensor> weights, KeyMap map)
    {
        var sources = new Dictionary<string, string>();
        var copies = new List<(string Key, string Name)>();
        List<string> unexpected = [], dropped = [];
        foreach ((string key, string name) in Find(file))
        {
            IReadOnlyList<string> targets = map.Targets(key);
            if (targets.Count == 0) dropped.Add(key);
            else if (!weights.ContainsKey(targets[0])) unexpected.Add(key);
            else sources[targets[0]] = name;
            copies.AddRange(targets.Skip(1).Where(weights.ContainsKey).Select(target => (target, name)));
        }
        foreach ((string key, string name) in copies) sources.TryAdd(key, name);
        return (sources, unexpected, dropped);
    }

    private static bool IsRead(Module module, string key) =>
        !_neverRead.IsMatch(key) && !(module is AlproModel { UnreadKeys: { } unread } && Regex.IsMatch(key, $"^(?:{unread})$",
        RegexOptions.CultureInvariant));

    /// <summary>Tied weights are one tensor under several names: the same memory in the same shape.</summary>
    private static (nint, string) Identity(Tensor weight) => (TensorMemory.Address(weight), string.Join(',', weight.shape));

    /// <summary>Everything that does not fit, by kind.</summary>
    private sealed class Misfits
    {
        private readonly OrderedDictionary<string, List<string>> kinds = [];

        public void Add(string kind, string what)
        {
            if (!kinds.TryGetValue(kind, out List<string>? items)) kinds[kind] = items = [];
            items.Add(what);
        }

        public void AddRange(string kind, IEnumerable<string> items)
        {
            foreach (string item in items) Add(kind, item);
        }

        public void Throw(string path, Module module, LoadMode mode)
        {
            if (kinds.Count == 0) return;
            string purpose = mode switch { LoadMode.Inference => "inference", LoadMode.FineTuning => "fine-tuning", _ =>
                "an exact resume" };
            throw new CheckpointException(path, $"does not fit {module.GetName()} for {purpose}:"
                + string.Concat(
                kinds.Select(kind => $"{Environment.NewLine}  {kind.Value.Count} {kind.Key}: {LoadReport.Names(kind.Value)}")));
        }
    }
}
