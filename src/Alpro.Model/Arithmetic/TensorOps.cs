using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Alpro.Model.Arithmetic;

/// <summary>
/// Arithmetic that the garbage collector cannot disturb. TorchSharp's <c>a + b</c>, <c>x * 0.5</c> and <c>x.clamp(0, 1)</c> make native
/// scalars that nothing roots while native code reads them. So a collection can free them in use. Here every scalar is a constant field or
/// lives until the call has returned, the hidden factor of an addition included.
/// </summary>
internal static class TensorOps
{
    /// <summary>1, rooted.</summary>
    public static readonly Scalar One = 1.0;

    private static readonly Scalar _minusOne = -1.0;
    private static readonly Scalar _negativeInfinity = double.NegativeInfinity;

    /// <summary>a + b.</summary>
    public static Tensor Plus(this Tensor a, Tensor b) => a.add(b, One);

    /// <summary>a + b.</summary>
    public static Tensor Plus(this Tensor a, double b)
    {
        using Scalar scalar = b;
        return a.add(scalar, One);
    }

    /// <summary>a - b.</summary>
    public static Tensor Minus(this Tensor a, Tensor b) => a.add(b, _minusOne);

    /// <summary>1 - a.</summary>
    public static Tensor OneMinus(this Tensor a) => a.neg().add(One, One);

    /// <summary>a * b.</summary>
    public static Tensor Times(this Tensor a, double b)
    {
        using Scalar scalar = b;
        return a.mul(scalar);
    }

    /// <summary>a / b.</summary>
    public static Tensor Over(this Tensor a, double b)
    {
        using Scalar scalar = b;
        return a.div(scalar);
    }

    /// <summary>Whether each element is below b.</summary>
    public static Tensor Below(this Tensor a, double b)
    {
        using Scalar scalar = b;
        return a.lt(scalar);
    }

    /// <summary>Each element, and at least <paramref name="low"/>.</summary>
    public static Tensor AtLeast(this Tensor a, double low)
    {
        using Scalar scalar = low;
        return a.clamp_min(scalar);
    }

    /// <summary>Limits each element to [low, high] in place.</summary>
    public static Tensor Clamp_(this Tensor a, double low, double high)
    {
        using Scalar min = low, max = high;
        return a.clamp_(min, max);
    }

    /// <summary>
    /// A linear layer of a matrix [R, in]. The encoders keep their tokens as matrices. For more dimensions libtorch's C++ interface makes a
    /// product and then a sum with the bias. In mixed precision that is its slowest kind of sum. A view costs as much of the host's time as
    /// an operation.
    /// </summary>
    public static Tensor Apply(this Linear layer, Tensor x_RI) => nn.functional.linear(x_RI, layer.weight!, layer.bias);

    /// <summary>The same numbers in at least 32 bits.</summary>
    public static Tensor InFull(this Tensor a) => a.dtype == ScalarType.BFloat16 ? a.to(ScalarType.Float32) : a;

    /// <summary>Minus infinity where the mask is true.</summary>
    public static Tensor Exclude(this Tensor a, Tensor mask) => a.masked_fill(mask, _negativeInfinity);

    /// <summary>start, start + 1, ... : int64 [count].</summary>
    public static Tensor Range(long start, long count, Device device)
    {
        using Scalar first = start, end = start + count, step = 1L;
        return arange(first, end, step, dtype: ScalarType.Int64, device: device);
    }

    /// <summary>A scalar tensor of this value, made on the device.</summary>
    public static Tensor Constant(double value, Device device, ScalarType dtype = ScalarType.Float32)
    {
        using Scalar scalar = value;
        return full([], scalar, dtype: dtype, device: device);
    }
}
