using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Alpro.Model.Checkpoints;
using Alpro.Training.Evaluation;
using Alpro.Training.Records;

namespace Alpro.Training.Tasks;

/// <summary>Figures in rows and columns, for a person.</summary>
/// <param name="Columns">The heads of the columns; that of the rows' names is empty.</param>
/// <param name="Rows">The rows, each with its name first.</param>
public sealed record ScoreTable(IReadOnlyList<string> Columns, IReadOnlyList<IReadOnlyList<string>> Rows);

/// <summary>
/// The scores of a model on the videos and texts of a corpus. A task adds its own figures as public properties: <c>--json</c> prints them.
/// </summary>
/// <param name="plan">What was evaluated.</param>
/// <param name="missing">Videos that could not be read.</param>
public abstract class DownstreamScores(EvaluationPlan plan, IReadOnlyList<MissingVideo> missing)
{
    /// <summary>The corpus.</summary>
    public string Corpus => plan.Corpus;

    /// <summary>Videos asked for.</summary>
    public int Videos => plan.Set.VideoKeys.Count;

    /// <summary>Captions or questions.</summary>
    public int Texts => plan.Set.Texts.Count;

    /// <summary>Videos that could not be read, with the reason.</summary>
    public IReadOnlyList<MissingVideo> Missing => missing;

    /// <summary>R@1 that a random order would reach, in percent; 0 for a task without ranks.</summary>
    public virtual double Chance => 0;

    /// <summary>The line that the released code prints: over the videos that were read.</summary>
    public string Line => PythonLiteral.Of(Figures(withMissing: false));

    /// <summary>The same with what belongs to missing videos counted as not found; null when nothing is missing.</summary>
    [JsonIgnore]
    public string? LineWithMissing => missing.Count > 0 ? PythonLiteral.Of(Figures(withMissing: true)) : null;

    /// <summary>The figures, under the names that the released code gives them.</summary>
    /// <param name="withMissing">Whether what belongs to missing videos counts, as wrong; else it is left out.</param>
    public abstract JsonObject Figures(bool withMissing);

    /// <summary>More than the line says, for a person; null for no more.</summary>
    public virtual ScoreTable? ToTable() => null;

    /// <summary>The worst and the best of what was found, for a person to look at.</summary>
    /// <param name="most">Examples of a group, at most.</param>
    public abstract IReadOnlyList<ExampleGroup> Examples(int most);

    /// <summary>As the record of a validation, whose score decides which checkpoint is best.</summary>
    public abstract ValidationRecord ToRecord(long step, double seconds);

    /// <summary>A receipt with what the task alone has to say in it.</summary>
    public virtual Receipt Complete(Receipt receipt) => receipt;

    /// <summary>
    /// Writes the files that the released code leaves after an evaluation: <c>results.json</c>, a row for every pair or question, and
    /// <c>scores.json</c>, the figures.
    /// </summary>
    /// <param name="folder">The folder of results.</param>
    public void Write(string folder)
    {
        WholeFile.Write(Path.Combine(folder, "results.json"), stream =>
        {
            using var json = new Utf8JsonWriter(stream);
            json.WriteStartArray();
            WriteRows(json);
            json.WriteEndArray();
        });
        WholeFile.Write(Path.Combine(folder, "scores.json"), stream => JsonSerializer.Serialize(stream, Figures(withMissing: false)));
    }

    private protected EvaluationPlan Plan => plan;

    /// <summary>Choices that an example has, at most.</summary>
    private protected const int Shown = 3;

    /// <summary>A group of the first examples, each of another video. What is asked again comes after all else.</summary>
    private protected static ExampleGroup Group(string title, string about, string ifNone, int most, IEnumerable<TextExample> examples) =>
        new(title, about, ifNone, [.. examples.GroupBy(example => example.Text)
            .SelectMany(same => same.Select((example, again) => (Example: example, Again: again))).OrderBy(one => one.Again)
            .Select(one => one.Example).DistinctBy(example => example.Video).Take(most)]);

    /// <summary>Writes the rows of <c>results.json</c>, an object each.</summary>
    private protected abstract void WriteRows(Utf8JsonWriter json);
}
