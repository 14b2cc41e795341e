using Alpro.Model.Checkpoints;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Alpro.Training;

/// <summary>Where one parameter lies in the flat buffers.</summary>
/// <param name="Name">Its key in the state dict.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Offset">Its first element.</param>
/// <param name="Length">Its elements.</param>
public sealed record FlatSlot(string Name, long[] Shape, long Offset, long Length);

/// <summary>
/// The trainable parameters of a module as views into one contiguous tensor, and their gradients as views into another: one
/// tensor to update, one norm to take, one buffer to copy. Weights that decay come first, biases and norms after them.
/// </summary>
/// <remarks>Make it last, after the module is on its device: moving a module replaces its parameters. From then on gradients are
/// set to zero here, not by the module, which would drop the views.</remarks>
public sealed class FlatParameters : IDisposable
{
    private const long Alignment = 16;                              // elements: 64 bytes, a cache line and a vector at least

    private readonly List<(FlatSlot Slot, Parameter Parameter)> _parameters = [];
    private readonly Dictionary<long, FlatSlot> _slots = [];          // by offset

    /// <summary>Moves the trainable parameters of a module into one buffer.</summary>
    public FlatParameters(nn.Module module)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        List<(string Name, Parameter Parameter)> trainable = [.. module.named_parameters()
            .Where(named => named.parameter.requires_grad)
            .OrderBy(named => Decays(named.parameter) ? 0 : 1)];     // stable: the module's order within each part
        if (trainable.Count == 0) throw new ArgumentException("The module has no trainable parameters.", nameof(module));
        long offset = 0;
        foreach ((string name, Parameter parameter) in trainable)
        {
            long length = parameter.numel();
            _parameters.Add((new(name, parameter.shape, offset, length), parameter));
            _slots.Add(offset, _parameters[^1].Slot);
            offset = EndOf(_parameters[^1].Slot);
            if (Decays(parameter)) DecayingLength = offset;
        }

        Length = offset;
        Device = trainable[0].Parameter.device;
        Values = zeros(Length, dtype: ScalarType.Float32, device: Device).DetachFromDisposeScope();
        Gradients = zeros(Length, dtype: ScalarType.Float32, device: Device).DetachFromDisposeScope();
        foreach ((FlatSlot slot, Parameter parameter) in _parameters)
        {
            Tensor view = View(Values, slot);
            view.copy_(parameter);
            parameter.set_(view);
            parameter.grad = View(Gradients, slot);
        }
    }

    /// <summary>All trainable parameters, 32-bit [<see cref="Length"/>]; the gaps between them are 0.</summary>
    public Tensor Values { get; }

    /// <summary>Their gradients, in the same places.</summary>
    public Tensor Gradients { get; }

    /// <summary>The device of both.</summary>
    public Device Device { get; }

    /// <summary>Elements of the buffers.</summary>
    public long Length { get; }

    /// <summary>Elements, from the first on, that weight decay applies to.</summary>
    public long DecayingLength { get; }

    /// <summary>Where each parameter lies.</summary>
    public IEnumerable<FlatSlot> Slots => _parameters.Select(entry => entry.Slot);

    /// <summary>The part of a flat buffer, such as a moment of the optimizer, that belongs to a parameter, in its shape.</summary>
    public static Tensor View(Tensor buffer, FlatSlot slot) => buffer.narrow(0, slot.Offset, slot.Length).view(slot.Shape);

    /// <summary>Where the next parameter begins.</summary>
    public static long EndOf(FlatSlot slot) => slot.Offset + (slot.Length + Alignment - 1) / Alignment * Alignment;

    /// <summary>The parameter that a tensor of the state dict is, or null where it is not trainable.</summary>
    public FlatSlot? SlotOf(Tensor tensor)
    {
        long place = TensorMemory.Address(tensor) - TensorMemory.Address(Values);
        return _slots.GetValueOrDefault(place / sizeof(float)) is { } slot && place >= 0 ? slot : null;
    }

    /// <summary>Sets all gradients to 0.</summary>
    public void ZeroGradients()
    {
        using var noGrad = no_grad();
        Gradients.zero_();
    }

    /// <summary>Whether every parameter and gradient is still a view of the buffers.</summary>
    public bool IsIntact()
    {
        using var scope = NewDisposeScope();
        return _parameters.All(entry => entry.Parameter.grad is { } gradient
            && TensorMemory.Address(entry.Parameter) == TensorMemory.Address(Values) + sizeof(float) * (nint)entry.Slot.Offset
            && TensorMemory.Address(gradient) == TensorMemory.Address(Gradients) + sizeof(float) * (nint)entry.Slot.Offset);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Values.Dispose();
        Gradients.Dispose();
    }

    /// <summary>Weight decay is for matrices and embeddings, not for biases, layer norms and scalars.</summary>
    private static bool Decays(Tensor parameter) => parameter.dim() > 1;
}
