using System.CommandLine;
using Alpro.Actors;
using Alpro.Training.Parity;
using Spectre.Console;
using TorchSharp;

namespace Alpro.Cli.Commands;

/// <summary><c>alpro parity</c>: compares this program with what the paper's code computed.</summary>
internal static class ParityCommand
{
    public static Command Create()
    {
        var folder = new Argument<string>("DIR") { Description =
            "Folder of golden files: model, checkpoints, data, tokenizer, or one of them." };
        var vocabulary = new Option<string?>("--vocab") { Description = "The vocabulary of the tokenizer's cases (bert-base-uncased)." };
        var videos = new Option<string?>("--videos") { Description = "The folder of the clips that the decoding cases name." };
        var device = new Option<string>("--device")
        {
            Description = "Where the models compute: cpu, cuda, or cuda:N.",
            DefaultValueFactory = _ => "cpu",
        };
        var command = new Command("parity", CommandLine.Describe(
            "Prove that this program computes what the paper's code computes, on whatever golden files lie in a folder.",
            "alpro parity golden --vocab ext/bert-base-uncased/vocab.txt")) { folder, vocabulary, videos, device };
        command.SetAction(arguments =>
        {
            string path = arguments.GetValue(folder)!;
            if (!Directory.Exists(path))
                throw new UsageException($"{path}: there is no such folder; expected golden files (model, checkpoints, data, tokenizer)");
            ParityRow[] rows = [.. ParityRunner.Run(path, arguments.GetValue(vocabulary), arguments.GetValue(videos),
                DeviceOf(arguments.GetValue(device)!))];
            if (rows.Length == 0)
                throw new UsageException(
                    $"{path}: holds no golden file that is known; expected model, checkpoints, data or tokenizer files");
            bool passed = rows.All(row => row.Passed);
            CommandLine.Result(arguments, new { passed, rows }, console => Show(console, rows));
            return passed ? ExitCode.Success : ExitCode.Failure;
        });
        return command;
    }

    private static torch.Device DeviceOf(string name)
    {
        string[] parts = name.Split(':');
        int index = 0;
        if (parts is ["cpu"]) return torch.CPU;
        if (parts is not (["cuda"] or ["cuda", _]) || (parts.Length == 2 && !(int.TryParse(parts[1], out index) && index >= 0)))
            throw new UsageException($"--device {name}: expected cpu, cuda or cuda:N");
        int devices = torch.cuda.is_available() ? torch.cuda.device_count() : 0;
        if (index >= devices)
            throw new UsageException($"--device {name}: libtorch can use {devices} GPUs here; scripts/alpro doctor says why");
        return torch.device(DeviceType.CUDA, index);
    }

    private static void Show(IAnsiConsole console, ParityRow[] rows)
    {
        var table = new Table().Border(TableBorder.Rounded).AddColumns("item", "cases", "worst absolute", "worst relative", "tolerance",
            "");
        foreach (ParityRow row in rows)
        {
            table.AddRow(new Text(row.Item), new Text($"{row.Cases}"), new Text($"{row.WorstAbsolute:0.##e+0}"),
                new Text($"{row.WorstRelative:0.##e+0}"), new Text(row.Tolerance),
                new Markup(row.Passed ? "[green]pass[/]" : "[red]FAIL[/]"));
            if (row.Detail is not null && !row.Passed) table.AddRow(new Text("  " + row.Detail));
        }
        console.Write(table);
        console.WriteLine($"{rows.Count(row => row.Passed)} of {rows.Length} pass");
    }
}
