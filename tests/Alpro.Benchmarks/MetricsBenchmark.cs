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
/// One run that decodes and trains, by turns without page and listeners, and with its page watched and scraped each second by one visitor,
/// and by ten. Turns come in an order in which a drift of the machine cancels. Ten visitors show what one costs where the machine's noise
/// is larger than that. They are in this process, and count too.
/// </summary>
internal static class MetricsBenchmark
{
    private const int StepsOfTurn = 30, Settling = 5, Many = 10;

    private static readonly int[] _order = [0, 1, Many, Many, 1, 0];

    private sealed record Turn(int Visitors, double StepMs, double MedianMs, double ProcessorMs);

    public static int Run(string[] args)
    {
        RunAsync(args.Length > 0 ? int.Parse(args[0]) : 6).GetAwaiter().GetResult();
        return 0;
    }

    private static async Task RunAsync(int rounds)
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
            await MeasureAsync(Many, status, records.Reader);        // until all of it is warm
            for (int turn = 0; turn < rounds * _order.Length; turn++)
                measured.Add(await MeasureAsync(_order[turn % _order.Length], status, records.Reader));
            await stop.CancelAsync();
            await training;
            Print(measured);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<Turn> MeasureAsync(int visitors, RunHealth status, ChannelReader<StepRecord> records)
    {
        await using RunPage page = await RunPage.OpenAsync(new(visitors > 0 ? PageAddress.Free : PageAddress.Off, null, null), status,
            NullLogger.Instance);
        using var over = new CancellationTokenSource();
        Task visiting = page.Address is not { } address ? Task.CompletedTask
            : Task.WhenAll(Enumerable.Range(0, visitors).SelectMany(_ => new[]
            {
                ScrapeAsync(new(address, "metrics"), over.Token), WatchAsync(new(address, "api/events"), over.Token),
            }));
        await TakeAsync(records, Settling);
        TimeSpan before = Environment.CpuUsage.TotalTime;
        List<StepRecord> steps = await TakeAsync(records, StepsOfTurn);
        TimeSpan used = Environment.CpuUsage.TotalTime - before;
        await over.CancelAsync();
        await visiting;
        double[] sorted = [.. steps.Select(record => record.StepMs + record.BetweenMs).Order()];
        return new(visitors, sorted.Average(), sorted[sorted.Length / 2], used.TotalMilliseconds / StepsOfTurn);
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
        Console.WriteLine($"{turns.Count} turns of {StepsOfTurn} steps in one run, with no visitor, one, and {Many}:");
        Figure("step, mean of a turn", turn => turn.StepMs);
        Figure("step, median of a turn", turn => turn.MedianMs);
        Figure("processor time of a step, decoding included", turn => turn.ProcessorMs);

        void Figure(string name, Func<Turn, double> of)
        {
            double Mean(int visitors) => turns.Where(turn => turn.Visitors == visitors).Average(of);
            // In each round, the excess over no visitor.
            double[] one = Excess(1, of), many = Excess(Many, of);
            Console.WriteLine($"{name}: {Mean(0):F2}, {Mean(1):F2} and {Mean(Many):F2} ms; over none, median of the rounds: "
                + $"one {Middle(one):P1} ({one[0]:P1} to {one[^1]:P1}), a tenth of ten {Middle(many) / Many:P1} "
                + $"({many[0] / Many:P1} to {many[^1] / Many:P1}) (target 1 % at most)");
        }

        double[] Excess(int visitors, Func<Turn, double> of) => [.. turns.Chunk(_order.Length).Select(round =>
            round.Where(turn => turn.Visitors == visitors).Average(of) / round.Where(turn => turn.Visitors == 0).Average(of) - 1).Order()];

        static double Middle(double[] sorted) => (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    private static RunConfig ConfigOf(string world) => new()
    {
        Task = LearningTask.Pretrain,
        TorchThreads = 1,
        Model = SmallModel.Of(width: 128, patchSize: 32, frames: 2, vocabulary: 174),
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
