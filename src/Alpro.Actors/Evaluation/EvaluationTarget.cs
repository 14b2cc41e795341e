using Alpro.Data.Corpora;
using Alpro.Model.Checkpoints;
using Alpro.Training.Checkpoints;
using Alpro.Training.Configuration;
using Alpro.Training.Configuration.Reference;
using Alpro.Training.Evaluation;
using Alpro.Training.Records;
using Alpro.Training.Tasks;
using Microsoft.Extensions.Logging;

namespace Alpro.Actors.Evaluation;

/// <summary>What is scored: weights and the configuration they belong to, of a run folder of ours or of the released code.</summary>
/// <param name="Folder">The run's folder, or the one the weights lie in.</param>
/// <param name="Weights">The file of the weights.</param>
/// <param name="Config">The configuration, as far as evaluation reads it.</param>
public sealed record EvaluationTarget(string Folder, string Weights, RunConfig Config)
{
    private const string ReferenceArguments = "log/args.json", ReferenceCheckpoints = "ckpt", Checkpoints = RunFolder.CheckpointsName;

    /// <summary>The file that <see cref="Weights"/> is, or is a copy of.</summary>
    public string Source { get; init; } = Weights;

    /// <summary>The checkpoint's name: that of its folder, or of its file.</summary>
    public string Name => Path.GetFileName(Source) == Checkpoint.WeightsName ? Path.GetFileName(Path.GetDirectoryName(Source)!)
        : Path.GetFileNameWithoutExtension(Source);

    /// <summary>Whether the run trained the head that says how well a text matches a video.</summary>
    public bool HasMatching => Config.Task switch
    {
        LearningTask.Prompter => false,
        LearningTask.Pretrain => Config.Losses.Vtm > 0,
        _ => true,
    };

    /// <summary>Finds weights and configuration.</summary>
    /// <param name="run">A run folder, which has both; null where they are given apart.</param>
    /// <param name="config">A configuration to use in place of the run's.</param>
    /// <param name="checkpoint">Weights to use in place of the run's best: a file, a checkpoint folder, or another run folder.</param>
    /// <param name="settings">Changes to the configuration.</param>
    /// <param name="log">Told of checkpoints that are damaged; null for nobody.</param>
    /// <exception cref="UsageException">There is nothing to evaluate.</exception>
    /// <exception cref="ConfigException">The configuration is wrong.</exception>
    public static EvaluationTarget Open(string? run, string? config, string? checkpoint, IReadOnlyList<string> settings,
        ILogger? log = null)
    {
        if (run is not null && !Directory.Exists(run)) throw new UsageException($"{run}: there is no such run folder");
        string weights = WeightsIn(
            checkpoint ?? run ?? throw new UsageException("Name what to evaluate: --run FOLDER, or --config FILE with --checkpoint PATH."),
            log);
        string folder = run is null ? HomeOf(weights) : Path.GetFullPath(run);
        string arguments = Path.Combine(folder, ReferenceArguments), file = config ?? new RunFolder(folder).Config;
        if (config is not null || !File.Exists(arguments))
        {
            if (!File.Exists(file)) throw new UsageException($"{file}: there is no such configuration; expected a run folder with "
                + $"config.json (or {ReferenceArguments}), or --config FILE");
            return new(folder, weights, ConfigLoader.LoadForEvaluation(file, overrides: settings));
        }
        RunConfig imported = ReferenceConfig.Import(arguments).Config;
        imported = imported with
        {
            Model = CheckpointSizes.Of(weights, imported.Model),
            Data = imported.Data with { Test = imported.Data.Test ?? BesideValidation(imported.Data) },
        };
        return new(folder, weights, ConfigLoader.LoadForEvaluation(arguments, imported, settings));
    }

    /// <summary>The corpus of a split. Rows of validation are that, wherever a configuration puts them.</summary>
    /// <param name="test">Whether the test split is asked for, else validation.</param>
    /// <returns>The corpus, and whether its rows are those of a test split.</returns>
    /// <exception cref="UsageException">The configuration names none.</exception>
    public (CorpusConfig Corpus, bool IsTest) CorpusOf(bool test)
    {
        CorpusConfig corpus = (test ? Config.Data.Test : Config.Data.Validation is [var first, ..] ? first : null)
            ??
            throw new UsageException(
            $"{Folder}: data.{(test ? "test" : "validation")} is not set: there is nothing to evaluate on; name it with "
                + (test ? """--set 'data.test={ "name": "test", "annotations": "FILE", "media": "DIR" }'"""
                : """--set 'data.validation=[ { "name": "validation", "annotations": "FILE", "media": "DIR" } ]'"""));
        return (corpus, test && !Config.Data.Validation.Any(validation => IsSame(validation.Annotations, corpus.Annotations)));
    }

    /// <summary>The configuration reduced to what decides the scores on a corpus, with every file found.</summary>
    /// <param name="corpus">The corpus; null where only the model is wanted.</param>
    /// <param name="data">A folder to look in for annotations, videos, vocabulary and answers before they are looked for where the
    /// configuration says.</param>
    /// <exception cref="UsageException">Some are nowhere: all are named.</exception>
    public RunConfig For(CorpusConfig? corpus, string? data)
    {
        DownstreamTask task = DownstreamTask.Of(Config.Task);
        var files = new DataFiles(data);
        RunConfig config = new()
        {
            Task = task.Setting,
            TorchThreads = Config.TorchThreads,
            Model = Config.Model,
            Data = new()
            {
                // Lazily: a video that is absent is a row to report, not one to leave out.
                Corpora = corpus is null ? [] : [files.Find(corpus) with { Missing = MissingMedia.Lazy }],
                Vocabulary = files.Find("vocabulary", Config.Data.Vocabulary),
                Answers = !task.Setting.ChoosesAnswers() ? null : Config.Data.Answers is { } answers ? files.Find("answers", answers)
                    : throw new UsageException($"{Folder}: data.answers is not set: expected a JSON file of answers and their labels"),
                Clip = Config.Data.ClipForEvaluation(),
            },
            Training = new() { Precision = Config.Training.Precision },
            Evaluation = HasMatching ? Config.Evaluation : Config.Evaluation with { Score = RetrievalScore.Contrastive },
        };
        files.ThrowIfAnyIsLacking(Folder);
        return config;
    }

    /// <summary>
    /// The released code was told its test annotations when it was started; the layout has them beside those of validation.
    /// </summary>
    private static CorpusConfig? BesideValidation(DataConfig data)
    {
        if (data.Validation is not [var validation, ..]) return null;
        string name = Path.GetFileName(validation.Annotations), test = name.Replace("val", "test", StringComparison.Ordinal);
        return name == test ? null : validation with
        {
            Name = "test",
            Annotations = Path.Combine(Path.GetDirectoryName(validation.Annotations)!, test),
        };
    }

    /// <summary>The run folder that weights lie in, or else the folder they lie in.</summary>
    private static string HomeOf(string weights)
    {
        DirectoryInfo folder = new FileInfo(weights).Directory!;
        if (folder.Parent?.Name == Checkpoints) folder = folder.Parent;
        return (folder.Name is Checkpoints or ReferenceCheckpoints ? folder.Parent! : folder).FullName;
    }

    /// <summary>Whether two names are of one file, or of copies.</summary>
    private static bool IsSame(string file, string other) => file == other
        || File.Exists(file) && File.Exists(other) && new FileInfo(file).Length == new FileInfo(other).Length
        && Receipt.HashOf(file) == Receipt.HashOf(other);

    /// <summary>The file of the weights that a path names: a file, a checkpoint's folder, or that of a run, whose best they are.</summary>
    /// <exception cref="UsageException">There are none.</exception>
    internal static string WeightsIn(string path, ILogger? log = null)
    {
        if (File.Exists(path)) return Path.GetFullPath(path);
        if (!Directory.Exists(path))
            throw new UsageException($"{path}: there is no such checkpoint; expected a .pt or .safetensors file, or a folder of a run");
        string[] names = [Path.Combine(path, Checkpoint.WeightsName), Path.Combine(path, ReferenceCheckpoints, "model_step_best.pt")];
        if (Array.Find(names, File.Exists) is { } weights) return Path.GetFullPath(weights);
        string run = Directory.Exists(Path.Combine(path, Checkpoints)) ? Path.Combine(path, Checkpoints) : path;
        string? best = new CheckpointStore(run, log: log).Best()?.Weights;
        return Path.GetFullPath(best ?? throw new UsageException(
            $"{path}: holds no checkpoint; expected checkpoints/step_*, or {ReferenceCheckpoints}/model_step_best.pt"));
    }
}
