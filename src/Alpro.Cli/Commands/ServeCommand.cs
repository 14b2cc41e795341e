using System.CommandLine;
using Alpro.Actors;
using Alpro.Actors.Evaluation;
using Alpro.Training.Configuration;
using Alpro.Training.Tasks;
using Alpro.Web.Search;

namespace Alpro.Cli.Commands;

/// <summary><c>alpro serve</c>: a page on which people search an index and ask about what they find, and its API.</summary>
internal static class ServeCommand
{
    public static Command Create()
    {
        var index = new Argument<string>("INDEX") { Description = "The folder of an index, made by 'alpro index'." };
        var checkpoint = new Option<string?>("--checkpoint") { Description =
            "The weights that the index was made with, where they have been moved." };
        var answers = new Option<string?>("--answers") { Description =
            "A run of question answering, ours or a released one: then visitors may ask about moments and videos." };
        var data = new Option<string?>("--data") { Description =
            "Folder to look in for the vocabulary and answers of --answers, before they are looked for where its configuration says." };
        var page = new PageOptions();
        var command = new Command("serve", CommandLine.Describe(
            "Open a page on which to search an index of videos, play what is found, and ask about it; with a JSON API.",
            "alpro serve videos.index --answers output/qa --page 127.0.0.1:8080")) { index, checkpoint, answers, data };
        page.AddTo(command);
        command.SetAction(async (arguments, stop) =>
        {
            AnsweringModel? model = arguments.GetValue(answers) is { } run ? Answering(run, arguments.GetValue(data)) : null;
            string? weights = arguments.GetValue(checkpoint) is { } path ? EvaluationTarget.WeightsIn(path, CommandLine.Log) : null;
            await using SearchPage opened = await SearchPage.OpenAsync(page.Settings(arguments), arguments.GetValue(index)!, weights, model,
                CommandLine.Log);
            await Task.Delay(Timeout.Infinite, stop);
            return ExitCode.Success;
        });
        return command;
    }

    private static AnsweringModel Answering(string run, string? data)
    {
        EvaluationTarget target = EvaluationTarget.Open(run, config: null, checkpoint: null, settings: [], CommandLine.Log);
        RunConfig config = target.For(corpus: null, data);
        if (!DownstreamTask.Of(config.Task).AsksQuestions)
            throw new UsageException(
                $"--answers {run}: is a run of {DownstreamTask.Of(config.Task).Title}; expected one of question answering");
        return new($"{Path.GetFileName(target.Folder)}, {target.Name}", config, target.Weights);
    }
}
