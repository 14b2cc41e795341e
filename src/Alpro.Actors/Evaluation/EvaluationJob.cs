using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Alpro.Actors.Hosting;
using Alpro.Data.Batches;
using Alpro.Data.Corpora;
using Alpro.Data.Media;
using Alpro.Data.Places;
using Alpro.Model.Checkpoints;
using Alpro.Training;
using Alpro.Training.Configuration;
using Alpro.Training.Devices;
using Alpro.Training.Evaluation;
using Alpro.Training.Records;
using Alpro.Training.Tasks;
using Microsoft.Extensions.Logging;
using TorchSharp;

namespace Alpro.Actors.Evaluation;

/// <summary>What an evaluation came to.</summary>
/// <param name="Scores">The figures.</param>
/// <param name="Receipt">What they are figures of.</param>
/// <param name="Folder">Where <c>results.json</c>, <c>scores.json</c> and <c>receipt.json</c> lie.</param>
public sealed record EvaluationResult(DownstreamScores Scores, Receipt Receipt, string Folder)
{
    /// <summary>The checkpoint's name.</summary>
    public required string Checkpoint { get; init; }

    /// <summary>The worst and the best of what was found.</summary>
    public IReadOnlyList<ExampleGroup> Examples { get; init; } = [];

    /// <summary>Frames of the videos in the examples as JPEGs, by the videos' numbers; fewer where they cannot be made.</summary>
    public IReadOnlyDictionary<int, byte[]> Pictures { get; init; } = new Dictionary<int, byte[]>();

    /// <summary>The scores as a run's folder keeps them.</summary>
    /// <param name="step">Steps behind the checkpoint.</param>
    public EvaluationRecord ToRecord(long step)
    {
        ValidationRecord scores = Scores.ToRecord(step, Receipt.Seconds);
        return new(Receipt.Corpus, Receipt.Split, Receipt.WeightHash, step, scores.Score, scores.Figures, scores.Seconds);
    }
}

/// <summary>The evaluation of one checkpoint on one corpus, from its files to a folder of results.</summary>
/// <param name="Target">Weights and configuration.</param>
/// <param name="Test">Whether the test corpus is asked for, else validation.</param>
/// <param name="Data">A folder to look in for the data first; null for none.</param>
/// <param name="Output">The folder of results; null for one in the run's folder, by corpus and checkpoint.</param>
public sealed record EvaluationJob(EvaluationTarget Target, bool Test, string? Data, string? Output)
{
    /// <summary>Examples of a group, at most, and the side of a frame in their pictures: all together have less than a megabyte.</summary>
    private const int MostExamples = 10, PictureSide = 112;

    private const string Partial = "partial-";

    /// <summary>Told the part that is done, 0 to 1.</summary>
    public Action<double> Progressed { get; init; } = static _ => { };

    /// <summary>
    /// Evaluates. It does not do again what an earlier, unfinished call has finished, if that call was of the same weights, settings and
    /// rows.
    /// </summary>
    /// <param name="host">Where the actors are.</param>
    /// <param name="stop">Asks it to stop.</param>
    /// <exception cref="CheckpointException">The weights do not fit, or give scores that are not numbers.</exception>
    /// <exception cref="UsageException">Files are nowhere, or the folder of results cannot be written.</exception>
    /// <exception cref="OperationCanceledException">It was asked to stop.</exception>
    public async Task<EvaluationResult> RunAsync(RunHost host, CancellationToken stop)
    {
        long began = Stopwatch.GetTimestamp();
        (CorpusConfig corpus, bool isTest) = Target.CorpusOf(Test);
        if (Test && !isTest) host.Log.TestRowsAreValidation(Place.NameOf(corpus.Annotations));
        RunConfig config = Target.For(corpus, Data);
        using var data = new RunData(config, host.Settings);
        host.Log.RowsFound(corpus.Name, data.Corpora[0].Coverage.Rows, Place.NameOf(config.Data.Corpora[0].Annotations));
        if (data.Corpora[0].NewIndex is { } index) host.Log.IndexWritten(corpus.Name, index);
        EvaluationSet set = data.EvaluationSet();
        foreach (string note in set.Notes) host.Log.RowsNoted(note);

        string folder = Path.GetFullPath(Output ?? Path.Combine(new RunFolder(Target.Folder).EvaluationsOn(corpus.Name), Target.Name));
        using FileStream alone = Lock(folder);
        (string weightHash, string configHash, string rowsHash) = (Receipt.HashOf(Target.Weights), Receipt.HashOf(config), set.Hash());
        if (Receipt.Find(folder) is { } before && (before.ConfigHash, before.RowsHash, before.WeightHash) != (configHash, rowsHash,
            weightHash))
        {
            string what = before.RowsHash != rowsHash ? $"rows ({before.Annotations})" : before.WeightHash != weightHash ? "weights"
                : "settings";
            host.Log.ResultsReplaced(folder, what);
        }
        using Activity? span = ActorMetrics.Activities.StartActivity("alpro.evaluation");
        span?.SetTag("corpus", corpus.Name);
        var plan = new EvaluationPlan(corpus.Name, config, set);
        PartialResults results = ResultsOf(folder, weightHash + configHash + rowsHash, host.Log);
        using (stop.Register(() => host.Log.EvaluationStopping()))
        {
            try
            {
                await host.EvaluateAsync(new(plan, Target.Weights, host.Videos(config, data, set), results) { Progressed = Progressed },
                    stop);
            }
            catch (NotANumberException odd)
            {
                throw new CheckpointException(Target.Source, odd.Message);
            }
        }

        DownstreamScores scores = plan.Task.Read(plan, results);
        torch.Device device = RunModel.DefaultDevice;
        Gpus? gpus = device.type == DeviceType.CPU ? null : Gpus.Find();
        Receipt receipt = scores.Complete(new()
        {
            Task = config.Task,
            Corpus = corpus.Name,
            Annotations = Place.NameOf(config.Data.Corpora[0].Annotations),
            Split = isTest ? "test" : "validation",
            Rows = data.Corpora[0].Coverage.Rows,
            Videos = scores.Videos,
            Texts = scores.Texts,
            Missing = scores.Missing,
            Notes = set.Notes,
            Clip = config.Data.Clip,
            Rerank = config.Evaluation.Rerank,
            Precision = config.Training.Precision,
            Weights = Target.Source,
            WeightHash = weightHash,
            ConfigHash = configHash,
            RowsHash = rowsHash,
            Program = Receipt.ProgramVersion,
            Host = Environment.MachineName,
            Device = device.type == DeviceType.CPU ? $"cpu, {config.TorchThreads} threads" : gpus?.Cards[Math.Max(0, device.index)].Name
            ?? device.ToString(),
            Driver = gpus?.Driver,
            Attention = AttentionBackend.Of(device, config.Training.Precision),
            Blocks = device.type == DeviceType.CPU ? null : AttentionBackend.OfBlocks(config.Model.Vision, config.Data.Clip.Frames),
            Tf32 = device.type == DeviceType.CPU ? null : Tf32(),
            Finished = TimeProvider.System.GetUtcNow(),
            Seconds = Stopwatch.GetElapsedTime(began).TotalSeconds,
            Figures = scores.Figures(withMissing: false),
            FiguresWithMissing = scores.Missing.Count > 0 ? scores.Figures(withMissing: true) : null,
        });
        scores.Write(folder);
        receipt.Write(folder);
        results.Delete();
        IReadOnlyList<ExampleGroup> examples = scores.Examples(MostExamples);
        return new(scores, receipt, folder)
        {
            Checkpoint = Target.Name,
            Examples = examples,
            Pictures = Pictures(examples, set, host.Videos(config, data, set), plan.Task.AsksQuestions ? 4 : 2),
        };
    }

    /// <summary>Frames of the videos in examples, as the model saw them.</summary>
    private static Dictionary<int, byte[]> Pictures(IReadOnlyList<ExampleGroup> groups, EvaluationSet set, ReadVideos read, int most)
    {
        var pictures = new Dictionary<int, byte[]>();
        if (!Jpeg.IsAvailable) return pictures;
        int[] videos = [.. groups.SelectMany(group => group.Examples)
            .SelectMany(example => example.Choices.Select(choice => choice.Video ?? example.Video)).Distinct().Order()];
        var numbers = videos.ToDictionary(video => set.VideoKeys[video]);
        foreach (ClipBatch batch in read(videos, static _ => { }))
            using (batch)
                for (int clip = 0; clip < batch.Size; clip++)
                {
                    int frames = Math.Min(most, batch.Frames), bytes = batch.Layout.PixelBytes;
                    byte[] strip_HWC = FrameStrip.Of(batch.Pixels_BTHWC.Slice(clip * bytes, bytes), batch.Side, frames);
                    pictures[numbers[batch.Keys[clip]]] = FrameStrip.ToJpeg(strip_HWC, batch.Side, frames, PictureSide);
                }
        return pictures;
    }

    private static string Tf32() => (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) switch
    {
        (false, false) => "nothing",
        (true, false) => "products",
        (false, true) => "convolutions",
        _ => "products and convolutions",
    };

    /// <summary>Two evaluations into one folder would undo each other's work.</summary>
    private static FileStream Lock(string folder)
    {
        try
        {
            Directory.CreateDirectory(folder);
            return new(Path.Combine(folder, ".lock"), FileMode.OpenOrCreate, FileAccess.Write, FileShare.None, bufferSize: 1,
                FileOptions.DeleteOnClose);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"{folder}: the results cannot be written there, or another evaluation does: {error.Message}; name "
                + "another folder with --out");
        }
    }

    /// <summary>The results so far of the same evaluation; those of any other are removed.</summary>
    private static PartialResults ResultsOf(string folder, string identity, ILogger log)
    {
        string own = Path.Combine(folder, Partial + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(identity)))[..16]);
        foreach (string other in Directory.EnumerateDirectories(folder, Partial + "*"))
            if (other != own) Directory.Delete(other, recursive: true);
        if (Directory.Exists(own)) log.EvaluationContinues();
        return new(own);
    }
}
