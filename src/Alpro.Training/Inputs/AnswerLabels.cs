using System.Text.Json;
using Alpro.Data;
using Alpro.Training.Configuration;

namespace Alpro.Training.Inputs;

/// <summary>The labels of the answers that a model chooses among.</summary>
public static class AnswerLabels
{
    /// <summary>The labels of a run's answers; null where it has none.</summary>
    /// <exception cref="DataException">The file is no list of labels, or one of another model.</exception>
    public static IReadOnlyDictionary<string, int>? Read(RunConfig config)
    {
        if (config.Data.Answers is not { } file) return null;
        int labels = config.Model.Answers;
        try
        {
            var answers = JsonSerializer.Deserialize<Dictionary<string, int>>(File.ReadAllBytes(file))!;
            if (answers.FirstOrDefault(answer => answer.Value < 0 || answer.Value >= labels) is { Key: { } odd } wrong)
                throw new DataException($"{file}: the answer \"{odd}\" has the label {wrong.Value}, and the model has model.answers = "
                    + $"{labels}: they do not belong together");
            return answers;
        }
        catch (JsonException exception)
        {
            throw new DataException($"{file}: not a JSON object from answers to labels: {exception.Message}", exception);
        }
    }
}
