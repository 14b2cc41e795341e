using System.CommandLine;
using Alpro.Actors;
using Alpro.Data;
using Alpro.Data.Text;
using Alpro.Training.Configuration;
using Spectre.Console;

namespace Alpro.Cli.Commands;

/// <summary>
/// <c>alpro prepare answers</c> and <c>alpro prepare vocabulary</c>: the lists that data of one's own needs, made of the rows of a
/// configuration's training corpora and written where the configuration names them. <c>alpro entities</c> makes the third.
/// </summary>
internal static class PrepareListsCommand
{
    /// <summary>The list of answers that a model of question answering chooses from.</summary>
    public static Command CreateAnswers()
    {
        (Command command, Option<string?> output, Option<int?> count, Func<ParseResult, RunConfig> load) = List(
            "answers", "Build the list of answers: the commonest answers of training, with their labels.",
            "File to write; by default the one that data.answers names.", "Answers at most; by default model.answers.");
        command.SetAction((arguments, cancellation) => Task.Run(() =>
        {
            RunConfig config = load(arguments);
            string path = PathOf(arguments.GetValue(output), config.Data.Answers, "data.answers");
            (IReadOnlyList<string> answers, int rows, int labelled) = ConfiguredCorpora.Read(config, (corpora, progress) =>
            {
                string[] given = [.. ConfiguredCorpora.Rows(corpora, progress, cancellation).Select(row => row.Answer).OfType<string>()];
                IReadOnlyList<string> commonest = AnswerList.Commonest(given, arguments.GetValue(count) ?? config.Model.Answers);
                HashSet<string> labels = [.. commonest];
                return (commonest, given.Length, given.Count(labels.Contains));
            });
            if (rows == 0) throw new DataException("The training corpora have no answers: expected rows with a question and an answer.");
            OutputPath.Write(path, "--out", () => AsideFile.WriteLines(path, [AnswerList.ToJson(answers)]));
            CommandLine.Result(arguments, new { file = path, count = answers.Count, rows, labelled, first = answers.Take(10) }, console =>
                console.WriteLine($"{path}: {answers.Count:N0} answers, which {labelled:N0} of {rows:N0} questions have; the commonest are "
                + string.Join(", ", answers.Take(10))));
            return ExitCode.Success;
        }, cancellation));
        return command;
    }

    /// <summary>A vocabulary of word pieces, for training from fresh weights.</summary>
    public static Command CreateVocabulary()
    {
        (Command command, Option<string?> output, Option<int?> size, Func<ParseResult, RunConfig> load) = List(
            "vocabulary", "Learn a vocabulary of word pieces from the captions of training, for a model that begins with fresh weights. "
            + "Published weights need the vocabulary they were trained with.",
            "File to write; by default the one that data.vocabulary names.", "Word pieces at most; by default model.text.vocabularySize.");
        command.SetAction((arguments, cancellation) => Task.Run(() =>
        {
            RunConfig config = load(arguments);
            string path = PathOf(arguments.GetValue(output), config.Data.Vocabulary, "data.vocabulary");
            if (File.Exists(path))
                throw new UsageException($"{path}: is there, and weights may depend on it; remove it, or name another file with --out");
            IReadOnlyList<string> pieces = ConfiguredCorpora.Read(config, (corpora, progress) => WordPieceTrainer.Train(
                ConfiguredCorpora.Rows(corpora, progress, cancellation).SelectMany(row => row.Captions),
                arguments.GetValue(size) ?? config.Model.Text.VocabularySize));
            OutputPath.Write(path, "--out", () => AsideFile.WriteLines(path, pieces));
            CommandLine.Result(arguments, new { file = path, count = pieces.Count }, console =>
                console.WriteLine($"{path}: {pieces.Count:N0} word pieces; model.text.vocabularySize must be at least that"));
            return ExitCode.Success;
        }, cancellation));
        return command;
    }

    /// <summary>A command that makes a list of the rows of a configuration's training corpora.</summary>
    private static (Command Command, Option<string?> Output, Option<int?> Count, Func<ParseResult, RunConfig> Load) List(
        string name, string summary, string file, string number)
    {
        var config = new Option<string>("--config")
        {
            Description = "A run's configuration: the rows of its training corpora are read.",
            Required = true,
        };
        Option<string[]> settings = ConfigCommand.SetOption();
        var output = new Option<string?>("--out") { Description = file };
        var count = new Option<int?>("--count") { Description = number };
        CommandLine.Between(count, 1);
        return (new Command(name, CommandLine.Describe(summary, $"alpro prepare {name} --config config/mine.json"))
            { config, output, count, settings }, output, count,
            arguments => ConfigLoader.LoadForCorpora(arguments.GetValue(config)!, arguments.GetValue(settings)));
    }

    private static string PathOf(string? given, string? configured, string setting) =>
        given is not null ? Path.GetFullPath(given) : configured is { Length: > 0 } named ? named
        : throw new UsageException($"The configuration names no {setting}: give --out FILE.");
}
