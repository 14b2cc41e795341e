using System.Diagnostics;
using Alpro.Training.Collectives;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Benchmarks.Gpu;

/// <summary>
/// NCCL on one GPU, a group of one rank: that it is found and forms, that what it sums, gathers and gives is right in either stream, and
/// that a group can be aborted by another thread and formed again. A sum of one rank moves nothing: its cost shows on two GPUs.
/// </summary>
internal static class NcclStage
{
    /// <summary>Parameters of ALPRO, in elements: 0.94 GB.</summary>
    private const long Gradients = 235_000_000;

    private const int Pieces = 24, Reduces = 100_000;

    public static void Run(string[] args)
    {
        using var scope = NewDisposeScope();
        Tensor values = arange(Gradients, dtype: ScalarType.Float32, device: CUDA), wanted = values.clone();
        long began = Stopwatch.GetTimestamp();
        using (var group = new NcclCollectives(new SoloGroup(1)))
        {
            GpuCheck.Report(new("NCCL: a group forms", Stopwatch.GetElapsedTime(began).TotalMilliseconds,
                Note: "the first of the process"));
            group.AllReduce(values);
            InPieces(group, values);
            Require(values.equal(wanted).all().item<bool>(), "a sum of one rank is not what it was");
            values.add_(wanted);                                     // in one stream, then the sum in the other, then the look in the first
            InPieces(group, values);
            Require(values.equal(wanted.mul(2)).all().item<bool>(), "the streams do not wait for one another");
            Require(group.AllGather(wanted).equal(wanted).all().item<bool>(), "what was gathered is not what was given");
            group.Broadcast(values, source: 0);
            GpuCheck.Wait();
            group.ThrowIfOver();
        }
        Abort(values);
        using (var group = new NcclCollectives(new SoloGroup(3)))
        {
            group.AllReduce(values);
            Require(values.equal(wanted.mul(2)).all().item<bool>(), "after an abort the next group does not sum");
        }
    }

    private static void InPieces(NcclCollectives group, Tensor values)
    {
        for (int piece = 0; piece < Pieces; piece++)
        {
            long start = piece * Gradients / Pieces, end = (piece + 1) * Gradients / Pieces;
            group.BeginAllReduce(values.narrow(0, start, end - start));
        }
        group.CompleteAllReduces();
    }

    /// <summary>Aborts, from another thread, a group whose operations go on.</summary>
    private static void Abort(Tensor values)
    {
        using var group = new NcclCollectives(new SoloGroup(2));
        long aborted = 0;
        using var underWay = new ManualResetEventSlim();
        var aborter = new Thread(() =>
        {
            underWay.Wait();
            Interlocked.Exchange(ref aborted, Stopwatch.GetTimestamp());
            group.Abort(new InvalidOperationException("enough"));
        });
        aborter.Start();
        bool over = false;
        try
        {
            for (int reduce = 0; reduce < Reduces; reduce++)
            {
                group.AllReduce(values);
                if (reduce == 10) underWay.Set();
            }
        }
        catch (CollectivesException)
        {
            over = true;
        }
        GpuCheck.Wait();
        aborter.Join();
        Require(over, "a group that was aborted goes on");
        GpuCheck.Report(new("NCCL: aborted by another thread", Stopwatch.GetElapsedTime(Interlocked.Read(ref aborted)).TotalMilliseconds,
            Note: "until the GPU is free"));
    }

    private static void Require(bool met, string otherwise)
    {
        if (!met) throw new InvalidOperationException(otherwise);
    }
}
