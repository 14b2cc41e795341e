using System.CommandLine;
using System.Text.Json;
using Alpro.Actors;
using Alpro.Data;
using Alpro.Data.Corpora;
using Alpro.Training.Configuration;
using Alpro.Training.Configuration.Reference;
using Spectre.Console;

namespace Alpro.Cli.Commands;

/// <summary>
/// <c>alpro config</c>: checks a configuration, saying all that is wrong with it at once, or makes one from the released code's.
/// </summary>
internal static class ConfigCommand
{
    public static Command Create() => new("config", "Check and make configurations.") { Check(), Import() };

    /// <summary>The option that names the configuration.</summary>
    internal static Option<string> FileOption() => new("--config")
    {
        Description = "Configuration: what is trained (config/*.json).",
        Required = true,
    };

    /// <summary>The option that changes single settings.</summary>
    internal static Option<string[]> SetOption() =>
        new("--set")
        {
            Description = "Change a setting, such as --set training.batchSize=8; may be repeated.",
            DefaultValueFactory = _ => [],
        };

    /// <summary>A value of an enumeration, as configurations spell it.</summary>
    internal static string NameOf<T>(T value) where T : struct, Enum => JsonNamingPolicy.KebabCaseLower.ConvertName(value.ToString());

    private static Command Check()
    {
        var file = new Argument<string>("FILE") { Description = "The configuration." };
        var settings = SetOption();
        var command = new Command("check", CommandLine.Describe("Check a configuration and print it complete, defaults included.",
            "alpro config check config/pretrain.json")) { file, settings };
        command.SetAction(arguments =>
        {
            RunConfig config = ConfigLoader.Load(arguments.GetValue(file)!, arguments.GetValue(settings));
            RequireReadable(config, arguments.GetValue(file)!);
            string json = ConfigLoader.ToJson(config);
            CommandLine.Result(arguments, JsonDocument.Parse(json).RootElement, console => console.WriteLine(json));
            return ExitCode.Success;
        });
        return command;
    }

    /// <summary>Looks into the annotations of every corpus.</summary>
    /// <exception cref="ConfigException">Some cannot be read: all of them at once.</exception>
    private static void RequireReadable(RunConfig config, string file)
    {
        var problems = new List<ConfigProblem>();
        for (int i = 0; i < config.Data.Corpora.Count; i++) Look(config.Data.Corpora[i], $"data.corpora[{i}]");
        for (int i = 0; i < config.Data.Validation.Count; i++) Look(config.Data.Validation[i], $"data.validation[{i}]");
        if (config.Data.Test is { } test) Look(test, "data.test");
        if (problems.Count > 0) throw new ConfigException(file, problems);

        void Look(CorpusConfig corpus, string path)
        {
            try
            {
                VideoTextCorpus.RequireReadable(corpus);
            }
            catch (DataException problem)
            {
                problems.Add(new($"{path}.annotations", null, problem.Message));
            }
        }
    }

    private static Command Import()
    {
        var source = new Argument<string>("source") { Description =
            "A run folder's log/args.json, or a file with the keys of the released config_release/*.json." };
        var output = new Option<string?>("--output",
            "-o") { Description = "The file to write; standard output by default. Paths in it are relative to its folder." };
        var root = new Option<string?>("--root") { Description =
            "The folder that the source's paths begin at; by default the one that has output/ or config_release/ in it." };
        var command = new Command("import", CommandLine.Describe("Turn a configuration of the released PyTorch code into one of ours.",
            "alpro config import output/downstreams/msrvtt_ret/public/log/args.json -o config/mine.json")) { source, output, root };
        command.SetAction(arguments =>
        {
            string? file = arguments.GetValue(output);
            string? folder = file is null ? null : Path.GetDirectoryName(Path.GetFullPath(file));
            ImportedConfig imported = ReferenceConfig.Import(arguments.GetValue(source)!, arguments.GetValue(root), folder);
            string json = ConfigLoader.ToJson(imported.Config);
            if (file is not null) OutputPath.Write(file, "--output", () => File.WriteAllText(file, json + Environment.NewLine));
            CommandLine.Result(arguments, new { output = file, config = System.Text.Json.Nodes.JsonNode.Parse(json), imported.Notes }, _ =>
            {
                if (file is null) Console.Out.WriteLine(json);
                foreach (ReferenceNote note in imported.Notes)
                    CommandLine.Log.SettingImported(Words(note.Fate), note.Key, note.Value, note.Why);
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
