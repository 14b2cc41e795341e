using Alpro.Actors.Hosting;
using Alpro.Actors.Runs;
using Alpro.Data.Places;
using Alpro.Training.Configuration;
using Alpro.Training.Records;
using Microsoft.Extensions.Logging;

namespace Alpro.Tests.Support.Runs;

/// <summary>Runs of a tiny model on a <see cref="SmallWorld"/>: seconds long, with every actor and thread of a large one.</summary>
internal static class SmallRun
{
    /// <summary>Writes the configuration of a run on a world.</summary>
    public static void Write(string file, string world, int steps, string? csv = null)
    {
        string train = Path.Combine(world, "train");
        File.WriteAllText(file, $$"""
            {
              "task": "pretrain", "seed": 5, "torchThreads": 1,
              "model": {
                "vision": { "imageSize": 32, "patchSize": 16, "frames": 2, "width": 32, "depth": 1, "heads": 2 },
                "text": { "vocabularySize": 174, "width": 32, "layers": 2, "fusionLayer": 1, "heads": 2, "intermediateSize": 64, "maxPositions": 32 },
                "projectionWidth": 16
              },
              "data": {
                "corpora": [ { "name": "world", "annotations": "{{csv ?? Path.Combine(train, "results_train.csv")}}", "media": "{{Path.Combine(train, "videos")}}", "format": "webvid-csv" } ],
                "vocabulary": "{{Path.Combine(world, "vocab.txt")}}",
                "clip": { "frames": 2, "decodeSize": 32, "size": 32, "textLength": 16, "maskProbability": 0.15 },
                "maxRejectedFraction": 0.5
              },
              "losses": { "vtc": 1, "vtm": 1, "mlm": 1 },
              "training": { "batchSize": 4, "steps": {{steps}}, "checkpointEvery": 5, "keep": 9 }
            }
            """);
    }

    /// <summary>Trains in this process.</summary>
    public static async Task<RunResult> TrainAsync(RunConfig config, string folder, int decoders = 1, bool resume = false,
        Action<StepRecord>? stepped = null,
        ILoggerFactory? log = null, Func<RunHost, CancellationToken, Task>? disturb = null, int attempts = 3,
        PlaceSettings? places = null, Func<TrainingRun, TrainingRun>? watched = null, CancellationToken stop = default)
    {
        Directory.CreateDirectory(folder);
        await using RunHost host = await RunHost.StartAsync(
            adjust: settings => settings with
            {
                Decoders = decoders,
                AttemptsPerClip = attempts,
                Places = places ?? settings.Places,
            }, log: log);
        using var over = new CancellationTokenSource();
        Task disturbing = disturb?.Invoke(host, over.Token) ?? Task.CompletedTask;
        try
        {
            var run = new TrainingRun(config, new(folder), resume) { Stepped = stepped ?? (static _ => { }) };
            return await host.TrainAsync(watched?.Invoke(run) ?? run, stop);
        }
        finally
        {
            await over.CancelAsync();
            await disturbing;
        }
    }

    /// <summary>Writes the annotations of a world with rows more whose files are no videos.</summary>
    public static string WithUnreadable(string world, string csv)
    {
        string train = Path.Combine(world, "train"), videos = Path.Combine(train, "videos");
        string[] lines = File.ReadAllLines(Path.Combine(train, "results_train.csv"));
        foreach (string name in new[] { "empty", "text" })
        {
            string at = Path.Combine(Path.GetDirectoryName(Directory.EnumerateFiles(videos, "*.mp4", SearchOption.AllDirectories).First())!,
                $"{name}.mp4");
            File.WriteAllText(at, name == "empty" ? "" : "<html>not found</html>");
        }
        string columns = lines[1][lines[1].IndexOf(',')..];
        File.WriteAllLines(csv, [.. lines, "empty" + columns, "text" + columns]);
        return csv;
    }
}
