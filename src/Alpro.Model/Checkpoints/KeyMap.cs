using System.Text.RegularExpressions;

namespace Alpro.Model.Checkpoints;

/// <summary>How keys that match a pattern are renamed.</summary>
/// <param name="Pattern">A regular expression for the whole key.</param>
/// <param name="Targets">The new keys, with $1 for the pattern's groups: none drops the key, more than one copies the tensor.</param>
public sealed record KeyRule(string Pattern, params string[] Targets)
{
    internal Regex Matcher { get; } = new($"^(?:{Pattern})$", RegexOptions.CultureInvariant);
}

/// <summary>
/// How the keys of one kind of checkpoint become those of a model: stages in a row. In each stage the first rule that matches a key renames
/// it, and a key that none matches stays. The renaming is data; <see cref="StateDict"/> applies it.
/// </summary>
public sealed class KeyMap
{
    private readonly KeyRule[][] stages;

    private KeyMap(string scope, params KeyRule[][] stages)
    {
        Scope = scope;
        this.stages = stages;
    }

    /// <summary>A checkpoint of this model family: the keys are the model's own.</summary>
    public static KeyMap Family { get; } = new("");

    /// <summary>A trained prompter, to be frozen inside a model under pretraining.</summary>
    public static KeyMap Prompter { get; } = new("prompter.", [new KeyRule("(.*)", "prompter.$1")]);

    /// <summary>An ImageNet ViT-B/16 in timm's names: attention over time starts as a copy of attention over space.</summary>
    public static KeyMap VisionTransformer { get; } = new("visual_encoder.",
        [
            new(@"(head|head_dist|pre_logits|fc_norm)\..*|dist_token"),
            new(@"(blocks\.\d+)\.attn\.(.*)", "$1.attn.$2", "$1.temporal_attn.$2"),
            new(@"(blocks\.\d+)\.norm1\.(.*)", "$1.norm1.$2", "$1.temporal_norm1.$2"),
        ],
        [new("(.*)", "visual_encoder.model.$1")]);

    /// <summary>A Hugging Face <c>bert-base-uncased</c>, with or without its heads, in new or old names of its layer norms.</summary>
    public static KeyMap Bert { get; } = new("text_encoder.",
        [new(@"(.*)\.gamma", "$1.weight"), new(@"(.*)\.beta", "$1.bias")],
        [
            new(@"(bert\.)?pooler\..*|cls\.seq_relationship\..*"),
            new(@"(bert\.)?((embeddings|encoder)\..*)", "text_encoder.bert.$2"),
            new(@"(cls\..*)", "text_encoder.$1"),
        ]);

    /// <summary>
    /// The part of a model that such a checkpoint is for: what is missing elsewhere does not matter. Empty for all of it.
    /// </summary>
    public string Scope { get; }

    /// <summary>This map, followed by what sets a model of the family apart from one under pretraining.</summary>
    public KeyMap For(TorchSharp.torch.nn.Module module) => module is AlproModel { FromPretraining: { Count: > 0 } rules }
        ? new(Scope,
        [.. stages, [.. rules.Select(rule => rule.Key is { } key ? new KeyRule(rule.Pattern, key) : new KeyRule(rule.Pattern))]])
        : this;

    /// <summary>The model's keys that a checkpoint's key gives a value to; the first is its own, the others are copies.</summary>
    public IReadOnlyList<string> Targets(string key)
    {
        IEnumerable<string> keys = [key];
        foreach (KeyRule[] stage in stages) keys = keys.SelectMany(at => Apply(stage, at));
        return [.. keys];
    }

    private static IEnumerable<string> Apply(KeyRule[] stage, string key)
    {
        foreach (KeyRule rule in stage)
        {
            Match match = rule.Matcher.Match(key);
            if (match.Success) return rule.Targets.Select(match.Result);
        }
        return [key];
    }
}
