using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Benchmarks.Gpu;

/// <summary>What the card can do: the rate of a large matrix product, of a copy within its memory, and of one from the host.</summary>
internal static class CeilingsStage
{
    private const int Side = 8192;
    private const long Bytes = 4L << 30;

    public static void Run(string[] args)
    {
        using var scope = NewDisposeScope();
        Tensor a = randn(Side, Side, device: CUDA).to(ScalarType.BFloat16), b = randn(Side, Side, device: CUDA).to(ScalarType.BFloat16);
        double product = GpuCheck.Queued(() => a.mm(b));
        GpuCheck.Report(new(GpuTable.Product, product, 2.0 * Side * Side * Side / product / 1e9, 1.4));
        Tensor from = zeros(Bytes, dtype: ScalarType.Byte, device: CUDA), to = empty_like(from);
        double copy = GpuCheck.Queued(() => to.copy_(from), 4);
        GpuCheck.Report(new("copy on the device, 4 GiB", copy, Note: $"{2 * Bytes / copy / 1e6:F0} GB/s, read and written"));
        using Tensor pinned = zeros(256L << 20, dtype: ScalarType.Byte).pin_memory();
        Tensor there = to.narrow(0, 0, 256L << 20);
        double send = GpuCheck.Queued(() => there.copy_(pinned, nonBlocking: true), 4),
            back = GpuCheck.Queued(() => pinned.copy_(there, nonBlocking: true), 4);
        GpuCheck.Report(new("256 MiB to the device, pinned", send, Note: $"{(256 << 20) / send / 1e6:F1} GB/s"));
        GpuCheck.Report(new("256 MiB to the host, pinned", back, Note: $"{(256 << 20) / back / 1e6:F1} GB/s"));
        Tensor small = zeros(16, device: CUDA);
        GpuCheck.Report(new("an operation queued from C#", HostMicroseconds(() => small.add_(small)) / 1000, Note: "host time"));
    }

    private static double HostMicroseconds(Action action)
    {
        long start = System.Diagnostics.Stopwatch.GetTimestamp();
        for (int i = 0; i < 1000; i++) action();
        double took = System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalMicroseconds / 1000;
        GpuCheck.Wait();
        return took;
    }
}
