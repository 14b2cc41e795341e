using System.CommandLine;
using Alpro.Actors;
using Alpro.Actors.Evaluation;
using Alpro.Model.Checkpoints;
using Spectre.Console;

namespace Alpro.Cli.Commands;

/// <summary><c>alpro checkpoint</c>: looks into checkpoint files of any format, and converts them.</summary>
internal static class CheckpointCommand
{
    private const int LongestValue = 100;

    private sealed record TensorLine(string Name, string Type, long[] Shape, string Storage);

    private sealed record TypeTotal(string Type, int Tensors, long Elements);

    public static Command Create() => new("checkpoint", "Look into checkpoint files and convert them.") { Inspect(), Convert() };

    private static Command Inspect()
    {
        var path = new Argument<string>("path") { Description = "A checkpoint: safetensors, or PyTorch's .pt in its zip or its older "
            + "stream format; or a run folder, for its best. Nothing in it is executed." };
        var command = new Command("inspect", CommandLine.Describe("List a checkpoint's tensors, metadata and totals.",
            "alpro checkpoint inspect output/pretrain/alpro_pretrained_ckpt.pt")) { path };
        command.SetAction(arguments =>
        {
            using CheckpointFile file = CheckpointFile.Open(EvaluationTarget.WeightsIn(arguments.GetValue(path)!, CommandLine.Log));
            TensorLine[] tensors = [.. file.Tensors.Select(
                entry => new TensorLine(entry.Key, entry.Value.Run.Element.Name, entry.Value.Shape, entry.Value.Run.Key))];
            TypeTotal[] totals = [.. file.Tensors.Values.GroupBy(tensor => tensor.Run.Element.Name)
                .Select(type => new TypeTotal(type.Key, type.Count(), type.Sum(tensor => tensor.Elements)))];
            StoredRun[] storages = [.. file.Tensors.Values.Select(tensor => tensor.Run).Distinct()];
            long storedBytes = storages.Sum(run => run.Bytes);
            CommandLine.Result(
                arguments,
                new { file.Path, file.Format, file.Length, tensors, file.Metadata, totals, storages = storages.Length, storedBytes },
                console => Show(console, file, tensors, totals, $"{tensors.Length} tensors in {storages.Length} storages of "
                + $"{storedBytes:N0} bytes; file of {file.Length:N0} bytes, format {file.Format}"));
        });
        return command;
    }

    private static Command Convert()
    {
        var source = new Argument<string>("source") { Description = "A checkpoint of any format, or a run folder." };
        var destination = new Argument<string>("destination") { Description =
            "The new file: NAME.safetensors, or any other name for PyTorch's zip format." };
        var command = new Command("convert", CommandLine.Describe("Write a checkpoint's state dict in another format.",
            "alpro checkpoint convert model_step_best.pt model.safetensors")) { source, destination };
        command.SetAction(arguments =>
        {
            (string from, string to) = (EvaluationTarget.WeightsIn(arguments.GetValue(source)!, CommandLine.Log),
                arguments.GetValue(destination)!);
            ConversionReport report = OutputPath.Write(to, "the second argument", () => CheckpointConverter.Convert(from, to));
            CommandLine.Result(arguments, report, console =>
            {
                console.WriteLine($"{report.Tensors} tensors written, {report.Bytes:N0} bytes");
                if (report.LeftTensors.Count > 0)
                    console.WriteLine(
                        $"{report.LeftTensors.Count} tensors outside the state dict left out: {string.Join(", ", report.LeftTensors)}");
                if (report.LeftValues.Count > 0)
                    console.WriteLine($"{report.LeftValues.Count} plain values left out: {string.Join(", ", report.LeftValues)}");
            });
        });
        return command;
    }

    private static void Show(IAnsiConsole console, CheckpointFile file, TensorLine[] tensors, TypeTotal[] totals, string summary)
    {
        Table table = new Table().Border(TableBorder.None).AddColumns("tensor", "type", "shape", "storage");
        foreach (TensorLine tensor in tensors)
            table.AddRow(new Text(tensor.Name), new Text(tensor.Type), new Text($"[{string.Join(", ", tensor.Shape)}]"),
                new Text(tensor.Storage));
        console.Write(table);
        foreach ((string name, string value) in file.Metadata)
            console.WriteLine($"{name} = {(value.Length <= LongestValue ? value : value[..LongestValue] + "...")}");
        foreach (TypeTotal total in totals) console.WriteLine($"{total.Type}: tensors {total.Tensors}, elements {total.Elements:N0}");
        console.WriteLine(summary);
    }
}
