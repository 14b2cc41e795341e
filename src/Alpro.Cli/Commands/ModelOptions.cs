using System.CommandLine;
using Alpro.Actors.Evaluation;

namespace Alpro.Cli.Commands;

/// <summary>The options that name a trained model: a run folder, or its parts.</summary>
internal sealed class ModelOptions
{
    /// <summary>The run folder.</summary>
    public Option<string?> Run { get; } = new("--run") { Description =
        "A run folder: ours (config.json, checkpoints/) or a released one (log/args.json, ckpt/model_step_best.pt)." };

    /// <summary>Other weights.</summary>
    public Option<string?> Checkpoint { get; } =
        new("--checkpoint") { Description =
        "Weights in place of the run's best: a .pt or .safetensors file, a checkpoint folder, or a run folder." };

    /// <summary>Where the data lie.</summary>
    public Option<string?> Data { get; } = new("--data") { Description =
        "Folder to look in for annotations, videos, vocabulary and answers, under as much of their configured paths as is there." };

    /// <summary>Another configuration.</summary>
    public Option<string?> Config { get; } =
        new("--config") { Description = "A configuration in place of the run's; with --checkpoint no run is needed." };

    /// <summary>Changes to the configuration.</summary>
    public Option<string[]> Settings { get; } = ConfigCommand.SetOption();

    /// <summary>Gives a command the options.</summary>
    public void AddTo(Command command)
    {
        foreach (Option option in new Option[] { Run, Config, Checkpoint, Data, Settings }) command.Options.Add(option);
    }

    /// <summary>The model that the options name.</summary>
    public EvaluationTarget Open(ParseResult arguments) =>
        EvaluationTarget.Open(
            arguments.GetValue(Run), arguments.GetValue(Config), arguments.GetValue(Checkpoint), arguments.GetValue(Settings)!,
            CommandLine.Log);
}
