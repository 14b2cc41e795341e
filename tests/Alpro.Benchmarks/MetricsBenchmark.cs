using System.Threading.Channels;
using Alpro.Actors.Hosting;
using Alpro.Actors.Runs;
using Alpro.Data.Synthetic;
using Alpro.Model;
using Alpro.Training.Configuration;
using Alpro.Training.Records;
using Alpro.Web;
using Microsoft.Extensions.Logging.Abstractions;

namespace Alpro.Benchmarks;

/// <summary>
/// One run that decodes and trains, by turns with its page open, watched and scraped each second, and without page and listeners. Turns come
/// in the order off, on, on, off, so that a drift of the machine cancels. Whoever watches is in this process, and counts too.
/// </summary>
internal static class MetricsBenchmark
{
    private const int StepsOfTurn = 60, Settling = 10;

    private sealed record Turn(bool Watched, double StepMs, double MedianMs, double ProcessorMs);

    public static int Run(string[] args)
    {
        RunAsync(4 * (args.Length > 0 ? int.Parse(args[0]) : 6)).GetAwaiter().GetResult();
        return 0;
    }

    private static async Task RunAsync(int turns)
    {
        string folder = Directory.CreateTempSubdirectory("alpro-metrics-").FullName;
        try
        {
            string world = Path.Combine(folder, "world");
            await SyntheticWorld.CreateAsync(
                world, new SyntheticWorldSettings { Clips = 24, TestClips = 1, Seed = 1 }, null, CancellationToken.None);
            Directory.CreateDirectory(Path.Combine(folder, "run"));
            var status = new RunHealth(trains: true, TimeProvider.System);
            var records = Channel.CreateUnbounded<StepRecord>();
            TrainingRun run = status.Watch(new TrainingRun(ConfigOf(world), new(Path.Combine(folder, "run")), Resume: false)
            {
                Trained = record => records.Writer.TryWrite(record),
            });
            await using RunHost host = await RunHost.StartAsync(adjust: settings => settings with { Decoders = 1, SharesCores = false });
            using var stop = new CancellationTokenSource();
            Task<RunResult> training = host.TrainAsync(run, stop.Token);
            _ = training.ContinueWith(ended => records.Writer.TryComplete(ended.Exception), TaskScheduler.Default);
            var measured = new List<Turn>();
            await MeasureAsync(watched: true, status, records.Reader);       // until all of it is warm
            for (int turn = 0; turn < turns; turn++) measured.Add(await MeasureAsync(turn % 4 is 1 or 2, status, records.Reader));
            await stop.CancelAsync();
            await training;
            Print(measured);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<Turn> MeasureAsync(bool watched, RunHealth status, ChannelReader<StepRecord> records)
    {
        await using RunPage page = await RunPage.OpenAsync(new(watched ? PageAddress.Free : PageAddress.Off, null, null), status,
            NullLogger.Instance);
        using var over = new CancellationTokenSource();
        Task visiting = page.Address is not { } address ? Task.CompletedTask
            : Task.WhenAll(ScrapeAsync(new(address, "metrics"), over.Token), WatchAsync(new(address, "api/events"), over.Token));
        await TakeAsync(records, Settling);
        TimeSpan before = Environment.CpuUsage.TotalTime;
        List<StepRecord> steps = await TakeAsync(records, StepsOfTurn);
        TimeSpan used = Environment.CpuUsage.TotalTime - before;
        await over.CancelAsync();
        await visiting;
        double[] sorted = [.. steps.Select(record => record.StepMs + record.BetweenMs).Order()];
        return new(watched, sorted.Average(), sorted[sorted.Length / 2], used.TotalMilliseconds / StepsOfTurn);
    }

    private static async Task<List<StepRecord>> TakeAsync(ChannelReader<StepRecord> records, int count)
    {
        var taken = new List<StepRecord>();
        while (taken.Count < count) taken.Add(await records.ReadAsync());
        return taken;
    }

    private static async Task ScrapeAsync(Uri metrics, CancellationToken stop)
    {
        using var client = new HttpClient();
        using var every = new PeriodicTimer(TimeSpan.FromSeconds(1));
        try
        {
            do await client.GetStringAsync(metrics, stop);
            while (await every.WaitForNextTickAsync(stop));
        }
        catch (OperationCanceledException)
        {
            // the turn is over
        }
    }

    /// <summary>Reads what a browser is told, as it comes.</summary>
    private static async Task WatchAsync(Uri events, CancellationToken stop)
    {
        using var client = new HttpClient();
        try
        {
            await using Stream told = await client.GetStreamAsync(events, stop);
            await told.CopyToAsync(Stream.Null, stop);
        }
        catch (OperationCanceledException)
        {
            // the turn is over
        }
    }

    private static void Print(IReadOnlyList<Turn> turns)
    {
        Console.WriteLine($"{turns.Count} turns of {StepsOfTurn} steps in one run, half with the page watched and scraped each second:");
        Figure("step, mean of a turn", turn => turn.StepMs);
        Figure("step, median of a turn", turn => turn.MedianMs);
        Figure("processor time of a step, decoding included", turn => turn.ProcessorMs);

        void Figure(string name, Func<Turn, double> of)
        {
            // The mean of each four turns: off, on, on, off.
            double[] ratios = [.. turns.Chunk(4).Select(four =>
                four.Where(turn => turn.Watched).Sum(of) / four.Where(turn => !turn.Watched).Sum(of))];
            Array.Sort(ratios);
            Console.WriteLine($"{name}: {turns.Where(turn => !turn.Watched).Average(of):F2} ms without, "
                + $"{turns.Where(turn => turn.Watched).Average(of):F2} ms with; ratio of each four turns: median "
                + $"{ratios[ratios.Length / 2]:F4}, {ratios[0]:F4} to {ratios[^1]:F4} (target 1.01 at most)");
        }
    }

    private static RunConfig ConfigOf(string world) => new()
    {
        Task = LearningTask.Pretrain,
        TorchThreads = 1,
        Model = SmallModel.Of(width: 128, patchSize: 32, frames: 2, vocabulary: 173),
        Data = new()
        {
            Corpora =
            [
                new()
                {
                    Name = "world",
                    Annotations = Path.Combine(world, "train/results_train.csv"),
                    Media = Path.Combine(world, "train/videos"),
                },
            ],
            Vocabulary = Path.Combine(world, "vocab.txt"),
            Clip = new() { Frames = 2, DecodeSize = 64, Size = 64, TextLength = 24, MaskProbability = 0.15 },
        },
        Losses = new() { Vtc = 1, Vtm = 1, Mlm = 1 },
        Training = new() { BatchSize = 16, Steps = 1_000_000, CheckpointEvery = 1_000_000 },
    };
}
