using System.Diagnostics;
using System.Runtime.CompilerServices;
using Alpro.Data;
using Alpro.Data.Corpora;
using Alpro.Data.Corpora.Annotations;
using Alpro.Data.Sampling;
using Alpro.Model.Checkpoints;
using Alpro.Tests.Support.Fuzz;
using Alpro.Training.Parity;
using Spectre.Console;
using static TorchSharp.torch;

namespace Alpro.Benchmarks;

/// <summary>
/// Damages checkpoints and annotation files in many ways and reads them: each is read or refused in a sentence, within 2 s, and the process
/// stays below 1 GB. Names the first of each format that is not, which stays, and ends with 1. Arguments: files of each format (10000),
/// seed (1).
/// </summary>
internal static class FuzzBenchmark
{
    private const long MostMemory = 1 << 30;

    private static readonly TimeSpan _longest = TimeSpan.FromSeconds(2);

    public static int Run(string[] arguments)
    {
        int count = arguments.Length > 0 ? int.Parse(arguments[0]) : 10_000;
        ulong seed = arguments.Length > 1 ? ulong.Parse(arguments[1]) : 1;
        string folder = Directory.CreateTempSubdirectory("alpro-fuzz-").FullName;
        (string Name, byte[] Good, Func<string, bool> Read)[] formats =
        [
            .. from name in (string[])["dtypes_zip.pt", "dtypes_legacy.pt", "restore.pt", "dtypes_expected.safetensors"]
               select (name, File.ReadAllBytes(Path.Combine(Golden(), name)), (Func<string, bool>)ReadCheckpoint),
            .. from format in (AnnotationFormat[])[AnnotationFormat.Tar, AnnotationFormat.WebvidCsv, AnnotationFormat.Parquet,
            AnnotationFormat.Cc3mJson, AnnotationFormat.RetrievalJsonl]
               select ($"annotations.{format}", FuzzSamples.OfAsync(format).GetAwaiter().GetResult(),
               (Func<string, bool>)(path => ReadCorpus(path, format))),
        ];
        int faults = 0;
        Table table = new Table().AddColumns("format", "files", "read", "refused", "slowest ms", "peak MB");
        foreach ((string name, byte[] good, Func<string, bool> read) in formats)
        {
            string path = Path.Combine(folder, name);
            int sound = 0;
            double slowest = 0;
            for (int i = 0; i < count; i++)
            {
                var random = new SeededRandom(SeededRandom.Mix(seed, (ulong)i));
                File.WriteAllBytes(path, FuzzSamples.Mutate(good, ref random));
                long began = Stopwatch.GetTimestamp();
                Task<bool> reading = Task.Run(() => read(path));
                string? fault = !((IAsyncResult)reading).AsyncWaitHandle.WaitOne(_longest) ? "hangs"
                    : reading.Exception?.InnerException?.ToString();
                long memory = Process.GetCurrentProcess().PeakWorkingSet64;
                if (fault is null && memory > MostMemory) fault = $"takes the process to {memory >> 20} MB";
                if (fault is not null)
                {
                    Console.Error.WriteLine($"{path}, file {i} of seed {seed}: {fault}");
                    faults++;
                    break;
                }
                if (reading.GetAwaiter().GetResult()) sound++;
                slowest = Math.Max(slowest, Stopwatch.GetElapsedTime(began).TotalMilliseconds);
            }
            table.AddRow(name, $"{count}", $"{sound}", $"{count - sound}", $"{slowest:F0}",
                $"{Process.GetCurrentProcess().PeakWorkingSet64 >> 20}");
        }
        AnsiConsole.Write(table);
        if (faults > 0) return 1;
        Directory.Delete(folder, recursive: true);
        return 0;
    }

    /// <summary>Whether a file is read; false where it is refused.</summary>
    private static bool ReadCheckpoint(string path)
    {
        try
        {
            using var scope = NewDisposeScope();
            using CheckpointFile file = CheckpointFile.Open(path);
            file.ReadAll();
            foreach (string tensor in file.Tensors.Keys) file.Read(tensor);
            return true;
        }
        catch (CheckpointException)
        {
            return false;
        }
    }

    private static bool ReadCorpus(string path, AnnotationFormat format)
    {
        try
        {
            using VideoTextCorpus corpus = VideoTextCorpus.Open(new CorpusConfig
            {
                Name = "fuzz",
                Annotations = path,
                Format = format,
                Missing = MissingMedia.Lazy,
            });
            for (long row = 0; row < corpus.Count; row++) _ = corpus[row];
            return true;
        }
        catch (DataException)
        {
            return false;
        }
    }

    private static string Golden([CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "..", "fixtures",
        "golden", "checkpoints");
}
