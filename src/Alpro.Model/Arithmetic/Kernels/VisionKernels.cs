using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Alpro.Model.Arithmetic.Kernels;

/// <summary>
/// The memory-bound parts of a vision block, each in one pass on a GPU. They are attention over time, and a branch added to the residual
/// together with the norm that follows. Residuals are in 32 bits; what goes into matrix products is in their precision.
/// </summary>
/// <remarks>Gradients that a function of our own is given have no dispose scope on the autograd engine's threads: each is disposed
/// here.</remarks>
internal sealed class VisionKernels : IBlockArithmetic
{
    private const int ChunkWidth = 256, HeadWidth = 64, MostFrames = 8, BackwardBlocks = 528;

    private static readonly Lazy<(CudaLauncher? Launcher, string? Why)> _gpu = new(() => (CudaLauncher.Create(out string? why), why));

    private readonly KernelLauncher _launcher;
    private readonly KernelSizes _sizes;

    private VisionKernels(KernelLauncher launcher, KernelSizes sizes) => (_launcher, _sizes) = (launcher, sizes);

    /// <summary>Kernels for blocks of these sizes; null where there are none, and operations of libtorch are used.</summary>
    /// <param name="x_RD">A residual.</param>
    /// <param name="frames">Frames of a clip.</param>
    /// <param name="width">Channels of the block.</param>
    /// <param name="heads">Its heads.</param>
    /// <param name="launcher">Runs the kernels; null for the GPU of the residual.</param>
    public static VisionKernels? For(Tensor x_RD, int frames, int width, int heads, KernelLauncher? launcher = null)
    {
        if (launcher is null && x_RD.device_type != DeviceType.CUDA) return null;
        bool are = x_RD.dtype == ScalarType.Float32 && WhyNot(width, heads, frames, ref launcher) is null;
        return are ? new(launcher!, SizesOf(width, frames)) : null;
    }

    /// <summary>Why operations of libtorch compute a GPU's vision blocks; null where these kernels do, which are then compiled.</summary>
    /// <param name="width">Channels of the block.</param>
    /// <param name="heads">Its heads.</param>
    /// <param name="frames">Frames of a clip.</param>
    /// <param name="launcher">Runs the kernels; if null, becomes that of this process's GPU, where there is one.</param>
    public static string? WhyNot(int width, int heads, int frames, ref KernelLauncher? launcher)
    {
        if (width % ChunkWidth != 0)
            return $"they are for widths that are multiples of {ChunkWidth}, and model.vision.width is {width}";
        if (width != heads * HeadWidth)
            return $"they are for heads of {HeadWidth} channels, and these have {width / heads}";
        if (frames > MostFrames) return $"they are for at most {MostFrames} frames, and a clip has {frames}";
        launcher ??= _gpu.Value.Launcher;
        return launcher is null ? _gpu.Value.Why : launcher.WhyNot(SizesOf(width, frames));
    }

    /// <inheritdoc/>
    public Tensor Norm(LayerNorm norm, Tensor x_RD, RowShape rows) =>
        Apply(new(this, rows, Branch.None, norm.eps, HalfType(x_RD)), x_RD, null, null, null, norm.weight, norm.bias)[0];

    /// <inheritdoc/>
    public Tensor TimeContext(Tensor qkv_RE, RowShape rows, int heads) => qkv_RE.requires_grad && is_grad_enabled()
        ? TimeAttention.apply(this, rows, heads, qkv_RE)
        : Attend(qkv_RE, rows, heads);

    /// <inheritdoc/>
    public IReadOnlyList<Tensor> Split(Tensor qkv_RE, RowShape rows, int heads) => qkv_RE.requires_grad && is_grad_enabled()
        ? SplitHeads.apply(this, rows, heads, qkv_RE)
        : TorchArithmetic.Instance.Split(qkv_RE, rows, heads);

    /// <inheritdoc/>
    public (Tensor Sum_RD, Tensor? Norm_RD) Add(
        Tensor x_RD, RowShape rows, Linear last, Tensor inner_RE, Branch branch, Tensor? factors, LayerNorm? next)
    {
        // The bias is added, and its gradient summed, in the same pass.
        Tensor branch_RD = nn.functional.linear(inner_RE, last.weight!);
        var work = new Work(this, rows, branch, next?.eps ?? 0, branch_RD.dtype);
        List<Tensor> results = Apply(work, x_RD.contiguous(), branch_RD, last.bias, factors, next?.weight, next?.bias);
        return (results[0], next is null ? null : results[1]);
    }

    private static KernelSizes SizesOf(int width, int frames) => new(width / ChunkWidth, frames);

    private static ScalarType HalfType(Tensor x) => Autocast.IsOn(x.device_type) ? ScalarType.BFloat16 : ScalarType.Float32;

    private static string Suffix(ScalarType type) => type == ScalarType.BFloat16 ? "bf16" : "fp32";

    private static ulong Address(Tensor? tensor) => tensor is null ? 0 : (ulong)TensorMemory.Address(tensor);

    // Blocks of threads for so many lanes.
    private static long Blocks(long lanes) => (lanes + KernelLauncher.Threads - 1) / KernelLauncher.Threads;

    private Tensor Attend(Tensor qkv_RE, RowShape rows, int heads)
    {
        using var scope = NewDisposeScope();
        Tensor qkv = qkv_RE.contiguous(), context = empty(rows.Count, heads * HeadWidth, qkv.dtype, qkv.device);
        LaunchAttention("time_attention", rows, heads, qkv.dtype, [Address(qkv), Address(context)]);
        return context.MoveToOuterDisposeScope();
    }

    private void LaunchAttention(string kernel, RowShape rows, int heads, ScalarType type, ReadOnlySpan<ulong> addresses)
    {
        long lanes = rows.Clips * rows.OfFrame * heads * (HeadWidth / 8);
        _launcher.Launch(
            $"{kernel}_{Suffix(type)}", _sizes, Blocks(lanes), [.. addresses, (ulong)rows.Clips, (ulong)rows.OfFrame, (ulong)heads]);
    }

    /// <summary>What a <see cref="ResidualNorm"/> does.</summary>
    private sealed record Work(VisionKernels Kernels, RowShape Rows, Branch Branch, double Epsilon, ScalarType Half)
    {
        /// <summary>Channels.</summary>
        public long Width => Kernels._sizes.Chunks * ChunkWidth;
    }

    private static List<Tensor> Apply(Work work, Tensor x, Tensor? branch, Tensor? bias, Tensor? factors, Tensor? gain, Tensor? shift)
    {
        if (is_grad_enabled()) return ResidualNorm.apply(work, x, branch!, bias!, factors!, gain!, shift!);
        using var scope = NewDisposeScope();
        return [.. Forward(work, x, branch, bias, factors, gain, shift, out _, out _).Select(result => result.MoveToOuterDisposeScope())];
    }

    private static List<Tensor> Forward(Work work, Tensor x, Tensor? branch, Tensor? bias, Tensor? factors, Tensor? gain, Tensor? shift,
        out Tensor? means, out Tensor? deviations)
    {
        RowShape rows = work.Rows;
        Tensor? sum = work.Branch == Branch.None ? null : empty_like(x), norm = gain is null ? null : empty_like(x, work.Half);
        (means, deviations) = gain is null ? (null, null) : (empty(rows.Count, device: x.device), empty(rows.Count, device: x.device));
        work.Kernels._launcher.Launch($"residual_norm_{Suffix(work.Half)}", work.Kernels._sizes, (rows.Count + 3) / 4,
        [
            Address(x), Address(branch), Address(bias), Address(factors), Address(sum), Address(norm), Address(gain), Address(shift),
            Address(means), Address(deviations),
            (ulong)rows.Clips, (ulong)rows.Frames, (ulong)rows.OfFrame, (ulong)work.Branch,
            BitConverter.SingleToUInt32Bits((float)work.Epsilon),
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
            List<Tensor> results = Forward(work, given[0]!, given[1], given[2], given[3], given[4], given[5], out Tensor? means,
                out Tensor? deviations);
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
            RowShape rows = work.Rows;
            bool adds = work.Branch != Branch.None, norms = saved[2] is not null;
            Tensor? dSum = adds ? Given(grad_outputs[0]) : null, dNorm = norms ? Given(grad_outputs[^1]) : null;
            long blocks = Math.Min(BackwardBlocks, (rows.Count + 3) / 4);
            Tensor dx = empty_like(y), partial = empty([3, blocks, work.Width], device: y.device);
            Tensor? dBranch = adds ? empty_like(y, work.Half) : null;
            work.Kernels._launcher.Launch($"residual_norm_backward_{Suffix(work.Half)}", work.Kernels._sizes, blocks,
            [
                Address(dSum), Address(dNorm), Address(y), Address(saved[1]), Address(saved[2]), Address(saved[3]), Address(saved[4]),
                Address(dx), Address(dBranch), Address(partial),
                (ulong)rows.Clips, (ulong)rows.Frames, (ulong)rows.OfFrame, (ulong)work.Branch,
            ]);
            Tensor sums = partial.sum(1);
            Tensor?[] gradients = [dx, dBranch, adds ? sums.select(0, 2) : null, null, dNorm is not null ? sums.select(0, 0) : null,
                dNorm is not null ? sums.select(0, 1) : null];
            foreach (Tensor gradient in grad_outputs.Where(gradient => !gradient.IsInvalid)) gradient.Dispose();
            returned?.ForEach(tensor => tensor.Dispose());
            returned = [.. gradients.OfType<Tensor>().Select(tensor => tensor.DetachFromDisposeScope())];
            return [null!, .. gradients.Select(gradient => gradient!)];
        }

        private static Tensor? Given(Tensor gradient) => gradient.IsInvalid ? null : gradient.contiguous();
    }

    /// <summary>[R, 3 D] to [R, D].</summary>
    private sealed class TimeAttention : autograd.SingleTensorFunction<TimeAttention>
    {
        [ThreadStatic] private static Tensor? returned;

        public override string Name => nameof(TimeAttention);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            using var scope = NewDisposeScope();
            var qkv = (Tensor)vars[3];
            ctx.save_data("kernels", vars[0]);
            ctx.save_data("rows", vars[1]);
            ctx.save_data("heads", vars[2]);
            ctx.save_for_backward([qkv]);
            return ((VisionKernels)vars[0]).Attend(qkv, (RowShape)vars[1], (int)vars[2]).MoveToOuterDisposeScope();
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            using var scope = NewDisposeScope();
            var kernels = (VisionKernels)ctx.get_data("kernels");
            Tensor qkv = ctx.get_saved_variables()[0].contiguous(), gradient = empty_like(qkv), dContext = grad_output.contiguous();
            var rows = (RowShape)ctx.get_data("rows");
            int heads = (int)ctx.get_data("heads");
            ReadOnlySpan<ulong> addresses = [Address(qkv), Address(dContext), Address(gradient)];
            kernels.LaunchAttention("time_attention_backward", rows, heads, qkv.dtype, addresses);
            grad_output.Dispose();
            returned?.Dispose();
            returned = gradient.DetachFromDisposeScope();
            return [null!, null!, null!, gradient];
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
            ctx.save_data("kernels", vars[0]);
            ctx.save_data("rows", vars[1]);
            ctx.save_data("heads", vars[2]);
            IReadOnlyList<Tensor> parts_QHMd = TorchArithmetic.Instance.Split((Tensor)vars[3], (RowShape)vars[1], (int)vars[2]);
            return [.. parts_QHMd.Select(part => part.MoveToOuterDisposeScope())];
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, List<Tensor> grad_outputs)
        {
            using var scope = NewDisposeScope();
            var kernels = (VisionKernels)ctx.get_data("kernels");
            var rows = (RowShape)ctx.get_data("rows");
            int heads = (int)ctx.get_data("heads");
            Tensor[] parts_QHMd = [.. grad_outputs.Select(gradient => gradient.stride(3) == 1 ? gradient : gradient.contiguous())];
            Tensor merged = empty(rows.Count, 3 * heads * HeadWidth, parts_QHMd[0].dtype, parts_QHMd[0].device);
            kernels._launcher.Launch($"merge_heads_{Suffix(merged.dtype)}", kernels._sizes, Blocks(rows.Count * heads * (HeadWidth / 8)),
            [
                .. parts_QHMd.Select(Address), Address(merged),
                .. parts_QHMd.SelectMany(part => new[] { (ulong)part.stride(0), (ulong)part.stride(1), (ulong)part.stride(2) }),
                (ulong)(rows.Clips * rows.Frames), (ulong)rows.OfFrame, (ulong)heads,
            ]);
            grad_outputs.ForEach(gradient => gradient.Dispose());
            returned?.Dispose();
            returned = merged.DetachFromDisposeScope();
            return [null!, null!, null!, merged];
        }
    }
}
