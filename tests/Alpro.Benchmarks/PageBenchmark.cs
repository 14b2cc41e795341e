using System.Diagnostics;
using System.Text.Json;
using Alpro.Training.Records;
using Alpro.Web;

namespace Alpro.Benchmarks;

/// <summary>
/// What a page keeps of a long run: the memory of its data after 100,000 steps, which come by the hundred while somebody watches.
/// </summary>
internal static class PageBenchmark
{
    private const int AtOnce = 100;

    public static int Run(string[] args)
    {
        int steps = args.Length > 0 ? int.Parse(args[0]) : 100_000;
        string folder = Directory.CreateTempSubdirectory("alpro-page-").FullName;
        try
        {
            Measure(new(Directory.CreateDirectory(Path.Combine(folder, "run")).FullName), steps);
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void Measure(RunFolder folder, int steps)
    {
        var feed = new RunFeed(folder);
        Watch(feed, folder, 0, 10 * AtOnce);                         // until all of it is warm
        (long managed, long resident) = Memory();
        TimeSpan used = Environment.CpuUsage.TotalTime;
        (double most, long told) = Watch(feed, folder, 10 * AtOnce, steps);
        used = Environment.CpuUsage.TotalTime - used;
        (long managedAfter, long residentAfter) = Memory();
        int looks = (steps - 10 * AtOnce) / AtOnce;
        Console.WriteLine($"{steps} steps of {new FileInfo(folder.Steps).Length / steps} bytes, of which a page is told {looks} times:");
        Console.WriteLine($"memory: {(managedAfter - managed) / 1e6:F1} MB managed, {(residentAfter - resident) / 1e6:F1} MB resident "
            + "(target 50 MB at most)");
        Console.WriteLine($"a look: {used.TotalMilliseconds / looks:F2} ms of a processor, with writing the steps; "
            + $"the longest {most:F0} ms; {told / looks / 1e3:F1} kB told");
        GC.KeepAlive(feed);
    }

    /// <summary>Writes steps, and looks as a page does.</summary>
    /// <returns>Milliseconds of the longest look, and the bytes that a browser is told.</returns>
    private static (double Most, long Told) Watch(RunFeed feed, RunFolder folder, int from, int to)
    {
        (double most, long told, StepCurves.Drawn? drawn) = (0, 0, null);
        for (int step = from; step < to; step += AtOnce)
        {
            File.AppendAllLines(folder.Steps,
                Enumerable.Range(step, AtOnce).Select(number => JsonSerializer.Serialize(Record(number), RunLog.Json)));
            long began = Stopwatch.GetTimestamp();
            RunFeed.View view = feed.Look();
            drawn = feed.Curves(drawn);
            told += JsonSerializer.SerializeToUtf8Bytes(view, PageJson.Options).Length
                + JsonSerializer.SerializeToUtf8Bytes(drawn, PageJson.Options).Length;
            most = Math.Max(most, Stopwatch.GetElapsedTime(began).TotalMilliseconds);
        }
        return (most, told);
    }

    private static (long Managed, long Resident) Memory()
    {
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        GC.WaitForPendingFinalizers();
        return (GC.GetTotalMemory(forceFullCollection: true), Environment.WorkingSet);
    }

    /// <summary>A record with as much in it as one of pretraining has.</summary>
    private static StepRecord Record(int step) => new()
    {
        Step = step,
        Epoch = step / 1000,
        Corpus = 0,
        Clips = step.ToString("x16"),
        Loss = 5 + Math.Sin(step),
        Terms = new[] { "vtc", "vtm", "mlm", "pem" }.ToDictionary(name => name, name => new TermRecord(1 + Math.Cos(step), step % 8, 16)),
        LearningRate = 1e-4 / (1 + step),
        GradientNorm = 1 + Math.Sin(step / 7.0),
        StepMs = 900 + step % 37,
        WaitMs = step % 11,
        ForwardMs = 300,
        BackwardMs = 500,
        OptimizerMs = 40,
        ClipsPerSecond = 64 + step % 5,
        WaitShare = step % 11 / 900.0,
        QueueDepth = step % 3,
        ResidentMb = 4000,
    };
}
