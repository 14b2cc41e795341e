using System.Text.Json;
using Alpro.Training.Checkpoints;
using Alpro.Training.Configuration;
using Alpro.Training.Records;

namespace Alpro.Web;

/// <summary>
/// All that a page shows of a run, read from the run's folder while others write there. Each look reads what has come since the last, so
/// a week of steps costs no more than a minute of them.
/// </summary>
internal sealed class RunFeed
{
    /// <summary>Of what happened, the newest are shown.</summary>
    private const int MostEvents = 300;

    private readonly RunFolder _folder;
    private readonly StepCurves _curves = new();
    private readonly List<ValidationRecord> _validations = [];
    private readonly List<EvaluationRecord> _evaluations = [];
    private readonly List<Stretch> _timeline = [];
    private readonly Dictionary<string, (FollowedFile<RunEvent> File, List<RunEvent> Events)> _events = [];
    private readonly List<Action> _looks;

    /// <summary>The feed of a run.</summary>
    public RunFeed(RunFolder folder)
    {
        _folder = folder;
        _looks =
        [
            new FollowedFile<StepRecord>(folder.Steps, _curves.Add, _curves.Clear).Look,
            Follow(folder.Validations, _validations), Follow(folder.Evaluations, _evaluations), Follow(folder.Timeline, _timeline),
        ];
    }

    /// <summary>What a page shows, part by part. The names of the parts and their fields are what <c>run.js</c> reads.</summary>
    /// <param name="Run">What is trained, and where: it does not change.</param>
    /// <param name="Status">How it is doing.</param>
    /// <param name="Health">Whether this process trains as it should; null in a report.</param>
    /// <param name="Account">Where the time went; null before there is any.</param>
    /// <param name="Validations">The validations.</param>
    /// <param name="Evaluations">What evaluators found.</param>
    /// <param name="Events">What happened, the newest last.</param>
    /// <param name="Checkpoints">The steps of the checkpoints that are kept.</param>
    /// <param name="Clips">The accounts of the clips, when the run has ended.</param>
    /// <param name="Batch">The newest batch as pictures; null before the first.</param>
    public sealed record View(RunPart Run, RunStatus Status, HealthCheck? Health, AccountPart? Account,
        IReadOnlyList<ValidationRecord> Validations, IReadOnlyList<EvaluationRecord> Evaluations, IReadOnlyList<RunEvent> Events,
        IReadOnlyList<long> Checkpoints, IReadOnlyList<KeyValuePair<string, string>> Clips, BatchSample? Batch);

    /// <summary>What is trained.</summary>
    /// <param name="Name">The name of its folder.</param>
    /// <param name="Config">The configuration, as JSON; null before the run has written it.</param>
    /// <param name="Others">Runs beside it, with which it can be compared.</param>
    /// <param name="Written">When its report was written; null while it goes on.</param>
    public sealed record RunPart(string Name, string? Config, IReadOnlyList<string> Others, DateTimeOffset? Written);

    /// <summary>Where the time went.</summary>
    public sealed record AccountPart(double Seconds, double Goodput, long StepsDoneAgain, IReadOnlyList<TimePart> Parts);

    /// <summary>The time that went to one cause.</summary>
    public sealed record TimePart(TimeCause Cause, string Name, string Meaning, double Seconds);

    /// <summary>The curves of the steps, or what is new in them.</summary>
    /// <param name="known">What the page has; null for nothing.</param>
    public StepCurves.Drawn Curves(StepCurves.Drawn? known = null) => _curves.Draw(known);

    /// <summary>Looks at the run.</summary>
    /// <param name="status">How it is doing, where this process knows better than the folder.</param>
    /// <param name="health">Whether this process trains as it should; null in a report.</param>
    /// <param name="batch">The newest batch, where this process has it.</param>
    /// <param name="written">When the report is written; null while the run goes on.</param>
    /// <exception cref="ConfigException">A line of a record is none.</exception>
    public View Look(RunStatus? status = null, HealthCheck? health = null, BatchSample? batch = null, DateTimeOffset? written = null)
    {
        foreach (Action look in _looks) look();
        foreach (string file in _folder.AllEvents())
        {
            if (!_events.TryGetValue(file, out var followed))
            {
                var events = new List<RunEvent>();
                _events[file] = followed = (new(file, events.Add, events.Clear), events);
            }
            followed.File.Look();
        }
        return new(
            new(Path.GetFileName(_folder.Path), File.Exists(_folder.Config) ? File.ReadAllText(_folder.Config) : null,
                written is null ? [.. _folder.Beside().Select(run => Path.GetFileName(run.Path))] : [], written),
            status ?? RunStatus.Read(_folder) ?? RunStatus.NotBegun(written ?? default, 0), health, Account(), [.. _validations],
            [.. _evaluations.GroupBy(one => (one.Corpus, one.Split, one.Step)).Select(same => same.Last())],
            [.. _events.Values.SelectMany(one => one.Events).OrderBy(one => one.Time).TakeLast(MostEvents)],
            new CheckpointStore(_folder.Checkpoints).Steps(), Clips(), batch ?? BatchSample.Read(_folder));
    }

    /// <summary>The feed of a run beside this one; null where there is none of that name.</summary>
    public RunFeed? Beside(string name) =>
        _folder.Beside().FirstOrDefault(run => Path.GetFileName(run.Path) == name) is { } other ? new(other) : null;

    private static Action Follow<T>(string file, List<T> records) where T : class =>
        new FollowedFile<T>(file, records.Add, records.Clear).Look;

    private AccountPart? Account() => TimeAccount.Of(_timeline) is not { } account ? null
        : new(account.Seconds, account.Goodput, account.StepsDoneAgain, [.. account.Parts.Select(part =>
            new TimePart(part.Key, TimeAccount.Name(part.Key), TimeAccount.Meaning(part.Key), part.Value))]);

    private KeyValuePair<string, string>[] Clips() => !File.Exists(_folder.Ledger) ? []
        : JsonSerializer.Deserialize<KeyValuePair<string, string>[]>(File.ReadAllBytes(_folder.Ledger)) ?? [];
}
