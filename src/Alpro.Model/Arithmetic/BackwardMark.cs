using static TorchSharp.torch;

namespace Alpro.Model.Arithmetic;

/// <summary>
/// Tells, in the backward pass, when the gradients of a module's parameters are complete. The pass goes through the operations in the
/// reverse of the forward pass's order. So when it comes to a mark, all that came after the mark is done; on a GPU, it is in the GPU's
/// queue.
/// </summary>
internal sealed class BackwardMark : autograd.SingleTensorFunction<BackwardMark>
{
    // Native code copies a returned gradient from its bare handle after this has returned: it stays rooted until the next call.
    [ThreadStatic] private static Tensor? returned;
    [ThreadStatic] private static Func<nn.Module, Action?>? observer;

    /// <inheritdoc/>
    public override string Name => nameof(BackwardMark);

    /// <summary>Observes the forward passes of this thread.</summary>
    /// <param name="entered">Gives, for a module that a pass enters, what the backward pass calls when it has left it; it may not
    /// throw.</param>
    /// <returns>Ends that.</returns>
    public static IDisposable Observe(Func<nn.Module, Action?> entered)
    {
        observer = entered;
        return new Observation();
    }

    /// <summary>A module's input on its way in. Of several forward passes the backward pass leaves the first one last.</summary>
    internal static Tensor Enter(nn.Module module, Tensor input) =>
        observer is { } entered && input.requires_grad && entered(module) is { } left ? apply(left, input) : input;

    /// <inheritdoc/>
    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        ctx.save_data("left", vars[0]);
        return ((Tensor)vars[1]).alias();
    }

    /// <inheritdoc/>
    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        ((Action)ctx.get_data("left"))();
        returned?.Dispose();
        returned = grad_output.alias().DetachFromDisposeScope();
        grad_output.Dispose();                                       // of no dispose scope on the autograd engine's threads
        return [null!, returned];
    }

    private sealed class Observation : IDisposable
    {
        public void Dispose() => observer = null;
    }
}
