using Alpro.Model;
using Alpro.Model.Arithmetic;
using static TorchSharp.torch;

namespace Alpro.Training.Collectives;

/// <summary>
/// Brings the contrastive features of all ranks together. Backward, each rank's part gets the sum of the gradients that all ranks have for
/// it. With losses that are means over ranks, that is the gradient one process would compute.
/// </summary>
internal sealed class FeatureGather(ICollectives collectives) : IFeatureGather
{
    /// <inheritdoc/>
    public int Rank => collectives.Rank;

    /// <inheritdoc/>
    public Tensor Gather(Tensor features_BF) => collectives.World == 1 ? features_BF : Function.apply(collectives, features_BF);

    private sealed class Function : autograd.SingleTensorFunction<Function>
    {
        // Native code copies a returned gradient from its bare handle after this has returned: it stays rooted until the next call.
        [ThreadStatic] private static Tensor? returned;

        public override string Name => nameof(FeatureGather);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var group = (ICollectives)vars[0];
            var own = (Tensor)vars[1];
            ctx.save_data(nameof(group), group);
            using var scope = NewDisposeScope();
            return group.AllGather(own.contiguous()).MoveToOuterDisposeScope();
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            using var scope = NewDisposeScope();
            var group = (ICollectives)ctx.get_data("group");
            Tensor gradient;
#pragma warning disable CA1031 // An exception must not leave native code: the group is over, and its next operation, the sum of all gradients, throws this one.
            try
            {
                Tensor all = grad_output.to(ScalarType.Float32, copy: true).contiguous();
                group.AllReduce(all);
                long rows = all.shape[0] / group.World;
                gradient = all.narrow(0, group.Rank * rows, rows).to(grad_output.dtype);
            }
            catch (Exception exception)
            {
                group.Abort(exception);
                gradient = grad_output.narrow(0, 0, grad_output.shape[0] / group.World).Times(double.NaN);
            }
#pragma warning restore CA1031
            grad_output.Dispose();                                   // of no dispose scope on the autograd engine's threads
            returned?.Dispose();
            returned = gradient.DetachFromDisposeScope();
            return [null!, gradient];
        }
    }
}
