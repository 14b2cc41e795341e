using static TorchSharp.torch;

namespace Alpro.Model.Checkpoints;

/// <summary>One element type under the names that checkpoint formats give it.</summary>
/// <param name="Type">TorchSharp's name.</param>
/// <param name="Size">Bytes per element.</param>
/// <param name="Name">PyTorch's name of the type, as in <c>torch.float32</c>.</param>
/// <param name="Storage">PyTorch's storage class, which is what a <c>.pt</c> file names.</param>
/// <param name="Safetensors">The safetensors code, or null where that format has none.</param>
public sealed record ElementType(ScalarType Type, int Size, string Name, string Storage, string? Safetensors)
{
    /// <summary>Every element type that can be read and written.</summary>
    public static IReadOnlyList<ElementType> All { get; } =
    [
        new(ScalarType.Float32, 4, "float32", "FloatStorage", "F32"),
        new(ScalarType.Float64, 8, "float64", "DoubleStorage", "F64"),
        new(ScalarType.Float16, 2, "float16", "HalfStorage", "F16"),
        new(ScalarType.BFloat16, 2, "bfloat16", "BFloat16Storage", "BF16"),
        new(ScalarType.Int64, 8, "int64", "LongStorage", "I64"),
        new(ScalarType.Int32, 4, "int32", "IntStorage", "I32"),
        new(ScalarType.Int16, 2, "int16", "ShortStorage", "I16"),
        new(ScalarType.Int8, 1, "int8", "CharStorage", "I8"),
        new(ScalarType.Byte, 1, "uint8", "ByteStorage", "U8"),
        new(ScalarType.Bool, 1, "bool", "BoolStorage", "BOOL"),
        new(ScalarType.ComplexFloat32, 8, "complex64", "ComplexFloatStorage", "C64"),
        new(ScalarType.ComplexFloat64, 16, "complex128", "ComplexDoubleStorage", null),
    ];

    /// <summary>Whether this is a real floating-point type, between which values are converted on loading.</summary>
    public bool IsFloat => Type is ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Float32 or ScalarType.Float64;

    /// <summary>The entry of a TorchSharp type.</summary>
    /// <exception cref="CheckpointException">The type has no place in a checkpoint.</exception>
    public static ElementType Of(ScalarType type) =>
        All.FirstOrDefault(element => element.Type == type)
        ?? throw new CheckpointException($"tensors of type {type} cannot be stored; convert them first");
}
