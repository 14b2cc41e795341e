using System.CommandLine;
using Alpro.Training;
using Spectre.Console;

namespace Alpro.Actors.Commands;

/// <summary><c>alpro config</c>: makes configurations.</summary>
internal static class ConfigCommand
{
    public static Command Create() => new("config", "Make configurations.") { Import() };

    private static Command Import()
    {
        var source = new Argument<string>("source") { Description = "A run folder's log/args.json, or a file with the keys of the released config_release/*.json." };
        var output = new Option<string?>("--output", "-o") { Description = "The file to write; standard output by default. Paths in it are relative to its folder." };
        var root = new Option<string?>("--root") { Description = "The folder that the source's paths begin at; by default the one that has output/ or config_release/ in it." };
        var command = new Command("import", CommandLine.Describe("Turn a configuration of the released PyTorch code into one of ours.", "alpro config import output/downstreams/msrvtt_ret/public/log/args.json -o config/mine.json")) { source, output, root };
        command.SetAction(arguments =>
        {
            string? file = arguments.GetValue(output);
            string? folder = file is null ? null : Path.GetDirectoryName(Path.GetFullPath(file));
            ImportedConfig imported = ReferenceConfig.Import(arguments.GetValue(source)!, arguments.GetValue(root), folder);
            string json = ConfigLoader.ToJson(imported.Config);
            if (file is not null) File.WriteAllText(file, json + Environment.NewLine);
            CommandLine.Result(arguments, new { output = file, config = System.Text.Json.Nodes.JsonNode.Parse(json), imported.Notes }, _ =>
            {
                if (file is null) Console.Out.WriteLine(json);
                foreach (ReferenceNote note in imported.Notes) CommandLine.Error.WriteLine($"{Words(note.Fate)}: {note.Key} = {note.Value}: {note.Why}");
            });
        });
        return command;
    }

    private static string Words(ReferenceKeyFate fate) => fate switch
    {
        ReferenceKeyFate.NoEffect => "no effect there",
        ReferenceKeyFate.Elsewhere => "not part of a configuration",
        ReferenceKeyFate.Adapted => "adapted",
        _ => "unknown",
    };
}
