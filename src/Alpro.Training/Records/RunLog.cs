using System.Text.Json;
using System.Text.Json.Serialization;
using Alpro.Training.Checkpoints;
using Alpro.Training.Configuration;

namespace Alpro.Training.Records;

/// <summary>
/// The records of a run on disk: <c>steps.jsonl</c> and <c>validation.jsonl</c>, a line each, and event files for TensorBoard. A run
/// that resumes writes on after its checkpoint: what was recorded beyond it is taken out, for those steps are done again. Records that
/// cannot be written wait, and <see cref="Flush"/> tries them again.
/// </summary>
public sealed class RunLog : IDisposable
{
    /// <summary>How records are written: camel case, a line each, NaN and infinity by name.</summary>
    public static JsonSerializerOptions Json { get; } = new(JsonSerializerDefaults.Web)
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    private readonly GrowingFile _steps, _validations, _timeline, _events;
    private long _pictured;                                          // the step from which on pictures are due

    /// <summary>Opens the records of a run.</summary>
    /// <param name="folder">The run's folder.</param>
    /// <param name="step">Steps that it has done, 0 for a new one.</param>
    /// <param name="settled">The last step after which it was validated if that was due, <see cref="TrainState.Settled"/>.</param>
    /// <exception cref="ConfigException">A line at the end of the records is none of ours.</exception>
    public RunLog(RunFolder folder, long step, long settled)
    {
        Directory.CreateDirectory(folder.Path);
        _steps = Reopen(folder.Steps, (StepRecord record) => record.Step < step);
        _validations = Reopen(folder.Validations, (ValidationRecord record) => record.Step <= settled);
        _timeline = Reopen(folder.Timeline, static (Stretch _) => true);
        LastTime = Last<Stretch>(folder.Timeline)?.Ended ?? DateTimeOffset.MinValue;
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        _events = new(folder.TensorBoard(now, step));
        _events.Add(TensorBoardRecords.Version(now));
        _events.Add(TensorBoardRecords.Start(now, step));
        if (Last<ValidationRecord>(folder.Validations) is { } last && last.Step >= step) Show(last);        // its step is not done again
    }

    /// <summary>Records that are not in their files yet.</summary>
    public int Waiting => _steps.Waiting + _validations.Waiting + _timeline.Waiting + _events.Waiting;

    /// <summary>The end of the last stretch on the disk when the records were opened: what came before is accounted for.</summary>
    public DateTimeOffset LastTime { get; }

    /// <summary>Adds what another process found; the records above are the run's own.</summary>
    public static void Append(RunFolder folder, EvaluationRecord record) =>
        File.AppendAllText(folder.Evaluations, JsonSerializer.Serialize(record, Json) + "\n");

    /// <summary>Adds a stretch of time when the records are closed.</summary>
    public static void AppendTime(RunFolder folder, Stretch stretch) =>
        File.AppendAllText(folder.Timeline, JsonSerializer.Serialize(stretch, Json) + "\n");

    /// <summary>
    /// The records of a file, in order and as they are read; none where there is no file. A last line cut short by a crash is left out.
    /// </summary>
    /// <exception cref="ConfigException">A line is no record.</exception>
    public static IEnumerable<T> Read<T>(string file) where T : class => RecordFile<T>.Read(file);

    /// <summary>The last record of a file, of which no more than the end is read; null where there is none.</summary>
    /// <exception cref="ConfigException">The last whole line is no record.</exception>
    public static T? Last<T>(string file) where T : class => RecordFile<T>.Last(file);

    /// <summary>Adds a step's record, which <see cref="Flush"/> writes.</summary>
    public void Add(StepRecord record)
    {
        _steps.AddLine(JsonSerializer.Serialize(record, Json));
        _events.Add(TensorBoardRecords.Figures(TimeProvider.System.GetUtcNow(), record.Step, record.Figures()));
    }

    /// <summary>
    /// Adds pictures for TensorBoard, which <see cref="Flush"/> writes: the first, and then one each time the number of steps has doubled.
    /// TensorBoard shows a few, and the files of a week stay small.
    /// </summary>
    public void Add(BatchSample sample)
    {
        if (sample.Step < _pictured) return;
        _pictured = Math.Max(1, 2 * sample.Step);
        _events.Add(TensorBoardRecords.Clips(sample));
    }

    /// <summary>Adds a validation's record, which <see cref="Flush"/> writes.</summary>
    public void Add(ValidationRecord record)
    {
        _validations.AddLine(JsonSerializer.Serialize(record, Json));
        Show(record);
    }

    /// <summary>Adds a stretch of time, which <see cref="Flush"/> writes.</summary>
    public void Add(Stretch stretch) => _timeline.AddLine(JsonSerializer.Serialize(stretch, Json));

    /// <summary>Writes what has been added.</summary>
    /// <exception cref="IOException">Some of it cannot be written, and waits on.</exception>
    /// <exception cref="UnauthorizedAccessException">The same.</exception>
    public void Flush()
    {
        _steps.Flush();
        _validations.Flush();
        _timeline.Flush();
        _events.Flush();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _steps.Dispose();
        _validations.Dispose();
        _timeline.Dispose();
        _events.Dispose();
    }

    private void Show(ValidationRecord record) =>
        _events.Add(TensorBoardRecords.Figures(TimeProvider.System.GetUtcNow(), record.Step,
        record.Figures.Select(figure => ($"validation/{figure.Key}", figure.Value))));

    private static GrowingFile Reopen<T>(string file, Func<T, bool> stays) where T : class
    {
        RecordFile<T>.Cut(file, stays);
        return new(file);
    }
}
