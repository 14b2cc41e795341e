using static TorchSharp.torch;

namespace Alpro.Model.Arithmetic;

/// <summary>
/// Runs a part of a model without keeping its activations; the backward pass computes them again. Gradients of the parameters inside are
/// added by the recomputation's own backward pass. The part must not draw random numbers.
/// </summary>
internal sealed class ActivationCheckpoint : autograd.SingleTensorFunction<ActivationCheckpoint>
{
    // Native code copies a returned gradient from its bare handle after this has returned: it stays rooted until the next call.
    [ThreadStatic] private static Tensor? returned;
    private static Exception? failure;

    /// <inheritdoc/>
    public override string Name => nameof(ActivationCheckpoint);

    /// <summary>The segment's output, with gradients to the input and to the segment's parameters.</summary>
    /// <param name="segment">From the input and the constants to the output; other tensors than parameters must not be captured, the
    /// backward pass would find them disposed.</param>
    /// <param name="input">What gets a gradient.</param>
    /// <param name="constants">What the segment needs besides, without gradient.</param>
    public static Tensor Run(Func<Tensor, Tensor[], Tensor> segment, Tensor input, params Tensor[] constants)
    {
        ThrowIfFailed();
        return apply([segment, input, .. constants]);
    }

    /// <summary>
    /// Throws what the last backward pass met in here. A failed recomputation gives gradients that are not numbers, because an exception
    /// must not leave native code. This method reports the failure; the next forward pass calls it too.
    /// </summary>
    public static void ThrowIfFailed()
    {
        if (Interlocked.Exchange(ref failure, null) is { } cause)
            throw new InvalidOperationException($"Recomputing activations in the backward pass failed: {cause.Message}", cause);
    }

    /// <inheritdoc/>
    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var segment = (Func<Tensor, Tensor[], Tensor>)vars[0];
        Tensor[] tensors = [.. vars.Skip(1).Cast<Tensor>()];
        ctx.save_data(nameof(segment), segment);
        ctx.save_data("autocast", Autocast.IsOn(tensors[0].device_type));
        ctx.save_for_backward([.. tensors]);
        using var scope = NewDisposeScope();
        return segment(tensors[0], tensors[1..]).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        using var scope = NewDisposeScope();
        List<Tensor> saved = ctx.get_saved_variables();
        Tensor gradient;
#pragma warning disable CA1031 // whatever is thrown here would end the process: it is kept and thrown by ThrowIfFailed
        try
        {
            var segment = (Func<Tensor, Tensor[], Tensor>)ctx.get_data("segment");
            Tensor input = saved[0].detach().requires_grad_();
            Tensor output;
            // On the autograd engine's thread, outside what the forward pass was in.
            using (Autocast.Set(input.device_type, (bool)ctx.get_data("autocast")))
            using (enable_grad()) output = segment(input, [.. saved.Skip(1)]);
            autograd.backward([output], [grad_output]);
            gradient = input.grad!;
        }
        catch (Exception exception)
        {
            failure = exception;
            gradient = grad_output.Times(double.NaN);
        }
#pragma warning restore CA1031
        grad_output.Dispose();                                       // of no dispose scope on the autograd engine's threads
        returned?.Dispose();
        returned = gradient.DetachFromDisposeScope();
        return [null!, gradient, .. Enumerable.Repeat<Tensor>(null!, saved.Count - 1)];
    }
}
