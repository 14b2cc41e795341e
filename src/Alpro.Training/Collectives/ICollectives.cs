using static TorchSharp.torch;

namespace Alpro.Training.Collectives;

/// <summary>
/// What the ranks of a group do together. Every rank calls the same operations in the same order, from one thread at a time, and each
/// returns when this rank may go on. Ranks may take as long as they like to arrive. A rank that is gone ends the group: the operation under
/// way and all later ones throw the same <see cref="CollectivesException"/>. What the tensors hold is then undefined.
/// </summary>
public interface ICollectives : IDisposable
{
    /// <summary>This rank's number, 0 to <see cref="World"/> - 1.</summary>
    int Rank { get; }

    /// <summary>Number of ranks.</summary>
    int World { get; }

    /// <summary>
    /// Number of this group among those that trained the run; 0 where one process trains alone. Members of an older group change nothing in
    /// a newer.
    /// </summary>
    long Generation { get; }

    /// <summary>
    /// Puts the sum over all ranks, bit for bit the same on each, in place of a contiguous tensor of 32-bit or 64-bit floats.
    /// </summary>
    void AllReduce(Tensor tensor);

    /// <summary>Whether <see cref="BeginAllReduce"/> leaves the device to others while it sums.</summary>
    bool Overlaps => false;

    /// <summary>Begins what <see cref="AllReduce"/> does, with what is computed up to here; more may be begun before it is done.</summary>
    void BeginAllReduce(Tensor tensor) => AllReduce(tensor);

    /// <summary>What the device computes from here on finds the sums of all that was begun.</summary>
    void CompleteAllReduces()
    {
    }

    /// <summary>
    /// [n, ...] of each rank to [World * n, ...] in rank order, without gradient; <see cref="FeatureGather"/> has it with gradient.
    /// </summary>
    Tensor AllGather(Tensor own);

    /// <summary>Overwrites a contiguous tensor, of the same shape and type on all ranks, with that of one rank.</summary>
    void Broadcast(Tensor tensor, int source);

    /// <summary>
    /// Throws if the group is over. On a GPU operations return before they are done. What they give may be used if this does not throw
    /// after the device has been waited for.
    /// </summary>
    void ThrowIfOver();

    /// <summary>Ends the group for all its ranks, whatever they are doing; for any thread.</summary>
    /// <param name="reason">Why; <see cref="CollectivesException"/> names it on this rank.</param>
    void Abort(Exception reason);

    /// <summary>Whether it is true on any rank.</summary>
    bool Any(bool here)
    {
        using var scope = NewDisposeScope();
        Tensor count = tensor([here ? 1f : 0f]);
        AllReduce(count);
        return count.item<float>() > 0;
    }
}
