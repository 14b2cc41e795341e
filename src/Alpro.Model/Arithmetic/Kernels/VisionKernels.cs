using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Alpro.Model.Arithmetic.Kernels;

/// <summary>
/// The parts of a vision block that are bound by memory, each in one pass on a GPU: attention over time, and a branch added to the residual
/// together with the norm that follows. Residuals are in 32 bits; what goes into matrix products is in their precision.
/// </summary>
/// <remarks>Gradients that a function of our own is given have no dispose scope on the autograd engine's threads: each is disposed here.</remarks>
internal sealed class VisionKernels : IBlockArithmetic
{
    private const int ChunkWidth = 256, HeadWidth = 64, MostFrames = 8, BackwardBlocks = 528;

    private static readonly Lazy<CudaLauncher?> Gpu = new(() => CudaLauncher.Create(out _));

    private readonly IKernelLauncher _launcher;
    private readonly KernelSizes _sizes;

    private VisionKernels(IKernelLauncher launcher, KernelSizes sizes) => (_launcher, _sizes) = (launcher, sizes);

    /// <summary>Kernels for blocks of these sizes; null where there are none, and operations of libtorch are used.</summary>
    /// <param name="x_BTMD">A residual.</param>
    /// <param name="width">Channels of the block.</param>
    /// <param name="heads">Its heads.</param>
    /// <param name="launcher">Runs the kernels; null for the GPU of the residual.</param>
    public static VisionKernels? For(Tensor x_BTMD, int width, int heads, IKernelLauncher? launcher = null)
    {
        long frames = x_BTMD.shape[1];
        bool covered = width % ChunkWidth == 0 && width == heads * HeadWidth && frames <= MostFrames && x_BTMD.dtype == ScalarType.Float32;
        if (!covered || (launcher is null && x_BTMD.device_type != DeviceType.CUDA)) return null;
        launcher ??= Gpu.Value;
        return launcher is null ? null : new(launcher, new(width / ChunkWidth, (int)frames));
    }

    /// <inheritdoc/>
    public Tensor Norm(LayerNorm norm, Tensor x_BTMD) =>
        Apply(new(this, Branch.None, norm.eps, HalfType(x_BTMD)), x_BTMD, null, null, null, norm.weight, norm.bias)[0];

    /// <inheritdoc/>
    public Tensor TimeContext(Tensor qkv_BTME, int heads) => qkv_BTME.requires_grad && is_grad_enabled()
        ? TimeAttention.apply(this, heads, qkv_BTME)
        : Attend(qkv_BTME, heads);

    /// <inheritdoc/>
    public IReadOnlyList<Tensor> Split(Tensor qkv_QME, int heads) => qkv_QME.requires_grad && is_grad_enabled()
        ? SplitHeads.apply(this, heads, qkv_QME)
        : TorchArithmetic.Instance.Split(qkv_QME, heads);

    /// <inheritdoc/>
    public (Tensor Sum_BTMD, Tensor? Norm_BTMD) Add(Tensor x_BTMD, Linear last, Tensor inner_BTME, Branch branch, Tensor? factors, LayerNorm? next)
    {
        // The bias is added, and its gradient summed, in the same pass.
        Tensor branch_BTMD = TensorOps.Linear(inner_BTME, last.weight!);
        List<Tensor> results = Apply(new(this, branch, next?.eps ?? 0, branch_BTMD.dtype), x_BTMD.contiguous(), branch_BTMD, last.bias, factors, next?.weight, next?.bias);
        return (results[0], next is null ? null : results[1]);
    }

    private static ScalarType HalfType(Tensor x) => Autocast.IsOn(x.device_type) ? ScalarType.BFloat16 : ScalarType.Float32;

    private static string Suffix(ScalarType type) => type == ScalarType.BFloat16 ? "bf16" : "fp32";

    private static ulong Address(Tensor? tensor) => tensor is null ? 0 : (ulong)TensorMemory.Address(tensor);

    private Tensor Attend(Tensor qkv_BTME, int heads)
    {
        using var scope = NewDisposeScope();
        Tensor qkv = qkv_BTME.contiguous(), context = empty([.. qkv.shape[..3], heads * HeadWidth], qkv.dtype, qkv.device);
        LaunchAttention("time_attention", heads, qkv, [Address(qkv), Address(context)]);
        return context.MoveToOuterDisposeScope();
    }

    private void LaunchAttention(string kernel, int heads, Tensor qkv_BTME, ReadOnlySpan<ulong> addresses)
    {
        long clips = qkv_BTME.shape[0], rows = qkv_BTME.shape[2], lanes = clips * rows * heads * (HeadWidth / 8);
        _launcher.Launch($"{kernel}_{Suffix(qkv_BTME.dtype)}", _sizes, (lanes + IKernelLauncher.Threads - 1) / IKernelLauncher.Threads, [.. addresses, (ulong)clips, (ulong)rows, (ulong)heads]);
    }

    /// <summary>What a <see cref="ResidualNorm"/> does.</summary>
    private sealed record Work(VisionKernels Kernels, Branch Branch, double Epsilon, ScalarType Half);

    private static List<Tensor> Apply(Work work, Tensor x, Tensor? branch, Tensor? bias, Tensor? factors, Tensor? gain, Tensor? shift)
    {
        if (is_grad_enabled()) return ResidualNorm.apply(work, x, branch!, bias!, factors!, gain!, shift!);
        using var scope = NewDisposeScope();
        return [.. Forward(work, x, branch, bias, factors, gain, shift, out _, out _).Select(result => result.MoveToOuterDisposeScope())];
    }

    private static List<Tensor> Forward(Work work, Tensor x, Tensor? branch, Tensor? bias, Tensor? factors, Tensor? gain, Tensor? shift, out Tensor? means, out Tensor? deviations)
    {
        long[] shape = x.shape;
        long rows = shape[0] * shape[1] * shape[2];
        Tensor? sum = work.Branch == Branch.None ? null : empty_like(x), norm = gain is null ? null : empty(shape, work.Half, x.device);
        (means, deviations) = gain is null ? (null, null) : (empty(rows, device: x.device), empty(rows, device: x.device));
        work.Kernels._launcher.Launch($"residual_norm_{Suffix(work.Half)}", work.Kernels._sizes, (rows + 3) / 4,
        [
            Address(x), Address(branch), Address(bias), Address(factors), Address(sum), Address(norm), Address(gain), Address(shift), Address(means), Address(deviations),
            (ulong)shape[0], (ulong)shape[1], (ulong)shape[2], (ulong)work.Branch, BitConverter.SingleToUInt32Bits((float)work.Epsilon),
        ]);
        return [.. new[] { sum, norm }.OfType<Tensor>()];
    }

    /// <summary>y = x + branch, z = norm(y): of a branch, y, and z where a norm follows; of none, z alone.</summary>
    private sealed class ResidualNorm : autograd.MultiTensorFunction<ResidualNorm>
    {
        // Native code copies returned gradients from their bare handles after this has returned: they stay rooted until the next call.
        [ThreadStatic] private static List<Tensor>? returned;

        public override string Name => nameof(ResidualNorm);

        public override List<Tensor> forward(autograd.AutogradContext ctx, params object[] vars)
        {
            using var scope = NewDisposeScope();
            var work = (Work)vars[0];
            Tensor?[] given = [.. vars.Skip(1).Select(variable => (Tensor?)variable)];
            List<Tensor> results = Forward(work, given[0]!, given[1], given[2], given[3], given[4], given[5], out Tensor? means, out Tensor? deviations);
            ctx.set_materialize_grads(false);
            ctx.save_data("work", work);
            // The norm is of the sum, or of x where nothing is added.
            ctx.save_for_backward([work.Branch == Branch.None ? given[0]! : results[0], given[3]!, given[4]!, means!, deviations!]);
            foreach (Tensor tensor in results.Concat(new[] { means, deviations }.OfType<Tensor>())) tensor.MoveToOuterDisposeScope();
            return results;
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, List<Tensor> grad_outputs)
        {
            using var scope = NewDisposeScope();
            var work = (Work)ctx.get_data("work");
            List<Tensor> saved = ctx.get_saved_variables();
            Tensor y = saved[0];
            long[] shape = y.shape;
            bool adds = work.Branch != Branch.None, norms = saved[2] is not null;
            Tensor? dSum = adds ? Given(grad_outputs[0]) : null, dNorm = norms ? Given(grad_outputs[^1]) : null;
            long blocks = Math.Min(BackwardBlocks, (shape[0] * shape[1] * shape[2] + 3) / 4), width = shape[3];
            Tensor dx = empty_like(y), partial = empty([3, blocks, width], device: y.device);
            Tensor? dBranch = adds ? empty(shape, work.Half, y.device) : null;
            work.Kernels._launcher.Launch($"residual_norm_backward_{Suffix(work.Half)}", work.Kernels._sizes, blocks,
            [
                Address(dSum), Address(dNorm), Address(y), Address(saved[1]), Address(saved[2]), Address(saved[3]), Address(saved[4]),
                Address(dx), Address(dBranch), Address(partial), (ulong)shape[0], (ulong)shape[1], (ulong)shape[2], (ulong)work.Branch,
            ]);
            Tensor sums = partial.sum(1);
            Tensor?[] gradients = [dx, dBranch, adds ? sums.select(0, 2) : null, null, dNorm is not null ? sums.select(0, 0) : null, dNorm is not null ? sums.select(0, 1) : null];
            foreach (Tensor gradient in grad_outputs.Where(gradient => !gradient.IsInvalid)) gradient.Dispose();
            returned?.ForEach(tensor => tensor.Dispose());
            returned = [.. gradients.OfType<Tensor>().Select(tensor => tensor.DetachFromDisposeScope())];
            return [null!, .. gradients.Select(gradient => gradient!)];
        }

        private static Tensor? Given(Tensor gradient) => gradient.IsInvalid ? null : gradient.contiguous();
    }

    /// <summary>[B, T, M, 3 D] to [B, T, M, D].</summary>
    private sealed class TimeAttention : autograd.SingleTensorFunction<TimeAttention>
    {
        [ThreadStatic] private static Tensor? returned;

        public override string Name => nameof(TimeAttention);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            using var scope = NewDisposeScope();
            var qkv = (Tensor)vars[2];
            ctx.save_data("kernels", vars[0]);
            ctx.save_data("heads", vars[1]);
            ctx.save_for_backward([qkv]);
            return ((VisionKernels)vars[0]).Attend(qkv, (int)vars[1]).MoveToOuterDisposeScope();
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            using var scope = NewDisposeScope();
            var kernels = (VisionKernels)ctx.get_data("kernels");
            Tensor qkv = ctx.get_saved_variables()[0].contiguous(), gradient = empty_like(qkv), dContext = grad_output.contiguous();
            kernels.LaunchAttention("time_attention_backward", (int)ctx.get_data("heads"), qkv, [Address(qkv), Address(dContext), Address(gradient)]);
            grad_output.Dispose();
            returned?.Dispose();
            returned = gradient.DetachFromDisposeScope();
            return [null!, null!, gradient];
        }
    }

    /// <summary>Views of queries, keys and values, whose gradients are put together in one pass.</summary>
    private sealed class SplitHeads : autograd.MultiTensorFunction<SplitHeads>
    {
        [ThreadStatic] private static Tensor? returned;

        public override string Name => nameof(SplitHeads);

        public override List<Tensor> forward(autograd.AutogradContext ctx, params object[] vars)
        {
            using var scope = NewDisposeScope();
            var qkv_QME = (Tensor)vars[2];
            ctx.save_data("kernels", vars[0]);
            ctx.save_data("heads", vars[1]);
            ctx.save_data("shape", qkv_QME.shape);
            return [.. TorchArithmetic.Instance.Split(qkv_QME, (int)vars[1]).Select(part => part.MoveToOuterDisposeScope())];
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, List<Tensor> grad_outputs)
        {
            using var scope = NewDisposeScope();
            var kernels = (VisionKernels)ctx.get_data("kernels");
            var shape = (long[])ctx.get_data("shape");
            int heads = (int)ctx.get_data("heads");
            Tensor[] parts_QHMd = [.. grad_outputs.Select(gradient => gradient.stride(3) == 1 ? gradient : gradient.contiguous())];
            Tensor merged = empty(shape, parts_QHMd[0].dtype, parts_QHMd[0].device);
            long runs = shape[0] * shape[1] * heads * (HeadWidth / 8);
            kernels._launcher.Launch($"merge_heads_{Suffix(merged.dtype)}", kernels._sizes, (runs + IKernelLauncher.Threads - 1) / IKernelLauncher.Threads,
            [
                .. parts_QHMd.Select(Address), Address(merged), .. parts_QHMd.SelectMany(part => new[] { (ulong)part.stride(0), (ulong)part.stride(1), (ulong)part.stride(2) }),
                (ulong)shape[0], (ulong)shape[1], (ulong)heads,
            ]);
            grad_outputs.ForEach(gradient => gradient.Dispose());
            returned?.Dispose();
            returned = merged.DetachFromDisposeScope();
            return [null!, null!, merged];
        }
    }
}
