using System.CommandLine;
using System.Text.Json;
using Alpro.Actors;
using Alpro.Data.Preparation;
using Alpro.Data.Preparation.Official;
using Spectre.Console;

namespace Alpro.Cli.Commands;

/// <summary>
/// <c>alpro prepare</c>: verifies, unpacks and converts the media of a dataset of the paper, and makes of its published annotations what
/// the recipes read. Beside the datasets, the lists that data of one's own needs.
/// </summary>
internal static class PrepareCommand
{
    private static readonly JsonSerializerOptions _indented = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    public static Command Create()
    {
        var command = new Command("prepare", CommandLine.Describe(
            "Make a dataset ready: its media, its published annotations, or both. For data of one's own, make the lists that it needs: "
            + "answers, vocabulary; 'alpro entities' makes the list of entities.",
            "alpro prepare msrvtt --from downloads --annotations downloads/*.json downloads/*.csv --out data/msrvtt_ret"));
        foreach (DatasetRecipe recipe in DatasetRecipe.All) command.Add(Dataset(recipe));
        command.Add(PrepareListsCommand.CreateAnswers());
        command.Add(PrepareListsCommand.CreateVocabulary());
        return command;
    }

    private static Command Dataset(DatasetRecipe recipe)
    {
        var source = new Option<string?>("--from") { Description = "Folder of the dataset's archives, or of its media files." };
        var annotations = new Option<string[]>("--annotations")
        {
            Description = $"The published annotation files: {recipe.Annotations.Files}. Which is which is told by their columns and names.",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => [],
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
        var split = new Option<string?>("--split")
        {
            Description = "Split for retrieval: 7k or 9k videos of training with the 1k-A test, or full, the owners'; by default 7k where "
                + "the pairs of that test are given, else full.",
        };
        split.AcceptOnlyFromAmong("7k", "9k", "full");
        var images = new Option<ImageNames>("--images")
        {
            Description = "How the images are named: by row (123.jpg), as img2dataset does (00000/000000123.jpg), or by the crc32 of their "
                + "address (training/3741926418).",
        };
        var command = new Command(recipe.Name, CommandLine.Describe(
            "Verify and unpack archives, convert, count; write annotations as the recipes read them. Run it again to complete it.",
            $"alpro prepare {recipe.Name} --from downloads --out data/{recipe.Name}")) { source, annotations, target, size, rate, workers };
        if (recipe.Annotations is MsrvttAnnotations) command.Add(split);
        if (recipe.Annotations is Cc3mAnnotations) command.Add(images);
        command.Validators.Add(result =>
        {
            if (result.GetResult(source) is null && result.GetResult(annotations) is not { Tokens.Count: > 0 })
                result.AddError("--from FOLDER, --annotations FILE…, or both must be given.");
        });
        CommandLine.Between(size, 16);
        FrameRateText.Check(rate);
        CommandLine.Between(workers, 1);
        command.SetAction(async (arguments, cancellation) =>
        {
            string folder = Path.GetFullPath(arguments.GetValue(target)!);
            ConversionSettings? conversion = recipe.Conversion;
            if (arguments.GetValue(size) is { } side) conversion = (conversion ?? new()) with { ShortSide = side };
            if (FrameRateText.Parse(arguments.GetValue(rate)) is var (value, isShare))
                conversion = (conversion ?? new()) with { RateFactor = isShare ? value : null, Rate = isShare ? null : value };

            string[] files = arguments.GetValue(annotations)!;
            if (Array.Find(files, file => !File.Exists(file)) is { } absent)
                throw new UsageException($"There is no annotation file {absent}.");
            var preparer = new DatasetPreparer(recipe, conversion, arguments.GetValue(workers));
            PreparationReport? media = arguments.GetValue(source) is { } from
                ? await PrepareMediaAsync(preparer, from, folder, cancellation) : null;
            AnnotationReport? read = files.Length == 0 ? null : await Task.Run(
                () => recipe.Annotations.Prepare(files, folder, new(arguments.GetValue(split), arguments.GetValue(images))), cancellation);
            PreparationReport report = media is null ? PreparationReport.Of(recipe.Name, read!) : media with { Annotations = read };
            OutputPath.Write(folder, "--out", () =>
                File.WriteAllText(Path.Combine(folder, "prepare-report.json"), JsonSerializer.Serialize(report, _indented)));
            CommandLine.Result(arguments, report,
                console => Show(console, report, media is not null, Path.Combine(folder, "prepare-report.json")));
            return report.IsComplete ? ExitCode.Success : ExitCode.Failure;
        });
        return command;
    }

    private static Task<PreparationReport> PrepareMediaAsync(
        DatasetPreparer preparer, string source, string folder, CancellationToken cancellation) =>
        CommandLine.Error.Progress().StartAsync(display =>
        {
            Dictionary<string, ProgressTask> tasks = [];
            return preparer.PrepareAsync(source, folder, new Progress<(string Work, double Done)>(step =>
            {
                lock (tasks)
                {
                    if (!tasks.TryGetValue(step.Work, out ProgressTask? task))
                        task = tasks[step.Work] = display.AddTask(step.Work, maxValue: 1);
                    task.Value = Math.Max(task.Value, step.Done);
                }
            }), cancellation);
        });

    private static void Show(IAnsiConsole console, PreparationReport report, bool hasMedia, string file)
    {
        foreach ((string archive, string state) in report.Archives) console.WriteLine($"{archive}: {state}");
        if (hasMedia) console.WriteLine($"{report.Dataset}: {report.Prepared:N0} media files ready ({report.Converted:N0} converted now, "
            + $"{report.AlreadyThere:N0} before)"
            + (report.Expected is { } expected ? $" of {expected:N0}, {report.KnownMissing} of which are known to be missing" : ""));
        foreach (PreparationFailure failure in report.Failures.Take(10)) console.WriteLine($"failed: {failure.Path}: {failure.Reason}");
        foreach (PreparedPart part in report.Annotations?.Parts ?? [])
            console.WriteLine($"{part.File}: {string.Join(", ", part.Counts.Select(count => $"{count.Found:N0} {count.What}"))}"
                + (part.LeftOut == 0 ? "" : $"; {part.LeftOut:N0} rows cannot be understood, such as {string.Join("; ", part.Problems)}")
                + (part.WithoutMedia is > 0 and var lacking ? $"; {lacking:N0} videos are not among the media" : ""));
        foreach (string note in report.Annotations?.Notes ?? []) console.WriteLine($"note: {note}");
        foreach (string difference in report.Annotations?.Differences ?? []) console.WriteLine($"differs: {difference}");
        console.WriteLine($"{(report.IsComplete ? "complete" : "not complete")}; {report.Failures.Count:N0} failures; report in {file}");
    }
}
