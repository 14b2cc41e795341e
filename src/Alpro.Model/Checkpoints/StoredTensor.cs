using System.IO.Hashing;

namespace Alpro.Model.Checkpoints;

/// <summary>A run of elements of one type in a checkpoint file. Tensors are views of it, and may share it.</summary>
/// <param name="key">The file's own name of the run.</param>
/// <param name="element">What it holds.</param>
/// <param name="count">How many elements.</param>
public sealed class StoredRun(string key, ElementType element, long count)
{
    private readonly Crc32 checksum = new();
    private long summed;

    /// <summary>The file's own name of the run.</summary>
    public string Key { get; } = key;

    /// <summary>What it holds.</summary>
    public ElementType Element { get; } = element;

    /// <summary>How many elements.</summary>
    public long Count { get; } = count;

    /// <summary>Its bytes in all.</summary>
    public long Bytes => Count * Element.Size;

    /// <summary>Where its first byte lies in the file.</summary>
    public long Position { get; internal set; }

    /// <summary>The checksum the file keeps of it, or null where it keeps none.</summary>
    public uint? Crc32 { get; internal set; }

    /// <summary>Follows a run that is read from its first byte to its last, in pieces, and compares its checksum at the end.</summary>
    /// <exception cref="InvalidDataException">The bytes are not those that were written.</exception>
    internal void Follow(long start, ReadOnlySpan<byte> bytes)
    {
        if (Crc32 is null || start != 0 && start != summed) return;
        if (start == 0) checksum.Reset();
        checksum.Append(bytes);
        summed = start + bytes.Length;
        if (summed == Bytes && checksum.GetCurrentHashAsUInt32() != Crc32)
            throw new InvalidDataException($"the bytes of storage '{Key}' do not have the checksum stored with them: the file is damaged");
    }
}

/// <summary>A tensor as it lies in a checkpoint file: a strided view of a run, not read yet.</summary>
public sealed class StoredTensor
{
    private StoredTensor(StoredRun run, long offset, long[] shape, long[] strides)
    {
        Run = run;
        Offset = offset;
        Shape = shape;
        Strides = strides;
        long whole = shape.Aggregate(1L, (product, size) => checked(product * Math.Max(size, 1)));
        Elements = shape.Contains(0) ? 0 : whole;
        Extent = Elements == 0 ? 0 : shape.Zip(strides).Aggregate(1L,
            (sum, dimension) => checked(sum + (dimension.First - 1) * dimension.Second));
    }

    /// <summary>Where the elements are.</summary>
    public StoredRun Run { get; }

    /// <summary>The first element's place in the run.</summary>
    public long Offset { get; }

    /// <summary>Sizes.</summary>
    public long[] Shape { get; }

    /// <summary>Distance between neighbours along each dimension, in elements.</summary>
    public long[] Strides { get; }

    /// <summary>How many elements the tensor has.</summary>
    public long Elements { get; }

    /// <summary>How many elements of the run it stretches over, gaps included.</summary>
    public long Extent { get; }

    /// <summary>Whether the elements lie one after the other in C order.</summary>
    public bool IsContiguous
    {
        get
        {
            long expected = 1;
            for (int d = Shape.Length - 1; d >= 0; d--)
            {
                if (Shape[d] != 1 && Strides[d] != expected) return Elements == 0;
                expected *= Shape[d];
            }
            return true;
        }
    }

    /// <summary>A view of a run, checked to lie inside it.</summary>
    /// <exception cref="InvalidDataException">The view does not fit, or its sizes are not sizes.</exception>
    public static StoredTensor View(StoredRun run, long offset, long[] shape, long[] strides)
    {
        if (shape.Length != strides.Length || shape.Length > 64)
            throw new InvalidDataException($"a tensor of storage '{run.Key}' has {shape.Length} sizes and {strides.Length} strides");
        if (offset < 0 || shape.Any(size => size < 0) || strides.Any(stride => stride < 0))
            throw new InvalidDataException($"a tensor of storage '{run.Key}' has a negative size, stride or offset");
        try
        {
            var tensor = new StoredTensor(run, offset, shape, strides);
            if (tensor.Extent > run.Count - offset)
                throw new InvalidDataException($"a tensor [{string.Join(", ", shape)}] at element {offset} reaches beyond the {run.Count} "
                    + $"elements of storage '{run.Key}'");
            return tensor;
        }
        catch (OverflowException)
        {
            throw new InvalidDataException($"a tensor of storage '{run.Key}' has the impossible shape [{string.Join(", ", shape)}]");
        }
    }

    /// <summary>A view of a whole run in C order.</summary>
    /// <exception cref="InvalidDataException">The shape does not have as many elements as the run.</exception>
    public static StoredTensor Whole(StoredRun run, long[] shape)
    {
        StoredTensor tensor = View(run, 0, shape, ContiguousStrides(shape));
        return tensor.Elements == run.Count ? tensor
            : throw new InvalidDataException($"'{run.Key}' has {run.Count} elements for the shape [{string.Join(", ", shape)}]");
    }

    /// <summary>Part of the tensor along one dimension.</summary>
    internal StoredTensor Narrow(int dimension, long start, long length)
    {
        long[] shape = [.. Shape];
        shape[dimension] = length;
        return new StoredTensor(Run, Offset + start * Strides[dimension], shape, Strides);
    }

    /// <summary>The type and shape, <c>float32 [2, 768]</c>.</summary>
    public override string ToString() => $"{Run.Element.Name} [{string.Join(", ", Shape)}]";

    /// <summary>The strides of a C-order tensor.</summary>
    internal static long[] ContiguousStrides(long[] shape)
    {
        var strides = new long[shape.Length];
        long stride = 1;
        for (int d = shape.Length - 1; d >= 0; d--)
        {
            strides[d] = stride;
            stride = unchecked(stride * Math.Max(shape[d], 1));
        }
        return strides;
    }
}
