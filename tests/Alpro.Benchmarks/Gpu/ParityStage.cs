using Alpro.Training.Parity;

namespace Alpro.Benchmarks.Gpu;

/// <summary><c>parity FOLDER</c>: the golden numbers of the paper's code, computed on the GPU in 32 bits.</summary>
internal static class ParityStage
{
    public static void Run(string[] args)
    {
        ParityRow[] rows = [.. ParityRunner.Run(args[0], device: GpuCheck.Device)];
        foreach (ParityRow row in rows)
            Console.WriteLine($"  {(row.Passed ? "pass" : "FAIL")} {row.Item,-60} absolute {row.WorstAbsolute:0.0e+0} relative "
                + $"{row.WorstRelative:0.0e+0} {(row.Passed ? "" : row.Detail)}");
        ParityRow[] failed = [.. rows.Where(row => !row.Passed)];
        GpuCheck.Report(new("parity with the paper's code, fp32", Note: $"{rows.Length - failed.Length} of {rows.Length} pass"));
        if (failed.Length > 0)
            throw new InvalidOperationException(
                $"parity: {failed.Length} of {rows.Length} rows fail, the first {failed[0].Item}: {failed[0].Detail}");
    }
}
