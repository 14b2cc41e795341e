using System.CommandLine;
using System.Text.Json;
using Alpro.Actors;
using Alpro.Data.Preparation;
using Spectre.Console;

namespace Alpro.Cli.Commands;

/// <summary><c>alpro prepare</c>: verifies, unpacks and converts the media of a dataset of the paper.</summary>
internal static class PrepareCommand
{
    private static readonly JsonSerializerOptions _indented = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    public static Command Create()
    {
        var dataset = new Argument<string>("DATASET") { Description = string.Join(", ", DatasetRecipe.All.Select(recipe => recipe.Name)) };
        dataset.AcceptOnlyFromAmong([.. DatasetRecipe.All.Select(recipe => recipe.Name)]);
        var source = new Option<string>("--from")
        {
            Description = "Folder of the dataset's archives, or of its media files.",
            Required = true,
        };
        var target = new Option<string>("--out") { Description = "Folder to make it in.", Required = true };
        var size = new Option<int?>("--size") { Description = "New shorter side in pixels; by default the size stays." };
        var rate = new Option<string?>("--rate") { Description =
            "New frame rate: frames per second, or a share such as 10%; by default 10% for webvid, and unchanged for others." };
        var workers = new Option<int>("--workers")
        {
            Description = "Files converted at once.",
            DefaultValueFactory = _ => Environment.ProcessorCount,
        };
        var command = new Command("prepare", CommandLine.Describe(
            "Make the media of a dataset ready: verify and unpack archives, convert, count. Run it again to complete it.",
            "alpro prepare msrvtt --from downloads --out data/msrvtt_ret")) { dataset, source, target, size, rate, workers };
        CommandLine.Between(size, 16);
        FrameRateText.Check(rate);
        CommandLine.Between(workers, 1);
        command.SetAction(async (arguments, cancellation) =>
        {
            DatasetRecipe recipe = DatasetRecipe.All.First(recipe => recipe.Name == arguments.GetValue(dataset));
            string folder = Path.GetFullPath(arguments.GetValue(target)!);
            ConversionSettings? conversion = recipe.Conversion;
            if (arguments.GetValue(size) is { } side) conversion = (conversion ?? new()) with { ShortSide = side };
            if (FrameRateText.Parse(arguments.GetValue(rate)) is var (value, isShare))
                conversion = (conversion ?? new()) with { RateFactor = isShare ? value : null, Rate = isShare ? null : value };

            PreparationReport report = await CommandLine.Error.Progress().StartAsync(display =>
            {
                Dictionary<string, ProgressTask> tasks = [];
                return new DatasetPreparer(recipe, conversion, arguments.GetValue(workers)).PrepareAsync(arguments.GetValue(source)!,
                    folder, new Progress<(string Work, double Done)>(step =>
                {
                    lock (tasks)
                    {
                        if (!tasks.TryGetValue(step.Work, out ProgressTask? task))
                            task = tasks[step.Work] = display.AddTask(step.Work, maxValue: 1);
                        task.Value = Math.Max(task.Value, step.Done);
                    }
                }), cancellation);
            });
            OutputPath.Write(folder, "--out", () =>
                File.WriteAllText(Path.Combine(folder, "prepare-report.json"), JsonSerializer.Serialize(report, _indented)));
            CommandLine.Result(arguments, report, console => Show(console, report, Path.Combine(folder, "prepare-report.json")));
            return report.IsComplete ? ExitCode.Success : ExitCode.Failure;
        });
        return command;
    }

    private static void Show(IAnsiConsole console, PreparationReport report, string file)
    {
        foreach ((string archive, string state) in report.Archives) console.WriteLine($"{archive}: {state}");
        console.WriteLine($"{report.Dataset}: {report.Prepared:N0} media files ready ({report.Converted:N0} converted now, "
            + $"{report.AlreadyThere:N0} before)"
            + (report.Expected is { } expected ? $" of {expected:N0}, {report.KnownMissing} of which are known to be missing" : ""));
        foreach (PreparationFailure failure in report.Failures.Take(10)) console.WriteLine($"failed: {failure.Path}: {failure.Reason}");
        console.WriteLine($"{(report.IsComplete ? "complete" : "not complete")}; {report.Failures.Count:N0} failures; report in {file}");
    }
}
