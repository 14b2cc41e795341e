using System.Diagnostics;
using Alpro.Data.Corpora;
using Alpro.Data.Sampling;
using Spectre.Console;

namespace Alpro.Benchmarks;

/// <summary>
/// <c>corpus [ROWS]</c>: opens a WebVid-style CSV of 10 million rows (or as many as are asked for) for the first time, which builds
/// its index, and again, which maps it; reads random rows; asks the sampling plan. Beside it the floor: reading the file and
/// counting its line breaks. CPU time is what compares on a busy machine.
/// </summary>
internal static class CorpusBenchmark
{
    private const int Reads = 100_000, BatchSize = 256;

    public static int Run(string[] args)
    {
        int rows = args.Length > 0 ? int.Parse(args[0]) : 10_000_000;
        string folder = Directory.CreateTempSubdirectory("alpro-corpus-").FullName, csv = Path.Combine(folder, "results.csv");
        try
        {
            WriteCsv(csv, rows);
            var config = new CorpusConfig { Name = "webvid", Annotations = csv, Media = folder, Missing = MissingMedia.Lazy };
            Table table = new Table().AddColumns("what", "CPU s", "wall s", "beside the floor");
            Cost floor = default, built = default, opened = default;
            for (int warm = 0; warm < 2; warm++) floor = Measure(() => CountLines(csv));
            built = Measure(() => VideoTextCorpus.Open(config).Dispose());
            opened = Measure(() => VideoTextCorpus.Open(config).Dispose());
            foreach ((string what, Cost cost) in new[] { ("read the file, count its lines (floor)", floor),
                ("first opening, index built", built), ("opening", opened) })
                table.AddRow(what, $"{cost.Cpu:F3}", $"{cost.Wall:F3}", $"{cost.Cpu / floor.Cpu:F2}");
            AnsiConsole.Write(table);

            using VideoTextCorpus corpus = VideoTextCorpus.Open(config);
            var order = new RowPermutation(corpus.Count, seed: 1);
            long before = GC.GetAllocatedBytesForCurrentThread();
            Cost read = Measure(() => { for (int i = 0; i < Reads; i++) _ = corpus[order[i % corpus.Count]]; });
            long allocated = (GC.GetAllocatedBytesForCurrentThread() - before) / Reads;
            long index = new FileInfo(Directory.GetFiles(Path.Combine(folder, ".alpro-index")).Single()).Length;
            AnsiConsole.WriteLine($"{rows:N0} rows, CSV {new FileInfo(csv).Length >> 20:N0} MiB, index {index >> 20:N0} MiB");
            AnsiConsole.WriteLine($"a random row: {read.Cpu / Reads * 1e6:F1} us CPU, {allocated} bytes allocated");

            var plan = new SamplingPlan([corpus.Count, corpus.Count / 3], BatchSize, seed: 1);
            Cost jump = Measure(() => plan.Request(1_000_000, 0));
            Cost ask = Measure(() => { for (int i = 0; i < Reads; i++) plan.Request(1_000_000 + i / BatchSize, i % BatchSize); });
            AnsiConsole.WriteLine($"sampling plan over two corpora: {ask.Cpu / Reads * 1e9:F0} ns a clip; resuming at step 1,000,000 takes "
                + $"{jump.Cpu * 1e3:F0} ms");
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private readonly record struct Cost(double Cpu, double Wall);

    private static Cost Measure(Action work)
    {
        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        long start = Stopwatch.GetTimestamp();
        work();
        return new Cost((Environment.CpuUsage.TotalTime - cpu).TotalSeconds, Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    private static void WriteCsv(string path, int rows)
    {
        using var csv = new StreamWriter(path);
        csv.WriteLine("videoid,name,page_idx,page_dir,duration,contentUrl");
        for (int i = 0; i < rows; i++)
        {
            int page = i / 50 * 50;
            csv.WriteLine($"{1_000_000_000L + 7L * i},\"A traveller tells a story on top of the mountains, a young man holds camera {i} in "
                + $"the forest\",{i / 50},{page + 1:D6}_{page + 50:D6},PT00H00M17S,https://media.invalid/videos/{1_000_000_000L + 7L * i}/preview/footage-a-traveller-tells-a-story-on-top-of-the-mountains.mp4");
        }
    }

    private static long CountLines(string path)
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, FileOptions.SequentialScan);
        byte[] buffer = new byte[1 << 20];
        long lines = 0;
        for (int read; (read = file.Read(buffer)) > 0;) lines += buffer.AsSpan(0, read).Count((byte)'\n');
        return lines;
    }
}
