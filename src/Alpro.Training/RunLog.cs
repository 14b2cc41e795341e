using System.Text.Json;
using System.Text.Json.Serialization;
using TorchSharp;
using TorchSharp.Modules;

namespace Alpro.Training;

/// <summary>
/// The records of a run on disk: <c>steps.jsonl</c> and <c>validation.jsonl</c>, a line each, and event files for TensorBoard. A run
/// that resumes writes on after its checkpoint: what was recorded beyond it is taken out, for those steps are done again.
/// </summary>
public sealed class RunLog : IDisposable
{
    /// <summary>How records are written: camel case, a line each, NaN and infinity by name.</summary>
    public static JsonSerializerOptions Json { get; } = new(JsonSerializerDefaults.Web)
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    private readonly StreamWriter _steps, _validations;
    private readonly SummaryWriter _events;

    /// <summary>Opens the records of a run.</summary>
    /// <param name="folder">The run's folder.</param>
    /// <param name="step">Steps that it has done, 0 for a new one.</param>
    /// <param name="settled">The last step after which it was validated if that was due, <see cref="TrainState.Settled"/>.</param>
    /// <exception cref="ConfigException">A line at the end of the records is none of ours.</exception>
    public RunLog(string folder, long step, long settled)
    {
        Directory.CreateDirectory(folder);
        _steps = Reopen(StepsFile(folder), (StepRecord record) => record.Step < step);
        _validations = Reopen(ValidationsFile(folder), (ValidationRecord record) => record.Step <= settled);
        _events = torch.utils.tensorboard.SummaryWriter(Path.Combine(folder, "tensorboard"), createRunName: false);
    }

    /// <summary>The file of the steps' records.</summary>
    public static string StepsFile(string folder) => Path.Combine(folder, "steps.jsonl");

    /// <summary>The file of the validations' records.</summary>
    public static string ValidationsFile(string folder) => Path.Combine(folder, "validation.jsonl");

    /// <summary>The file of what other processes found of the run's checkpoints.</summary>
    public static string EvaluationsFile(string folder) => Path.Combine(folder, "evaluation.jsonl");

    /// <summary>Adds what another process found; the records above are the run's own.</summary>
    public static void Append(string folder, EvaluationRecord record) => File.AppendAllText(EvaluationsFile(folder), JsonSerializer.Serialize(record, Json) + "\n");

    /// <summary>The records of a file, in order and as they are read; none where there is no file. A last line cut short by a crash is left out.</summary>
    /// <exception cref="ConfigException">A line is no record.</exception>
    public static IEnumerable<T> Read<T>(string file) where T : class => RecordFile<T>.Read(file);

    /// <summary>The last record of a file, of which no more than the end is read; null where there is none.</summary>
    /// <exception cref="ConfigException">The last whole line is no record.</exception>
    public static T? Last<T>(string file) where T : class => RecordFile<T>.Last(file);

    /// <summary>Writes a step's record.</summary>
    public void Write(StepRecord record)
    {
        _steps.WriteLine(JsonSerializer.Serialize(record, Json));
        int step = (int)record.Step;
        _events.add_scalar("loss/total", (float)record.Loss, step);
        foreach ((string name, TermRecord term) in record.Terms)
        {
            _events.add_scalar($"loss/{name}", (float)term.Loss, step);
            if (term.Accuracy is { } accuracy) _events.add_scalar($"accuracy/{name}", (float)accuracy, step);
        }
        _events.add_scalar("optimizer/learningRate", (float)record.LearningRate, step);
        _events.add_scalar("optimizer/gradientNorm", (float)record.GradientNorm, step);
        _events.add_scalar("speed/clipsPerSecond", (float)record.ClipsPerSecond, step);
        _events.add_scalar("speed/waitShare", (float)record.WaitShare, step);
    }

    /// <summary>Writes a validation's record.</summary>
    public void Write(ValidationRecord record)
    {
        _validations.WriteLine(JsonSerializer.Serialize(record, Json));
        foreach ((string name, double value) in record.Figures) _events.add_scalar($"validation/{name}", (float)value, (int)record.Step);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _steps.Dispose();
        _validations.Dispose();
    }

    private static StreamWriter Reopen<T>(string file, Func<T, bool> stays) where T : class
    {
        RecordFile<T>.Cut(file, stays);
        return new(file, append: true) { AutoFlush = true };
    }
}
