using System.CommandLine;
using Alpro.Actors;
using Alpro.Training.Evaluation;
using Alpro.Training.Tasks;
using Spectre.Console;

namespace Alpro.Cli.Commands;

/// <summary><c>alpro compare</c>: puts receipts of evaluations beside the published results.</summary>
internal static class CompareCommand
{
    public static Command Create()
    {
        var receipts = new Argument<string[]>("RECEIPT")
        {
            Description = "Receipts of 'alpro evaluate', or the folders that have them.",
            Arity = ArgumentArity.OneOrMore,
        };
        var command = new Command("compare", CommandLine.Describe(
            "Put the figures of evaluations beside those of the checkpoints released with the paper. What is not of a test split is shown, "
            + "and compared with nothing.",
            "alpro compare output/msrvtt/evaluation/msrvtt_ret-test/*")) { receipts };
        command.SetAction(arguments =>
        {
            ComparedReceipt[] compared = [.. arguments.GetValue(receipts)!.Select(path => PublishedResults.Compare(Receipt.Read(path)))];
            CommandLine.Result(arguments, compared, console =>
            {
                foreach (ComparedReceipt receipt in compared) Show(console, receipt);
            });
            return ExitCode.Success;
        });
        return command;
    }

    private static void Show(IAnsiConsole console, ComparedReceipt compared)
    {
        Receipt receipt = compared.Receipt;
        var table = new Table().Border(TableBorder.Rounded)
            .Title(
            Markup.Escape(
            $"{receipt.Corpus}, {receipt.Split} split: {receipt.Texts} texts, {receipt.Videos} videos, weights {receipt.WeightHash[..12]}"))
            .AddColumns("", "here", "published", "difference");
        foreach (ComparedFigure figure in compared.Figures)
            table.AddRow(figure.Figure, $"{figure.Here:0.00#}", figure.Published is { } published ? $"{published:0.00#}" : "-",
                figure.Difference is { } difference ? $"{difference:+0.00#;-0.00#;0.00}" : "-");
        console.Write(table);
        foreach (string remark in compared.Remarks) console.WriteLine($"  {remark}");
    }
}
