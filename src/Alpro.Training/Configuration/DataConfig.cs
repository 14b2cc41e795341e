using System.Text.Json;
using Alpro.Data;
using Alpro.Data.Clips;
using Alpro.Data.Corpora;
using Alpro.Data.Entities;

namespace Alpro.Training.Configuration;

/// <summary>The corpora of a run and how their rows become clips (<c>data</c>). Paths are relative to the configuration file.</summary>
public sealed record DataConfig
{
    /// <summary>Training corpora; each step draws its whole batch from one of them.</summary>
    [MayChange("name", "media")]
    [MayMove("annotations")]
    public required IReadOnlyList<CorpusConfig> Corpora { get; init; }

    /// <summary>Validation corpora: the model is scored on all of them, and the first decides which step is best.</summary>
    [MayChange]
    public IReadOnlyList<CorpusConfig> Validation { get; init; } = [];

    /// <summary>The test corpus of a downstream task.</summary>
    [MayChange]
    public CorpusConfig? Test { get; init; }

    /// <summary>The WordPiece vocabulary, a word piece a line.</summary>
    [MayMove]
    public required string Vocabulary { get; init; }

    /// <summary>The entity list of entity modelling: the first word of each line, commonest first.</summary>
    [MayMove]
    public string? Entities { get; init; }

    /// <summary>The answers of question answering: a JSON object from answer to label.</summary>
    [MayMove]
    public string? Answers { get; init; }

    /// <summary>How a training row becomes a clip.</summary>
    public required ClipSettings Clip { get; init; }

    /// <summary>How a row becomes a clip where the model is scored; null for <see cref="Clip"/> without augmentation.</summary>
    [MayChange]
    public ClipSettings? EvaluationClip { get; init; }

    /// <summary>Share of unreadable clips above which the run fails.</summary>
    [MayChange]
    public double MaxRejectedFraction { get; init; } = 0.05;

    /// <summary>How a row becomes a clip where the model is scored.</summary>
    public ClipSettings ClipForEvaluation() =>
        (EvaluationClip ?? Clip with { Augment = Augmentation.None }) with { MaskProbability = 0, RegionPatch = 0 };

    /// <summary>The training, validation and test corpora, each once.</summary>
    public IReadOnlyList<CorpusConfig> AllCorpora() => [.. Corpora.Concat(Validation).Concat(Test is { } test ? [test] : [])
        .DistinctBy(corpus => (corpus.Annotations, corpus.Media))];

    internal void Check(ConfigProblems problems)
    {
        problems.Require(Corpora.Count > 0, "data.corpora", "empty", "a corpus at least");
        problems.Require(MaxRejectedFraction is >= 0 and <= 1, "data.maxRejectedFraction", MaxRejectedFraction, "0 to 1");
        Corpora.Check("data.corpora", problems);
        Validation.Check("data.validation", problems);
        Test?.Check("data.test", problems);
        problems.RequireFile(Vocabulary, "data.vocabulary");
        problems.RequireFile(Entities, "data.entities");
        problems.RequireFile(Answers, "data.answers");
    }

    /// <summary>Entity modelling needs a list of as many entities as the model has.</summary>
    internal void CheckEntities(int count, ConfigProblems problems)
    {
        problems.Require(Entities is not null, "data.entities", null,
            "a list of entities, since losses.pem asks for entity modelling; \"alpro entities\" makes one");
        if (Entities is null || !File.Exists(Entities)) return;
        try
        {
            EntityList.Load(Entities, count);
        }
        catch (DataException problem)
        {
            problems.Add("data.entities", problem.Message);
        }
    }

    /// <summary>Question answering needs answers with labels that the model has.</summary>
    internal void CheckAnswers(int count, ConfigProblems problems)
    {
        problems.Require(Answers is not null, "data.answers", null, "a JSON file of answers and their labels");
        if (Answers is null || !File.Exists(Answers)) return;
        try
        {
            Dictionary<string, int> labels = JsonSerializer.Deserialize<Dictionary<string, int>>(File.ReadAllBytes(Answers))!;
            foreach ((string answer, int label) in labels.Where(answer => answer.Value < 0 || answer.Value >= count).Take(1))
                problems.Add("model.answers", $"is {count}, and {Answers} gives the answer \"{answer}\" the label {label}; "
                    + $"expected {labels.Values.Max() + 1} for labels from 0");
        }
        catch (JsonException problem)
        {
            problems.Add("data.answers", $"{Answers}: not a JSON object of answers and their labels: {problem.Message}");
        }
    }
}
