// Benchmarks print ratios beside a peer or a floor taken in the same run: dotnet run -c Release --project tests/Alpro.Benchmarks -- NAME
var benchmarks = new Dictionary<string, Func<string[], int>>
{
    ["corpus"] = Alpro.Benchmarks.CorpusBenchmark.Run,
    ["checkpoint"] = Alpro.Benchmarks.CheckpointBenchmark.Run,
    ["figures"] = Alpro.Benchmarks.Figures.Run,
    ["fuzz"] = Alpro.Benchmarks.FuzzBenchmark.Run,
    ["decode"] = Alpro.Benchmarks.DecodeBenchmark.Run,
    ["clip"] = Alpro.Benchmarks.ClipBenchmark.Run,
    ["pack"] = Alpro.Benchmarks.PackBenchmark.Run,
    ["step"] = Alpro.Benchmarks.StepBenchmark.Run,
    ["trainer"] = Alpro.Benchmarks.TrainerBenchmark.Run,
    ["collectives"] = Alpro.Benchmarks.CollectivesBenchmark.Run,
    ["precision"] = Alpro.Benchmarks.PrecisionBenchmark.Run,
    ["evaluate"] = Alpro.Benchmarks.EvaluationBenchmark.Run,
    ["search"] = Alpro.Benchmarks.SearchBenchmark.Run,
    ["stream"] = Alpro.Benchmarks.StreamBenchmark.Run,
    ["dataplane"] = Alpro.Benchmarks.DataPlaneBenchmark.Run,
    ["metrics"] = Alpro.Benchmarks.MetricsBenchmark.Run,
    ["nodes"] = Alpro.Benchmarks.NodesBenchmark.Run,
    ["scale"] = Alpro.Benchmarks.ScaleBenchmark.Run,
    ["page"] = Alpro.Benchmarks.PageBenchmark.Run,
    ["gpu"] = Alpro.Benchmarks.Gpu.GpuCheck.Run,
};
if (args.Length == 0 || !benchmarks.TryGetValue(args[0], out Func<string[], int>? benchmark))
{
    Console.Error.WriteLine($"usage: Alpro.Benchmarks ({string.Join(" | ", benchmarks.Keys)}) [arguments]");
    return 2;
}
return benchmark(args[1..]);
