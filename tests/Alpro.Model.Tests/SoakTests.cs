using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Model.Tests;

/// <summary>Many steps in one process: collections in the middle of them, and memory over them.</summary>
public class SoakTests
{
    private const int Collections = 20_000, Cycle = 6;
    private static readonly Scalar _descent = -0.05;

    [Fact]
    public void Collections_in_the_middle_of_steps_change_no_number()
    {
        using var scope = NewDisposeScope();
        using var trained = new Trained(activationCheckpointing: true);
        float[] expected = trained.Losses();
        Assert.Equal(expected, trained.Losses());

        using var stop = new CancellationTokenSource();
        Thread disturber = new(() => Collect(stop.Token));
        int before = GC.CollectionCount(0), cycles = 0;
        disturber.Start();
        try
        {
            for (; GC.CollectionCount(0) - before < Collections || cycles < 3; cycles++) Assert.Equal(expected, trained.Losses());
        }
        finally
        {
            stop.Cancel();
            disturber.Join();
        }
    }

    [Fact]
    public void Two_hundred_steps_leave_no_tensor_behind_and_memory_flat()
    {
        using var scope = NewDisposeScope();
        using var trained = new Trained(activationCheckpointing: true);
        Train(50);
        long tensorsAt50 = Tensor.TotalCount, growth = long.MaxValue;
        // A leak grows in every stretch of steps; the runtime's own growth (code compiled anew, arenas) comes in one and then not again.
        for (int stretch = 0; stretch < 3 && growth > 8 << 20; stretch++)
        {
            long before = ResidentBytes();
            Train(150);
            growth = Math.Min(growth, ResidentBytes() - before);
        }
        Assert.Equal(tensorsAt50, Tensor.TotalCount);
        Assert.InRange(growth, long.MinValue, 8 << 20);

        void Train(int steps)
        {
            for (int step = 0; step < steps; step++) trained.Step(step % Cycle);
        }
    }

    // Without what the collector keeps for itself, which follows its own budget.
    private static long ResidentBytes()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64 - GC.GetGCMemoryInfo().TotalCommittedBytes;
    }

    private static void Collect(CancellationToken stop)
    {
        object[] garbage = new object[64];
        for (int i = 0; !stop.IsCancellationRequested; i = (i + 1) % garbage.Length)
        {
            garbage[i] = new byte[200];
            GC.Collect(0, GCCollectionMode.Forced, blocking: true);
        }
    }

    /// <summary>A small pretraining model with every random draw on, taught by plain gradient descent.</summary>
    private sealed class Trained : IDisposable
    {
        private readonly AlproForPretrain model;
        private readonly ModelInputs[] batches = [.. Enumerable.Range(0, Cycle).Select(step => TinyModel.Inputs(seed: 100 + step))];
        private readonly List<(Tensor Weight, Tensor Start)> weights;

        public Trained(bool activationCheckpointing)
        {
            model = TinyModel.Pretrain(TinyModel.WithDropout
                with { Vision = TinyModel.WithDropout.Vision with { ActivationCheckpointing = activationCheckpointing } });
            weights = [.. model.parameters().Where(parameter => parameter.requires_grad)
                .Select(parameter => ((Tensor)parameter, parameter.detach().clone()))];
        }

        /// <summary>The losses of a cycle of steps from the first weights.</summary>
        public float[] Losses()
        {
            using (no_grad()) foreach ((Tensor weight, Tensor start) in weights) weight.copy_(start);
            return [.. Enumerable.Range(0, Cycle).Select(Step)];
        }

        public float Step(int number)
        {
            using var scope = NewDisposeScope();
            manual_seed(number);
            Tensor loss = model.Forward(batches[number]).Total;
            loss.backward();
            using var noGrad = no_grad();
            foreach ((Tensor weight, _) in weights)
            {
                if (weight.grad is not { } gradient) continue;
                weight.add_(gradient, _descent);
                gradient.zero_();
            }
            return loss.item<float>();
        }

        public void Dispose() => model.Dispose();
    }
}
