using System.CommandLine;
using Alpro.Actors;
using Alpro.Actors.Hosting;
using Alpro.Actors.Runs;
using Alpro.Training.Configuration;
using Alpro.Training.Tasks;
using Alpro.Web;
using Spectre.Console;

namespace Alpro.Cli.Commands;

/// <summary><c>alpro pretrain</c> and <c>alpro finetune</c>: train what a configuration says. The same trainer, other tasks.</summary>
internal static class TrainCommand
{
    public static Command CreatePretrain() => Create(
        "pretrain", "Pretrain the prompter or ALPRO.", "alpro pretrain --config config/pretrain.json --out output/pretrain",
        LearningTask.Prompter, LearningTask.Pretrain);

    public static Command CreateFinetune() => Create(
        "finetune", $"Fine-tune for {DownstreamTask.Titles}.", "alpro finetune --config config/msrvtt-retrieval.json --out output/msrvtt",
        [.. DownstreamTask.All.Select(task => task.Setting)]);

    private static Command Create(string name, string summary, string example, params LearningTask[] tasks)
    {
        var file = ConfigCommand.FileOption();
        var folder = new Option<string>("--out") { Description = "Output folder: checkpoints, records, report.", Required = true };
        var settings = ConfigCommand.SetOption();
        var resume = new Option<bool>("--resume") { Description = "Continue from the folder's last checkpoint, if there is one." };
        var decoders = RunOptions.Decoders();
        var hocon = RunOptions.Hocon();
        var pages = new PageOptions();
        var command = new Command(name, CommandLine.Describe(summary, example)) { file, folder, settings, resume, decoders, hocon };
        pages.AddTo(command);
        command.SetAction(async (arguments, stop) =>
        {
            RunConfig config = ConfigLoader.Load(arguments.GetValue(file)!, arguments.GetValue(settings));
            if (!tasks.Contains(config.Task))
                throw new UsageException($"{arguments.GetValue(file)}: task is \"{ConfigCommand.NameOf(config.Task)}\"; 'alpro {name}' "
                    + $"expects {string.Join(" or ", tasks.Select(task => $"\"{ConfigCommand.NameOf(task)}\""))}");
            var run = new TrainingRun(config, new(Path.GetFullPath(arguments.GetValue(folder)!)), arguments.GetValue(resume));
            await using RunPage page = await pages.OpenAsync(arguments, trains: true);
            RunResult result = await RunProgress.ShowAsync(name, watched => SoloRun.RunAsync(
                page.Status.Watch(watched(run)), () => RunHost.StartAsync(arguments.GetValue(hocon),
                RunOptions.With(arguments.GetValue(decoders)), log: CommandLine.Events.Factory), stop));
            RunSummary.Show(arguments, run, result);
            return result.Completed ? ExitCode.Success : ExitCode.Interrupted;
        });
        return command;
    }
}
