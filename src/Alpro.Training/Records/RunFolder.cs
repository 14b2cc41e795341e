namespace Alpro.Training.Records;

/// <summary>The folder of a run. Only this type knows what the files in it are called; no name depends on who asks.</summary>
/// <param name="path">The folder, which need not exist.</param>
public sealed class RunFolder(string path)
{
    /// <summary>The name of the run's configuration.</summary>
    public const string ConfigName = "config.json";

    /// <summary>The name of the folder of checkpoints.</summary>
    public const string CheckpointsName = "checkpoints";

    /// <summary>The folder.</summary>
    public string Path { get; } = path;

    /// <summary>The configuration under which the run was last begun or continued.</summary>
    public string Config => In(ConfigName);

    /// <summary>The folder of the checkpoints; <see cref="Alpro.Training.Checkpoints.CheckpointStore"/> knows what is in it.</summary>
    public string Checkpoints => In(CheckpointsName);

    /// <summary>The records of the steps, a <see cref="StepRecord"/> a line.</summary>
    public string Steps => In("steps.jsonl");

    /// <summary>The records of the validations, a <see cref="ValidationRecord"/> a line.</summary>
    public string Validations => In("validation.jsonl");

    /// <summary>The records of what other processes found of the run's checkpoints, an <see cref="EvaluationRecord"/> a line.</summary>
    public string Evaluations => In("evaluation.jsonl");

    /// <summary>What the run's wall time went to, a <see cref="Stretch"/> a line. It is only added to: lost steps took time too.</summary>
    public string Timeline => In("timeline.jsonl");

    /// <summary>How the run is doing, written anew every few seconds by the process that trains.</summary>
    public string Status => In("status.json");

    /// <summary>The newest batch as pictures, written anew every few seconds by the process that trains.</summary>
    public string Batch => In("batch.json");

    /// <summary>What happened, a <see cref="RunEvent"/> a line, as a process tells it that trains alone.</summary>
    public string Events => In("events.jsonl");

    /// <summary>The page about the run.</summary>
    public string Report => In("report.html");

    /// <summary>The file that is locked while a process writes the page.</summary>
    public string ReportLock => In(".report.lock");

    /// <summary>The accounts of the clips, from which the page is written again.</summary>
    public string Ledger => In("ledger.json");

    /// <summary>The list of clips that could not be read, by a process that trains alone.</summary>
    public string Unreadable => In("unreadable.csv");

    /// <summary>The best weights in PyTorch's format, which a run exports at its end.</summary>
    public string BestExport => Export("best");

    /// <summary>The number of the last group of trainers, and the file that is locked while it changes.</summary>
    public (string Number, string Lock) Generation => (In("generation"), In("generation.lock"));

    /// <summary>The file whose lock says that the folder is held, and the one that says by whom.</summary>
    internal (string Lock, string Holder) Holding => (In(".lock"), In(".holder"));

    /// <summary>A file that is written and removed, to see whether the folder can be written.</summary>
    internal string Probe => In(".writable");

    /// <summary>The list of clips that one trainer of several could not read.</summary>
    /// <param name="host">The trainer's host.</param>
    /// <param name="port">Its port of the control plane.</param>
    public string UnreadableBy(string host, int? port) => In($"unreadable-{host}-{port}.csv");

    /// <summary>What happened, as one node of several tells it.</summary>
    /// <param name="host">The node's host.</param>
    /// <param name="port">Its port of the control plane.</param>
    public string EventsBy(string host, int? port) => In($"events-{host}-{port}.jsonl");

    /// <summary>The files of all who tell what happened.</summary>
    public IReadOnlyList<string> AllEvents() => Directory.Exists(Path) ? Directory.GetFiles(Path, "events*.jsonl") : [];

    /// <summary>The folders of other runs that lie beside this one.</summary>
    public IReadOnlyList<RunFolder> Beside() => Directory.GetParent(Path) is not { Exists: true } parent ? []
        : [.. parent.EnumerateDirectories().Select(folder => new RunFolder(folder.FullName))
            .Where(run => File.Exists(run.Steps) && run.Path != Path).OrderBy(run => run.Path, StringComparer.Ordinal)];

    /// <summary>The weights after a number of steps, in PyTorch's format.</summary>
    public string Export(long step) => Export($"{step}");

    /// <summary>A step that was set aside because it was not finite.</summary>
    /// <param name="step">The step.</param>
    /// <param name="rank">The rank whose share it is; null where one process trained alone.</param>
    public string Replay(long step, int? rank) => In($"step_{step:D8}{(rank is { } own ? $"_rank_{own}" : "")}.safetensors");

    /// <summary>A file of events for TensorBoard.</summary>
    /// <param name="opened">When it was opened.</param>
    /// <param name="step">The step at which its writer began.</param>
    public string TensorBoard(DateTimeOffset opened, long step) => System.IO.Path.Combine(In("tensorboard"),
        $"events.out.tfevents.{opened.ToUnixTimeMilliseconds()}.{Environment.MachineName}.{Environment.ProcessId}.{step}");

    /// <summary>The folder of the results of evaluations on a corpus, each in a folder named after its checkpoint.</summary>
    public string EvaluationsOn(string corpus) => System.IO.Path.Combine(In("evaluation"), corpus);

    /// <summary>The folder, for messages.</summary>
    public override string ToString() => Path;

    private string Export(string name) => In($"model_step_{name}.pt");

    private string In(string name) => System.IO.Path.Combine(Path, name);
}
