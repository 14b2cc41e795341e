
namespace Alpro.Training.Configuration;

/// <summary>
/// What the first weights come from (<c>initialize</c>); what is null starts at random. Paths are relative to the configuration file.
/// </summary>
public sealed record InitializeConfig
{
    /// <summary>
    /// A checkpoint of ours or a released one for the whole model; embeddings are resized where frames or resolution differ.
    /// </summary>
    public string? Checkpoint { get; init; }

    /// <summary>The checkpoint of a prompter, for entity modelling.</summary>
    public string? Prompter { get; init; }

    /// <summary>A ViT state dict in timm's names, for the vision encoder.</summary>
    public string? Vision { get; init; }

    /// <summary>A Hugging Face BERT state dict, for the text and fusion encoder.</summary>
    public string? Text { get; init; }

    internal void Check(ConfigProblems problems)
    {
        problems.RequireFile(Checkpoint, "initialize.checkpoint");
        problems.RequireFile(Prompter, "initialize.prompter");
        problems.RequireFile(Vision, "initialize.vision");
        problems.RequireFile(Text, "initialize.text");
    }
}
