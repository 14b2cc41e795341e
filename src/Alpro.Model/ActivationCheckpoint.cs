using TorchSharp;
using static TorchSharp.torch;

namespace Alpro.Model;

/// <summary>
/// Runs a part of a model without keeping its activations; the backward pass computes them again. Gradients of the parameters inside are
/// added by the recomputation's own backward pass. The part must not draw random numbers.
/// </summary>
public sealed class ActivationCheckpoint : autograd.SingleTensorFunction<ActivationCheckpoint>
{
    // Native code copies returned gradients from bare handles: what is returned stays rooted until the next ones have long replaced it.
    private const int Rooted = 64;

    [ThreadStatic] private static Queue<Tensor>? returned;
    private static Exception? failure;

    /// <inheritdoc/>
    public override string Name => nameof(ActivationCheckpoint);

    /// <summary>The segment's output, with gradients to <paramref name="input"/> and to the segment's parameters.</summary>
    public static Tensor Run(Func<Tensor, Tensor> segment, Tensor input)
    {
        ThrowIfFailed();
        return apply(segment, input);
    }

    /// <summary>
    /// Throws what the last backward pass met in here. An exception must not leave native code, so a failed recomputation gives gradients
    /// that are not numbers and is reported by this, which the next forward pass calls too.
    /// </summary>
    public static void ThrowIfFailed()
    {
        if (Interlocked.Exchange(ref failure, null) is { } cause)
            throw new InvalidOperationException($"Recomputing activations in the backward pass failed: {cause.Message}", cause);
    }

    /// <inheritdoc/>
    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var segment = (Func<Tensor, Tensor>)vars[0];
        var input = (Tensor)vars[1];
        ctx.save_data(nameof(segment), segment);
        ctx.save_for_backward([input]);
        using var scope = NewDisposeScope();
        return segment(input).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        using var scope = NewDisposeScope();
        Tensor gradient;
#pragma warning disable CA1031 // whatever is thrown here would end the process: it is kept and thrown by ThrowIfFailed
        try
        {
            var segment = (Func<Tensor, Tensor>)ctx.get_data("segment");
            Tensor input = ctx.get_saved_variables()[0].detach().requires_grad_();
            Tensor output;
            using (enable_grad()) output = segment(input);
            autograd.backward([output], [grad_output]);
            gradient = input.grad!;
        }
        catch (Exception e)
        {
            failure = e;
            gradient = grad_output.Times(double.NaN);
        }
#pragma warning restore CA1031
        returned ??= new Queue<Tensor>();
        returned.Enqueue(gradient.MoveToOuterDisposeScope());
        if (returned.Count > Rooted) returned.Dequeue();
        return [null!, gradient];
    }
}
