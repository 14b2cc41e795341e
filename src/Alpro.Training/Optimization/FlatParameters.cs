using Alpro.Model.Arithmetic;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Alpro.Training.Optimization;

/// <summary>Where one parameter lies in the flat buffers.</summary>
/// <param name="Name">Its key in the state dict.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Offset">Its first element.</param>
/// <param name="Length">Its elements.</param>
internal sealed record FlatSection(string Name, long[] Shape, long Offset, long Length);

/// <summary>
/// The trainable parameters of a module as views into one contiguous tensor, and their gradients as views into another. So there is one
/// tensor to update, one norm to take, one buffer to copy. Weights that decay come first, biases and norms after them. Weights of matrices
/// and embeddings may be in bfloat16. Then these, the first of all, are views into a buffer of that type. The 32-bit buffers hold what is
/// updated, saved and summed.
/// </summary>
/// <remarks>Make it last, after the module is on its device: moving a module replaces its parameters. From then on gradients are
/// set to zero here, not by the module, which would drop the views.</remarks>
internal sealed class FlatParameters : IDisposable
{
    private const long Alignment = 16;                              // elements: 64 bytes, a cache line and a vector at least

    private readonly List<(FlatSection Section, Parameter Parameter)> _parameters = [];
    private readonly Dictionary<long, FlatSection> _sections = [];          // by offset

    /// <summary>Moves the trainable parameters of a module into one buffer.</summary>
    /// <param name="module">The module.</param>
    /// <param name="halves">Whether weights of matrices and embeddings become bfloat16.</param>
    public FlatParameters(nn.Module module, bool halves = false)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Dictionary<string, nn.Module> modules = halves ? module.named_modules().ToDictionary(named => named.name, named => named.module)
            : [];
        List<(string Name, Parameter Parameter, nn.Module? Owner)> trainable = [.. module.named_parameters()
            .Where(named => named.parameter.requires_grad)
            .Select(named => (named.name, named.parameter, Owner(modules, named.name)))
            // stable: the module's order within each part
            .OrderBy(named => named.Item3 is not null ? 0 : Decays(named.parameter) ? 1 : 2)];
        if (trainable.Count == 0) throw new ArgumentException("The module has no trainable parameters.", nameof(module));
        long offset = 0;
        foreach ((string name, Parameter parameter, nn.Module? owner) in trainable)
        {
            long length = parameter.numel();
            _parameters.Add((new(name, parameter.shape, offset, length), parameter));
            _sections.Add(offset, _parameters[^1].Section);
            offset = EndOf(_parameters[^1].Section);
            if (Decays(parameter)) DecayingLength = offset;
            if (owner is not null) HalfLength = offset;
        }

        Length = offset;
        Device = trainable[0].Parameter.device;
        Values = zeros(Length, dtype: ScalarType.Float32, device: Device).DetachFromDisposeScope();
        Gradients = zeros(Length, dtype: ScalarType.Float32, device: Device).DetachFromDisposeScope();
        Halves = zeros(HalfLength, dtype: ScalarType.BFloat16, device: Device).DetachFromDisposeScope();
        HalfGradients = zeros(HalfLength, dtype: ScalarType.BFloat16, device: Device).DetachFromDisposeScope();
        for (int i = 0; i < _parameters.Count; i++)
        {
            (FlatSection section, Parameter parameter) = _parameters[i];
            Tensor view = View(Values, section);
            view.copy_(parameter);
            if (trainable[i].Owner is { } owner)
            {
                var half = new Parameter(View(Halves, section));
                half.DetachFromDisposeScope();
                Set(owner, half);
                half.grad = View(HalfGradients, section);
                _parameters[i] = (section, half);
            }
            else
            {
                parameter.set_(view);
                parameter.grad = View(Gradients, section);
            }
        }
        Refresh();
    }

    /// <summary>All trainable parameters, 32-bit [<see cref="Length"/>]; the gaps between them are 0.</summary>
    public Tensor Values { get; }

    /// <summary>Their gradients, in the same places.</summary>
    public Tensor Gradients { get; }

    /// <summary>The first <see cref="HalfLength"/> of them as the model has them, in bfloat16.</summary>
    private Tensor Halves { get; }

    /// <summary>The gradients of these, as the backward pass gives them.</summary>
    private Tensor HalfGradients { get; }

    /// <summary>Elements, from the first on, that the model has in bfloat16.</summary>
    public long HalfLength { get; }

    /// <summary>The device of both.</summary>
    public Device Device { get; }

    /// <summary>Elements of the buffers.</summary>
    public long Length { get; }

    /// <summary>Elements, from the first on, that weight decay applies to.</summary>
    public long DecayingLength { get; }

    /// <summary>Where each parameter lies.</summary>
    public IEnumerable<FlatSection> Sections => _parameters.Select(entry => entry.Section);

    /// <summary>The part of a flat buffer, such as a moment of the optimizer, that belongs to a parameter, in its shape.</summary>
    public static Tensor View(Tensor buffer, FlatSection section) => buffer.narrow(0, section.Offset, section.Length).view(section.Shape);

    /// <summary>Where the next parameter begins.</summary>
    public static long EndOf(FlatSection section) => section.Offset + (section.Length + Alignment - 1) / Alignment * Alignment;

    /// <summary>The parameter that a tensor of the state dict is, or null where it is not trainable.</summary>
    public FlatSection? SectionOf(Tensor tensor)
    {
        return In(Values, sizeof(float)) ?? In(Halves, sizeof(ushort));

        FlatSection? In(Tensor buffer, int size)
        {
            long place = TensorMemory.Address(tensor) - TensorMemory.Address(buffer);
            return place >= 0 && place < buffer.numel() * size && tensor.element_size() == size ? _sections.GetValueOrDefault(place / size)
                : null;
        }
    }

    /// <summary>Brings the weights that the model has in bfloat16 to what <see cref="Values"/> are now.</summary>
    public void Refresh()
    {
        if (HalfLength == 0) return;
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Halves.copy_(Values.narrow(0, 0, HalfLength));
    }

    /// <summary>Adds the gradients of weights in bfloat16, which the backward pass has given, to <see cref="Gradients"/>.</summary>
    public void Collect()
    {
        if (HalfLength == 0) return;
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Gradients.narrow(0, 0, HalfLength).add_(HalfGradients, TensorOps.One);
        HalfGradients.zero_();
    }

    /// <summary>Sets all gradients to 0.</summary>
    public void ZeroGradients()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Gradients.zero_();
        HalfGradients.zero_();
    }

    /// <summary>Whether every parameter and gradient is still a view of the buffers.</summary>
    public bool IsIntact()
    {
        using var scope = NewDisposeScope();
        return _parameters.All(entry => entry.Section.Offset < HalfLength
            ? IsAt(entry.Parameter, Halves, entry.Section, sizeof(ushort)) && IsAt(entry.Parameter.grad, HalfGradients, entry.Section,
            sizeof(ushort))
            : IsAt(entry.Parameter, Values, entry.Section, sizeof(float)) && IsAt(entry.Parameter.grad, Gradients, entry.Section,
            sizeof(float)));

        static bool IsAt(Tensor? tensor, Tensor buffer, FlatSection section, int size) =>
            tensor is not null && TensorMemory.Address(tensor) == TensorMemory.Address(buffer) + size * (nint)section.Offset;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Tensor buffer in new[] { Values, Gradients, Halves, HalfGradients }) buffer.Dispose();
    }

    /// <summary>Weight decay is for matrices and embeddings, not for biases, layer norms and scalars.</summary>
    private static bool Decays(Tensor parameter) => parameter.dim() > 1;

    // The layer whose weight this is, if it is of a kind that works in bfloat16.
    private static nn.Module? Owner(Dictionary<string, nn.Module> modules, string name) =>
        name.EndsWith(".weight", StringComparison.Ordinal)
        && modules.GetValueOrDefault(name[..^".weight".Length]) is { } owner and (Linear or Embedding or Conv2d) ? owner : null;

    private static void Set(nn.Module owner, Parameter weight)
    {
        switch (owner)
        {
            case Linear linear: linear.weight = weight; break;
            case Embedding embedding: embedding.weight = weight; break;
            case Conv2d convolution: convolution.weight = weight; break;
        }
    }
}
