using System.CommandLine;
using Alpro.Actors;
using Alpro.Data.Synthetic;
using Spectre.Console;

namespace Alpro.Cli.Commands;

/// <summary><c>alpro corpus synthesize</c>: makes the synthetic captioned world.</summary>
internal static class CorpusCommand
{
    private static readonly SyntheticWorldSettings _defaults = new();

    public static Command Create() => new("corpus", "Make corpora.") { Synthesize() };

    private static Command Synthesize()
    {
        var folder = new Option<string>("--out")
        {
            Description = "Folder to make it in: absent, empty, or an earlier world, which is replaced.",
            Required = true,
        };
        var clips = new Option<int>("--clips") { Description = "Training clips.", DefaultValueFactory = _ => _defaults.Clips };
        var seed = new Option<ulong>("--seed") { Description = "Seed of the world: the same seed makes the same bytes." };
        var side = new Option<int>("--side") { Description = "Side of the pictures in pixels.", DefaultValueFactory = _ => _defaults.Side };
        var command = new Command("synthesize", CommandLine.Describe(
            "Make a small captioned world to learn from: clips of moving coloured shapes, images, held-out captions, questions, entities, "
            + "a vocabulary.",
            "alpro corpus synthesize --out world --clips 1000 --seed 1")) { folder, clips, seed, side };
        command.SetAction(async (arguments, cancellation) =>
        {
            string path = Path.GetFullPath(arguments.GetValue(folder)!);
            var settings = new SyntheticWorldSettings
            {
                Clips = arguments.GetValue(clips),
                Seed = arguments.GetValue(seed),
                Side = arguments.GetValue(side),
            };
            await CommandLine.Error.Progress().StartAsync(async display =>
            {
                ProgressTask task = display.AddTask("synthesize", maxValue: 1);
                await SyntheticWorld.CreateAsync(path, settings, new Progress<double>(done => task.Value = done), cancellation);
                task.Value = 1;
            });
            CommandLine.Result(arguments, new { folder = path, settings }, console => console.WriteLine(
                $"{path}: {settings.Clips} training clips, {settings.ImageCount} images, {settings.ValidationClips} validation and "
                + $"{settings.TestClips} test clips, {settings.Side} px, seed {settings.Seed}"));
            return ExitCode.Success;
        });
        return command;
    }
}
