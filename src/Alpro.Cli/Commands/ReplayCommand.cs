using System.CommandLine;
using Alpro.Actors;
using Alpro.Training;
using Alpro.Training.Records;
using Spectre.Console;

namespace Alpro.Cli.Commands;

/// <summary><c>alpro replay</c>: does a step that was not finite again, and says where it breaks.</summary>
internal static class ReplayCommand
{
    public static Command Create()
    {
        var file = new Argument<string>("BATCH") { Description = "The file that the message of the failed step names." };
        var command = new Command("replay", CommandLine.Describe(
            "Do a step whose loss or gradient was not finite again, from the batch and weights that were kept.",
            "alpro replay output/pretrain/step_00001234.safetensors")) { file };
        command.SetAction(arguments =>
        {
            string path = arguments.GetValue(file)!;
            if (!File.Exists(path)) throw new UsageException($"{path}: there is no such file; expected a batch that a failed step kept");
            ReplayReport report = BatchReplay.Run(path, RunModel.DefaultDevice);
            CommandLine.Result(arguments, report, console =>
            {
                var table = new Table().Border(TableBorder.Rounded).AddColumns("step", $"{report.Step}");
                table.AddRow("clips", string.Join(", ", report.Keys));
                table.AddRow("loss", $"{report.Loss:G6}");
                foreach ((string name, TermRecord term) in report.Terms) table.AddRow("  " + name, $"{term.Loss:G6}");
                table.AddRow("gradient norm", $"{report.GradientNorm:G6}");
                table.AddRow("weights not finite before", report.BadWeights.Count == 0 ? "none" : string.Join(", ", report.BadWeights));
                table.AddRow("gradients not finite", report.BadGradients.Count == 0 ? "none" : string.Join(", ", report.BadGradients));
                console.Write(table);
            });
            return ExitCode.Success;
        });
        return command;
    }
}
