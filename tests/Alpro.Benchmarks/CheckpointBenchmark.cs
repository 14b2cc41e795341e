using System.Diagnostics;
using Alpro.Model;
using Alpro.Model.Checkpoints;
using Spectre.Console;

namespace Alpro.Benchmarks;

/// <summary>
/// <c>checkpoint [ROUNDS]</c>: loading a full-size retrieval checkpoint (930 MB) into a model, from PyTorch's zip and from safetensors,
/// beside a plain read of the same file in the same round, all from the page cache; the fastest round of each counts. Memory is the peak of
/// the process's resident size over what it was before, the model being there already. Needs 2 GB in the system's temporary folder.
/// </summary>
internal static class CheckpointBenchmark
{
    public static int Run(string[] args)
    {
        int rounds = args.Length > 0 ? int.Parse(args[0]) : 5;
        DirectoryInfo folder = Directory.CreateTempSubdirectory("alpro-checkpoint-");
        try
        {
            using var model = new AlproForRetrieval(new ModelConfig { Vision = new VisionConfig { Frames = 8 } });
            Table table = new Table().AddColumns("file", "MB", "plain read ms", "load ms", "load / read", "GB/s", "memory MB",
                "allocated KB", "open ms");
            foreach (string name in (string[])["model.pt", "model.safetensors"])
            {
                string path = Path.Combine(folder.FullName, name);
                StateDict.Save(model, path);
                double read = double.MaxValue, load = double.MaxValue, open = double.MaxValue, memory = 0, allocated = 0;
                for (int round = 0; round <= rounds; round++)              // the first brings the file into the page cache
                {
                    read = Math.Min(read, Milliseconds(() => ReadPlainly(path)));
                    open = Math.Min(open, Milliseconds(() => CheckpointFile.Open(path).Dispose()));
                    GC.Collect();
                    File.WriteAllText("/proc/self/clear_refs", "5");        // the peak starts anew
                    long before = Status("VmRSS:"), managed = GC.GetTotalAllocatedBytes();
                    load = Math.Min(load, Milliseconds(() => StateDict.Load(model, path, LoadMode.Resume)));
                    memory = Math.Max(memory, Status("VmHWM:") - before);
                    allocated = GC.GetTotalAllocatedBytes() - managed;
                }
                long bytes = new FileInfo(path).Length;
                table.AddRow(name, $"{bytes / 1e6:F0}", $"{read:F0}", $"{load:F0}", $"{load / read:F2}", $"{bytes / 1e6 / load:F1}",
                    $"{memory / 1e6:F1}", $"{allocated / 1e3:F0}", $"{open:F1}");
                File.Delete(path);
            }
            AnsiConsole.Profile.Width = 120;
            AnsiConsole.Write(table);
            return 0;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static void ReadPlainly(string path)
    {
        byte[] buffer = new byte[8 << 20];
        using var file = File.OpenHandle(path);
        for (long position = 0; RandomAccess.Read(file, buffer, position) is > 0 and int read; position += read) { }
    }

    private static double Milliseconds(Action action)
    {
        long start = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    private static long Status(string field) =>
        1024 * long.Parse(File.ReadLines("/proc/self/status").First(line => line.StartsWith(field, StringComparison.Ordinal))
        .Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[1]);
}
