using System.Text.Json;
using System.Text.Json.Serialization;

namespace Alpro.Training;

/// <summary>
/// The records of a run on disk: <c>steps.jsonl</c> and <c>validation.jsonl</c>, a line each, and event files for TensorBoard. A run
/// that resumes writes on after its checkpoint: what was recorded beyond it is taken out, for those steps are done again. Records that cannot
/// be written wait, and <see cref="Flush"/> tries them again.
/// </summary>
public sealed class RunLog : IDisposable
{
    /// <summary>How records are written: camel case, a line each, NaN and infinity by name.</summary>
    public static JsonSerializerOptions Json { get; } = new(JsonSerializerDefaults.Web)
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    private readonly GrowingFile _steps, _validations, _events;

    /// <summary>Opens the records of a run.</summary>
    /// <param name="folder">The run's folder.</param>
    /// <param name="step">Steps that it has done, 0 for a new one.</param>
    /// <param name="settled">The last step after which it was validated if that was due, <see cref="TrainState.Settled"/>.</param>
    public RunLog(string folder, long step, long settled)
    {
        Directory.CreateDirectory(folder);
        _steps = Reopen(StepsFile(folder), (StepRecord record) => record.Step < step);
        _validations = Reopen(ValidationsFile(folder), (ValidationRecord record) => record.Step <= settled);
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        string name = $"events.out.tfevents.{now.ToUnixTimeMilliseconds()}.{Environment.MachineName}.{Environment.ProcessId}";
        _events = new(Path.Combine(folder, "tensorboard", name));
        _events.Add(TensorBoardRecords.Version(now));
        _events.Add(TensorBoardRecords.Start(now, step));
        foreach (ValidationRecord record in Read<ValidationRecord>(ValidationsFile(folder)).Where(record => record.Step >= step)) Show(record);
    }

    /// <summary>Records that are not in their files yet.</summary>
    public int Waiting => _steps.Waiting + _validations.Waiting + _events.Waiting;

    /// <summary>The file of the steps' records.</summary>
    public static string StepsFile(string folder) => Path.Combine(folder, "steps.jsonl");

    /// <summary>The file of the validations' records.</summary>
    public static string ValidationsFile(string folder) => Path.Combine(folder, "validation.jsonl");

    /// <summary>The file of what other processes found of the run's checkpoints.</summary>
    public static string EvaluationsFile(string folder) => Path.Combine(folder, "evaluation.jsonl");

    /// <summary>Adds what another process found; the records above are the run's own.</summary>
    public static void Append(string folder, EvaluationRecord record) => File.AppendAllText(EvaluationsFile(folder), JsonSerializer.Serialize(record, Json) + "\n");

    /// <summary>The records of a file, in order; none where there is no file. A last line cut short by a crash is left out.</summary>
    public static IEnumerable<T> Read<T>(string file)
    {
        if (!File.Exists(file)) yield break;
        string text = File.ReadAllText(file);
        foreach (string line in text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries))
            yield return JsonSerializer.Deserialize<T>(line, Json)!;
    }

    /// <summary>Adds a step's record, which <see cref="Flush"/> writes.</summary>
    public void Add(StepRecord record)
    {
        _steps.AddLine(JsonSerializer.Serialize(record, Json));
        List<(string, double)> figures = [("loss/total", record.Loss)];
        foreach ((string name, TermRecord term) in record.Terms)
        {
            figures.Add(($"loss/{name}", term.Loss));
            if (term.Accuracy is { } accuracy) figures.Add(($"accuracy/{name}", accuracy));
        }
        figures.AddRange([("optimizer/learningRate", record.LearningRate), ("optimizer/gradientNorm", record.GradientNorm)]);
        figures.AddRange([("speed/clipsPerSecond", record.ClipsPerSecond), ("speed/waitShare", record.WaitShare)]);
        _events.Add(TensorBoardRecords.Figures(TimeProvider.System.GetUtcNow(), record.Step, figures));
    }

    /// <summary>Adds a validation's record, which <see cref="Flush"/> writes.</summary>
    public void Add(ValidationRecord record)
    {
        _validations.AddLine(JsonSerializer.Serialize(record, Json));
        Show(record);
    }

    /// <summary>Writes what has been added.</summary>
    /// <exception cref="IOException">Some of it cannot be written, and waits on.</exception>
    /// <exception cref="UnauthorizedAccessException">The same.</exception>
    public void Flush()
    {
        _steps.Flush();
        _validations.Flush();
        _events.Flush();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _steps.Dispose();
        _validations.Dispose();
        _events.Dispose();
    }

    private void Show(ValidationRecord record) =>
        _events.Add(TensorBoardRecords.Figures(TimeProvider.System.GetUtcNow(), record.Step, record.Figures.Select(figure => ($"validation/{figure.Key}", figure.Value))));

    private static GrowingFile Reopen<T>(string file, Func<T, bool> stays)
    {
        string aside = file + ".partial";
        File.WriteAllLines(aside, Read<T>(file).Where(stays).Select(record => JsonSerializer.Serialize(record, Json)));
        File.Move(aside, file, overwrite: true);
        return new(file);
    }
}
