using System.CommandLine;
using Alpro.Actors;
using Alpro.Data.Entities;
using Alpro.Training.Configuration;
using Spectre.Console;

namespace Alpro.Cli.Commands;

/// <summary>
/// <c>alpro entities</c>: builds the entity list of entity modelling from the captions of a configuration's training corpora.
/// </summary>
internal static class EntitiesCommand
{
    public static Command Create()
    {
        var config = new Option<string>("--config")
        {
            Description = "A run's configuration: the captions of its training corpora are read.",
            Required = true,
        };
        var output = new Option<string?>("--out") { Description = "File to write; by default the one that data.entities names." };
        var count = new Option<int?>("--count") { Description = "Number of entities; by default model.entities." };
        var lexicon = new Option<string?>("--wordnet") { Description =
            "WordNet's database folder, to tell nouns; by default /usr/share/wordnet where it is installed, else stop words are left out." };
        var command = new Command("entities", CommandLine.Describe("Build the entity list: the commonest nouns of the captions.",
            "alpro entities --config config/pretrain.json")) { config, output, count, lexicon };
        CommandLine.Between(count, 1);
        command.SetAction((arguments, cancellation) => Task.Run(() =>
        {
            RunConfig configured = ConfigLoader.LoadForCorpora(arguments.GetValue(config)!);
            string path = arguments.GetValue(output) is { } given ? Path.GetFullPath(given)
                : configured.Data.Entities ?? throw new UsageException("The configuration names no data.entities: give --out FILE.");
            NounLexicon nouns = arguments.GetValue(lexicon) is { } folder ? new NounLexicon(folder) : NounLexicon.Installed();
            IReadOnlyList<Entity> entities = ConfiguredCorpora.Read(configured, (corpora, progress) =>
                EntityList.Build(corpora, arguments.GetValue(count) ?? configured.Model.Entities, nouns, progress, cancellation));
            OutputPath.Write(path, "--out", () =>
            {
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                EntityList.Save(path, entities);
            });
            string told = nouns.HasDatabase ? "WordNet" : "stop words";
            CommandLine.Result(arguments, new { file = path, count = entities.Count, told, first = entities.Take(10) }, console =>
                console.WriteLine($"{path}: {entities.Count} entities, nouns told by {told}; the commonest are "
                + $"{string.Join(", ", entities.Take(10).Select(entity => $"{entity.Name} ({entity.Count:N0})"))}"));
            return ExitCode.Success;
        }, cancellation));
        return command;
    }
}
