using Alpro.Model.Arithmetic;
using static TorchSharp.torch;

namespace Alpro.Model.Checkpoints;

/// <summary>Where a tensor's elements lie among the storages of a file: the storage's key and length, and the view of it.</summary>
internal sealed record StorageView(string Key, long Count, long Offset, long[] Strides);

/// <summary>
/// Lays out tensors in storages so that exactly those that overlap in memory share one. A tensor that overlaps with no other is compact in
/// a storage of its own, even if it views a larger buffer. So no byte is written that nobody asked for.
/// </summary>
internal sealed class StorageLayout
{
    private readonly Dictionary<Tensor, StorageView> views = new(ReferenceEqualityComparer.Instance);

    /// <summary>Lays tensors out; keys are numbers in the order given. The dispose scope of the caller owns the storages.</summary>
    public StorageLayout(IEnumerable<Tensor> tensors)
    {
        using var noGradient = no_grad();
        List<Placed> inOrder = [.. tensors.Distinct<Tensor>(ReferenceEqualityComparer.Instance).Select(tensor => new Placed(tensor))];
        Dictionary<Placed, List<Placed>> groups = Overlapping(inOrder);
        foreach (Placed first in inOrder.Where(placed => !views.ContainsKey(placed.Tensor)))
        {
            List<Placed> group = groups[first];
            string key = $"{Storages.Count}";
            Placed lowest = group[0];
            long count = group.Count == 1 ? first.Tensor.numel() : (group.Max(placed => placed.End) - lowest.Start) / lowest.ElementSize;
            Storages.Add((key, group.Count == 1 ? first.Tensor : lowest.Tensor.as_strided([count], [1], lowest.Tensor.storage_offset())));
            foreach (Placed placed in group)
            {
                views[placed.Tensor] = group.Count == 1
                    ? new StorageView(key, count, 0, StoredTensor.ContiguousStrides(placed.Tensor.shape))
                    : new StorageView(key, count, (placed.Start - lowest.Start) / lowest.ElementSize, placed.Tensor.stride());
            }
        }
    }

    /// <summary>The elements of every storage, to be written in C order.</summary>
    public List<(string Key, Tensor Elements)> Storages { get; } = [];

    /// <summary>Where a tensor was placed.</summary>
    public StorageView this[Tensor tensor] => views[tensor];

    private static Dictionary<Placed, List<Placed>> Overlapping(List<Placed> tensors)
    {
        var groups = new Dictionary<Placed, List<Placed>>();
        foreach (IGrouping<(string, ScalarType),
            Placed> kind in tensors.GroupBy(placed => (placed.Tensor.device.ToString(), placed.Tensor.dtype)))
        {
            List<Placed> group = [];
            long end = 0;
            foreach (Placed placed in kind.OrderBy(placed => placed.Start))
            {
                if (placed.Start >= end || placed.End == placed.Start) group = [];
                group.Add(placed);
                groups[placed] = group;
                end = Math.Max(end, placed.End);
            }
        }
        return groups;
    }

    /// <summary>A tensor and the addresses it covers.</summary>
    private sealed class Placed(Tensor tensor)
    {
        public Tensor Tensor { get; } = tensor;

        public long ElementSize { get; } = tensor.element_size();

        public long Start { get; } = TensorMemory.Address(tensor);

        public long End { get; } = TensorMemory.Address(tensor)
            + tensor.element_size() * (tensor.numel() == 0 ? 0 : 1 + tensor.shape.Zip(tensor.stride()).Sum(d => (d.First - 1) * d.Second));
    }
}
